import { MADE_IN_THIS_RUN } from '../kind/content.ts'
import { ABSENT } from '../kind/inode.ts'
import type { Change, PlanContext, ShownDiff, Work } from '../kind/kind.ts'
import type { MeshState } from './observe.ts'
import { type Peers, readPeers, repeatedKeys, wantedPeers, writePeers } from './peers.ts'
import { type MeshSpec, pathsOf } from './spec.ts'

/** States of the reached members. */
export type Members = ReadonlyMap<string, MeshState>

/**
 * Returns the public keys of reached members. A key that several members report counts only for the one that already has it: a host gains
 * nothing by reporting the key of another one.
 */
export const keysOf = (members: Members, current: Peers): ((host: string) => string | undefined) => {
  const keys = publicKeysOf(members)
  const repeated = repeatedKeys(keys)
  return (host) => {
    const key = keys.get(host)
    if (key === undefined || !repeated.has(key)) return key
    return current.get(host)?.includes(`\nPublicKey = ${key}\n`) === true ? key : undefined
  }
}

const publicKeysOf = (members: Members): ReadonlyMap<string, string | undefined> =>
  new Map([...members].map(([host, { publicKey }]) => [host, publicKey]))

/** Plans the key and the peers of a host. */
export const planMesh = (spec: MeshSpec, state: MeshState, context: PlanContext): Change | undefined => {
  const members = withOwn(spec, state, context.members() as Members)
  const own = ownReasons(state)
  const reasons = [...own, ...peerReasons(spec, state, members)]
  if (reasons.length === 0) return undefined
  const isCertain = own.length === 0 && joining(spec, members).length === 0
  return {
    action: state.key === ABSENT ? 'create' : 'update',
    certainty: isCertain ? 'exact' : 'dependent',
    reason: reasons.join(', '),
    differences: [],
  }
}

const withOwn = (spec: MeshSpec, state: MeshState, members: Members): Members => new Map([...members, [spec.me, state]])

const ownReasons = ({ key, publicKey }: MeshState): readonly string[] => {
  if (key === ABSENT) return ['creates its key']
  if (publicKey === undefined) return ['public key missing']
  const isPrivate = key.type === 'f' && key.mode === '600' && key.owner === 'root' && key.group === 'root'
  return isPrivate ? [] : ['private key readable by others']
}

/** Other members that get their key in this run. */
const joining = ({ me, members: all }: MeshSpec, members: Members): readonly string[] =>
  all.map(({ host }) => host).filter((host) => host !== me && members.has(host) && members.get(host)?.publicKey === undefined)

const peerReasons = (spec: MeshSpec, state: MeshState, members: Members): readonly string[] => {
  const current = readPeers(state.peers ?? '')
  const wanted = wantedPeers(spec, keysOf(members, current), current)
  const changed = [...wanted].flatMap(([host, section]) => {
    const before = current.get(host)
    if (before === section) return []
    return [before === undefined ? `adds ${host}` : `updates ${host}`]
  })
  const removed = [...current.keys()].filter((host) => !wanted.has(host)).map((host) => `removes ${host}`)
  const named = [...joining(spec, members).map((host) => `${host} joins`), ...changed, ...removed]
  if (named.length > 0) return named
  if (state.peers !== writePeers(wanted)) return [state.peers === undefined ? 'no peers yet' : 'file of peers differs']
  return state.loaded !== undefined && state.loaded !== state.peersDigest ? ['peers not loaded yet'] : []
}

/** Members that have no peer here because they were not reached, or because another host has their key. */
export const meshNotices = (spec: MeshSpec, state: MeshState, context: PlanContext): readonly string[] => {
  const members = withOwn(spec, state, context.members() as Members)
  const current = readPeers(state.peers ?? '')
  const repeated = repeatedKeys(publicKeysOf(members))
  const sharing = [...members].flatMap(([host, { publicKey }]) => (publicKey !== undefined && repeated.has(publicKey) ? [host] : []))
  const absent = spec.members.map(({ host }) => host).filter((host) => !members.has(host) && !current.has(host))
  return [
    ...absent.map((host) => `${host} was not reached: it joins the mesh of ${spec.me} in a run that reaches both`),
    ...(sharing.length === 0
      ? []
      : [`${sharing.join(' and ')} have the same key: delete ${pathsOf(spec.interface).key} on the one that was copied, and run again`]),
  ]
}

/** Both texts of the file of peers. It has no secret. */
export const meshDiff = ({ spec, state, members }: Work<MeshSpec, MeshState>): ShownDiff => {
  const reached = withOwn(spec, state, (members?.() ?? new Map()) as Members)
  const current = readPeers(state.peers ?? '')
  const known = keysOf(reached, current)
  const isJoining = new Set(joining(spec, reached))
  const wanted = wantedPeers(spec, (host) => (isJoining.has(host) ? MADE_IN_THIS_RUN : known(host)), current)
  return { name: pathsOf(spec.interface).peers, before: state.peers ?? '', after: writePeers(wanted) }
}
