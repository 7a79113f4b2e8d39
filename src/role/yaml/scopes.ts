import { firstNames } from '../../first-names.ts'
import { shownText } from '../../shown-name.ts'
import type { Site } from '../../site/site.ts'
import type { SourceNode } from '../../site/source/source-map.ts'
import { FACTS } from '../facts.ts'
import type { HostContext, HostView } from '../role.ts'
import type { EntryContext } from './entries.ts'
import { plainMap, type Scope } from './scope.ts'

/** The part of a site that references name. */
export type SiteValues = Pick<Site, 'hosts' | 'plays' | 'roleOptions'>

/** Names that are known without a host. */
export const KNOWN: EntryContext['names'] = {
  vars: 'any',
  host: ['name', 'address', 'addresses', 'publicAddress', 'publicAddresses', 'groups', 'user', 'sshPort'],
  facts: Object.keys(FACTS),
}

/** The maps that references of a host's resources name. */
export const scopeOf = ({ host, facts }: Pick<HostContext<unknown>, 'host' | 'facts'>, site: SiteValues): Scope => ({
  vars: once(() => variablesOf(site, host.name)),
  host: once(() => plainMap(ofHost(host))),
  facts: once(() => plainMap({ ...facts })),
  missingVariable: (name) => {
    const without = [...site.hosts.values()].flatMap((one) => (one.vars.has(name) ? [] : [one.name]))
    return without.length === site.hosts.size ? undefined : `variable \`${shownText(name)}\` is not set for ${firstNames(without)}`
  },
})

const once = (make: () => SourceNode): (() => SourceNode) => {
  let made: SourceNode | undefined
  return () => {
    made ??= make()
    return made
  }
}

const ofHost = (host: HostView): Readonly<Record<string, unknown>> => {
  const { name, user, sshPort, addresses, publicAddresses, groups } = host
  const [address] = addresses
  const [publicAddress] = publicAddresses
  return {
    ...{ name, user, sshPort, addresses, publicAddresses, groups },
    ...(address !== undefined && { address }),
    ...(publicAddress !== undefined && { publicAddress }),
  }
}

const variablesOf = (site: SiteValues, host: string): SourceNode => {
  const vars = [...(site.hosts.get(host)?.vars ?? [])]
  return { is: 'map', place: { file: '' }, entries: new Map(vars.map(([name, { node }]) => [name, { key: node.place, node }])) }
}
