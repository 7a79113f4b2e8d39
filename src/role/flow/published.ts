import type { Resource } from '../../resource/kind/kind.ts'
import { network } from '../../resource/option/network.ts'
import type { PublishedPort } from '../../resource/published/published.ts'
import type { Listen, Peer } from '../role.ts'

/** Returns what these resources publish, for `listens` of a role in TypeScript: ports of containers with `from`. */
export const listensOf = (resources: readonly Resource[]): readonly Listen[] =>
  resources.flatMap(({ kind, spec }) => kind.publishes?.ports(spec) ?? []).map(listenOf)

/** Returns a published port as an entry of `listens`. */
export const listenOf = ({ service, port, protocol, from, why, forwarded }: PublishedPort): Listen => ({
  ...{ service, port, protocol, from: from.map(peerOf), ...(forwarded && { forwarded }) },
  ...(why !== undefined && { why }),
})

/** Returns the peer that a word names: `anyone`, `administrators`, a network, or a group or set. */
export const peerOf = (word: string): Peer =>
  word === 'anyone' || word === 'administrators' ? word : network.safeParse(word).success ? { network: word } : { group: word }
