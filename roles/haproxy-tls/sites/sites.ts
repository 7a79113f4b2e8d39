import { type Flow, type HostView, Problem, type ServedSite, type SiteView } from 'provision'
import { type Backend, backendName } from '../config/backends.ts'
import { TIMEOUTS } from '../config/timeouts.ts'
import type { HealthCheck } from '../health.ts'
import type { Options } from '../options.ts'
import { someName } from './names.ts'
import { servedBy, serves, siteFor } from './served.ts'
import { serversOf } from './servers.ts'

type Site = Options['sites'][number]

/**
 * All sites, with the defaults of the top level. Without `sites`, the first one serves all names, and each other site of the web servers
 * has a section, so that its health is checked.
 */
export const sitesOf = (options: Options, served: readonly ServedSite[] = []): readonly Omit<Backend, 'servers'>[] => {
  const first = someName(options.certificates[0]?.names ?? [])
  const withDefaults = (site: Partial<Site>, host = options.health_host): Omit<Backend, 'servers'> => ({
    names: site.names ?? [],
    group: site.backend ?? options.backend,
    balance: site.balance ?? options.balance,
    sticky: site.sticky ?? options.sticky,
    health: {
      path: site.health_path ?? options.health_path,
      host: site.health_host ?? host ?? (site.names === undefined ? first : someName(site.names)),
      status: site.health_status ?? options.health_status,
    },
    maxConnections: site.max_connections ?? options.max_connections,
    slowStartSeconds: site.slow_start_seconds ?? options.slow_start_seconds,
  })
  if (options.sites.length > 0) return options.sites.map((site) => withDefaults(site))
  const all = withDefaults({})
  const others = served.filter((site) => site.names.length > 0 && site !== siteFor(all.health.host, served))
  return [all, ...others.map(({ names }) => withDefaults({ names: [...names] }, someName(names)))]
}

/** All sites with their servers. */
export const backendsOf = (options: Options, host: HostView, site: SiteView, flows: readonly Flow[]): readonly Backend[] =>
  sitesOf(options, servedBy(options.backend, site, flows)).map((one) => {
    const serving = flows.filter(
      (flow) => flow.service !== 'site' || options.sites.length > 0 || one.names.length === 0 || serves(flow, one.names),
    )
    const members = site.group(one.group)
    checkPatience(options, host, members, flows)
    return { ...one, servers: serversOf(host, members, serving, one.group) }
  })

/** Throws a problem if a web server may take longer to respond than this balancer waits. */
const checkPatience = ({ timeouts }: Options, host: HostView, members: readonly HostView[], flows: readonly Flow[]): void => {
  const slow = flows.find(
    ({ host: name, service, responseSeconds = 0 }) =>
      service === 'site' && responseSeconds > timeouts.server && members.some((member) => member.name === name),
  )
  if (slow === undefined) return
  throw new Problem({
    class: 'input',
    where: { host: host.name, role: 'haproxy-tls' },
    what: `a site on ${slow.host} may take ${slow.responseSeconds} s to respond, and HAProxy waits only ${timeouts.server} s`,
    fix: `set \`timeouts.server\` of haproxy-tls to at least ${slow.responseSeconds}, or \`timeout_seconds\` of the site to at most ${Math.floor(timeouts.server)}`,
  })
}

/** The health check of every section. */
export const checksIn = (options: Options, site: SiteView, flows: readonly Flow[]): readonly HealthCheck[] =>
  sitesOf(options, servedBy(options.backend, site, flows)).map((one) => ({ section: backendName(one), ...one.health }))

/** Whether a host is a web server of some site. */
export const isServer = (name: string, options: Options, view: SiteView): boolean =>
  sitesOf(options).some(({ group }) => view.group(group).some((member) => member.name === name))

interface Fault {
  readonly path: readonly PropertyKey[]
  readonly what: string
  readonly fix: string
}

/** Invalid certificates and sites, found before any host is asked. */
export const faultsOf = ({ acme, backend, certificates, sites, ...options }: Options, view: SiteView): readonly Fault[] => {
  const covered = certificates.flatMap(({ names }) => names)
  const groups =
    sites.length === 0
      ? [{ path: ['backend'], group: backend }]
      : sites.map((site, i) => ({ path: ['sites', i, 'backend'], group: site.backend ?? backend }))
  return [
    ...extraFaults(options),
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
        name.startsWith('*.') && acme.dns_hook === undefined && certificates[i]?.own === undefined
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

/** Additional lines that an option would defeat, or that would repeat requests other than GET. */
const extraFaults = ({ extra, retry_posts }: Pick<Options, 'extra' | 'retry_posts'>): readonly Fault[] =>
  (['defaults', 'backend'] as const).flatMap((section) =>
    extra[section].flatMap((line, i): readonly Fault[] => {
      const path = ['extra', section, i]
      const [first = '', second = ''] = line.trim().split(/\s+/)
      const timeout = first === 'timeout' ? Object.entries(TIMEOUTS).find(([, name]) => name === second)?.[0] : undefined
      if (timeout !== undefined)
        return [{ path, what: `timeout ${second} is set by an option`, fix: `set \`timeouts.${timeout}\` instead of this line` }]
      if (first !== 'retry-on' || (retry_posts && section === 'backend')) return []
      const fix = retry_posts ? 'move it to `extra.backend`' : 'remove it, or set `retry_posts: true` if all requests may be executed twice'
      return [{ path, what: 'retry-on would apply to requests other than GET too, which are sent once', fix }]
    }),
  )
