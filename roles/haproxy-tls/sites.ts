import type { Flow, HostView, SiteView } from 'provision'
import type { Backend } from './backends.ts'
import type { Options } from './options.ts'
import { serversOf } from './servers.ts'

type Site = Options['sites'][number]

/** What the options say of each site, its own word before the common one. Without `sites` there is one, for all names. */
export const sitesOf = (options: Options): readonly Omit<Backend, 'servers'>[] => {
  const first = options.certificates[0]?.names.find((name) => !name.startsWith('*.')) ?? 'localhost'
  const settle = (site: Partial<Site>): Omit<Backend, 'servers'> => ({
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
  return options.sites.length === 0 ? [settle({})] : options.sites.map(settle)
}

/** The sites with the servers behind them. */
export const backendsOf = (options: Options, host: HostView, site: SiteView, flows: readonly Flow[]): readonly Backend[] =>
  sitesOf(options).map((one) => ({ ...one, servers: serversOf(host, site.group(one.group), flows, one.group) }))

/** Whether a host is one of those that visitors are sent to. */
export const isServer = (name: string, options: Options, view: SiteView): boolean =>
  sitesOf(options).some(({ group }) => view.group(group).some((member) => member.name === name))

interface Wrong {
  readonly path: readonly PropertyKey[]
  readonly what: string
  readonly fix: string
}

/** What is wrong with certificates and sites before any host is asked. */
export const faultsOf = ({ acme, backend, certificates, sites }: Options, view: SiteView): readonly Wrong[] => {
  const covered = certificates.flatMap(({ names }) => names)
  const groups =
    sites.length === 0
      ? [{ path: ['backend'], group: backend }]
      : sites.map((site, i) => ({ path: ['sites', i, 'backend'], group: site.backend ?? backend }))
  return [
    ...groups
      .filter(({ group }) => view.group(group).length === 0)
      .map(({ path, group }) => ({ path, what: `no host is in the group ${group}`, fix: 'name the group of the web servers' })),
    ...certificates.flatMap(({ names }, i) =>
      certificates.slice(0, i).some((other) => other.names[0] === names[0])
        ? [
            {
              path: ['certificates', i],
              what: `a second certificate begins with ${names[0]}`,
              fix: 'let each certificate begin with another name',
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
                what: `${name} can only be proved by DNS`,
                fix: 'set acme.dns_hook, or name each host by itself',
              },
            ]
          : [],
      ),
    ),
    ...sites.flatMap(({ names }, i) =>
      names.flatMap((name, j): Wrong[] => {
        const path = ['sites', i, 'names', j]
        if (sites.slice(0, i).some((other) => other.names.includes(name)))
          return [{ path, what: `${name} belongs to another site already`, fix: 'name it in one of them' }]
        if (covered.some((one) => one === name || (one.startsWith('*.') && name.slice(name.indexOf('.')) === one.slice(1)))) return []
        return [{ path, what: `no certificate is for ${name}`, fix: 'name it in certificates' }]
      }),
    ),
  ]
}
