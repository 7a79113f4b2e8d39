import type { Flow, HostView, SiteView } from 'provision'
import type { Backend } from './backends.ts'
import type { Options } from './options.ts'
import { serversOf } from './servers.ts'

type Site = Options['sites'][number]

/** All sites, with the defaults of the top level. Without `sites`, one site serves all names. */
export const sitesOf = (options: Options): readonly Omit<Backend, 'servers'>[] => {
  const first = options.certificates[0]?.names.find((name) => !name.startsWith('*.')) ?? 'localhost'
  const withDefaults = (site: Partial<Site>): Omit<Backend, 'servers'> => ({
    names: site.names ?? [],
    group: site.backend ?? options.backend,
    balance: site.balance ?? options.balance,
    sticky: site.sticky ?? options.sticky,
    health: {
      path: site.health_path ?? options.health_path,
      host: site.health_host ?? options.health_host ?? site.names?.find((name) => !name.startsWith('*.')) ?? first,
      status: site.health_status ?? options.health_status,
    },
    maxConnections: site.max_connections ?? options.max_connections,
    slowStartSeconds: site.slow_start_seconds ?? options.slow_start_seconds,
  })
  return options.sites.length === 0 ? [withDefaults({})] : options.sites.map(withDefaults)
}

/** All sites with their servers. */
export const backendsOf = (options: Options, host: HostView, site: SiteView, flows: readonly Flow[]): readonly Backend[] =>
  sitesOf(options).map((one) => ({ ...one, servers: serversOf(host, site.group(one.group), flows, one.group) }))

/** Whether a host is a web server of some site. */
export const isServer = (name: string, options: Options, view: SiteView): boolean =>
  sitesOf(options).some(({ group }) => view.group(group).some((member) => member.name === name))

interface Fault {
  readonly path: readonly PropertyKey[]
  readonly what: string
  readonly fix: string
}

/** Invalid certificates and sites, found before any host is asked. */
export const faultsOf = ({ acme, backend, certificates, sites }: Options, view: SiteView): readonly Fault[] => {
  const covered = certificates.flatMap(({ names }) => names)
  const groups =
    sites.length === 0
      ? [{ path: ['backend'], group: backend }]
      : sites.map((site, i) => ({ path: ['sites', i, 'backend'], group: site.backend ?? backend }))
  return [
    ...groups
      .filter(({ group }) => view.group(group).length === 0)
      .map(({ path, group }) => ({ path, what: `group ${group} has no hosts`, fix: 'set `backend` to the group of the web servers' })),
    ...certificates.flatMap(({ names }, i) =>
      certificates.slice(0, i).some((other) => other.names[0] === names[0])
        ? [
            {
              path: ['certificates', i],
              what: `${names[0]} is the first name of two certificates`,
              fix: 'begin each certificate with a different name',
            },
          ]
        : [],
    ),
    ...certificates.flatMap(({ names }, i) =>
      names.flatMap((name, j) =>
        name.startsWith('*.') && acme.dns_hook === undefined
          ? [
              {
                path: ['certificates', i, 'names', j],
                what: `${name} is a wildcard, which only DNS-01 can validate`,
                fix: 'set acme.dns_hook, or list each host name',
              },
            ]
          : [],
      ),
    ),
    ...sites.flatMap(({ names }, i) =>
      names.flatMap((name, j): Fault[] => {
        const path = ['sites', i, 'names', j]
        if (sites.slice(0, i).some((other) => other.names.includes(name)))
          return [{ path, what: `${name} belongs to two sites`, fix: 'remove it from one of them' }]
        if (covered.some((one) => one === name || (one.startsWith('*.') && name.slice(name.indexOf('.')) === one.slice(1)))) return []
        return [{ path, what: `${name} has no certificate`, fix: `add ${name} to certificates` }]
      }),
    ),
  ]
}
