import { type Facts, type HostContext, Problem } from 'provision'
import type { Options } from './options.ts'

/** Versions of the server in the releases. */
const VERSIONS: Readonly<Record<Facts['distribution'], Readonly<Record<string, number>>>> = {
  debian: { '12': 15, '13': 17, '': 18 },
  ubuntu: { '22.04': 14, '24.04': 16, '26.04': 18 },
}

/** The server of a release, and what it can do. */
export interface Software {
  readonly version: number
  readonly package: string
  readonly unit: string
  readonly cluster: string
  readonly programs: string
  readonly data: string
  /** `ALTER SYSTEM` can be switched off (since 17): its file in the data directory would override the configuration. */
  readonly canRefuseAlterSystem: boolean
}

const softwareOf = (version: number): Software => ({
  version,
  package: `postgresql-${version}`,
  unit: `postgresql@${version}-main.service`,
  cluster: `${version}/main`,
  programs: `/usr/lib/postgresql/${version}/bin`,
  data: `/var/lib/postgresql/${version}/main`,
  canRefuseAlterSystem: version >= 17,
})

/** What a data directory has; `pristine`: nothing was ever created in it. */
export type DataState = 'none' | 'pristine' | 'standby' | 'own'

/** The clusters that a host has. */
export type Own = { readonly clusters: { readonly name: string; readonly data: DataState }[] }

/** Requires a release with a known server, and a host without other clusters, which would use the same port. */
export const requireSoftware = ({ facts, host }: HostContext<Options, Own>): Software => {
  const version = VERSIONS[facts.distribution][facts.release]
  const where = { host: host.name, role: 'postgresql' }
  if (version === undefined)
    throw new Problem({
      ...{ class: 'input', where },
      what: `the version of PostgreSQL in ${facts.distribution} ${facts.release} is unknown`,
      why: 'this role supports Debian 12 and 13, and Ubuntu 22.04, 24.04 and 26.04',
      fix: 'use a host with one of these releases',
    })
  const software = softwareOf(version)
  const others = facts.own.clusters.map(({ name }) => name).filter((name) => name !== software.cluster)
  if (others.length > 0)
    throw new Problem({
      ...{ class: 'input', where },
      what: `the host has the PostgreSQL cluster ${others.join(', ')} beside ${software.cluster}`,
      why: 'this role manages the only cluster of a host',
      fix: `move its data with pg_upgradecluster, and delete it with pg_dropcluster`,
    })
  return software
}

/** Requires a replica to have no data of its own, unless it may be discarded. */
export const requireReplaceable = ({ facts, host, options }: HostContext<Options, Own>, primary: string): void => {
  const hasOwn = facts.own.clusters.some(({ data }) => data === 'own')
  if (!hasOwn || options.discard_data_of.includes(host.name)) return
  throw new Problem({
    ...{ class: 'input', where: { host: host.name, role: 'postgresql' } },
    what: `${host.name} has data of its own, and is to become a replica of ${primary}`,
    why: 'a replica starts with a copy of its primary, in place of its own data',
    fix: `set \`primary: ${host.name}\`, or add ${host.name} to \`discard_data_of\` to lose its data`,
  })
}

/** Requires a primary not to be a standby. A run cannot know that the former primary is down for good, so a person promotes. */
export const requirePromoted = ({ facts, host }: HostContext<Options, Own>): void => {
  if (!facts.own.clusters.some(({ data }) => data === 'standby')) return
  throw new Problem({
    ...{ class: 'input', where: { host: host.name, role: 'postgresql' } },
    what: `${host.name} is to be the primary, and is a replica`,
    why: 'two servers that accept writes would diverge, so no run promotes a replica',
    fix: "stop the former primary, and run on the host: sudo -u postgres psql -c 'SELECT pg_promote()'",
  })
}
