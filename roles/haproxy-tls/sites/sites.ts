import { type Flow, type HostView, Problem, type ServedSite, type SiteView, type Text, usersByPart } from 'provision'
import { type Backend, backendName } from '../config/backends.ts'
import { userLists } from '../config/rules.ts'
import type { HealthCheck } from '../health.ts'
import type { Options } from '../options.ts'
import { tcpName } from '../tcp/config.ts'
import { someName } from './names.ts'
import { partsOf, type SiteParts } from './parts.ts'
import { servedBy, serves, siteFor } from './served.ts'
import { serversOf } from './servers.ts'

type Site = Options['sites'][number]

type Unserved = Omit<Backend, 'servers'>

/** How a site answers requests: by its own options, with those of the top level as defaults. */
export const partOptionsOf = (options: Options, site: Partial<Site> = {}): SiteParts => ({
  users: site.users ?? options.users,
  allow: site.allow ?? options.allow,
  locations: site.locations ?? options.locations,
  redirects: site.redirects ?? options.redirects,
  canary: site.canary ?? options.canary,
  weights: site.weights ?? options.weights,
  maintenance: 'maintenance' in site ? site.maintenance : options.maintenance,
})

/**
 * All sections with web servers, with the defaults of the top level. Without `sites`, those without names serve all of them, and each other
 * site of the web servers has a section, so that its health is checked. The parts of a site precede its own section.
 */
export const sitesOf = (options: Options, served: readonly ServedSite[] = []): readonly Unserved[] => {
  const first = someName(options.certificates[0]?.names ?? [])
  const withDefaults = (site: Partial<Site>, host = options.health_host): readonly Unserved[] => {
    const given = partOptionsOf(options, site)
    const parts = partsOf(given)
    const own = { names: site.names ?? [], group: site.backend ?? options.backend }
    const shared = {
      balance: site.balance ?? options.balance,
      sticky: site.sticky ?? options.sticky,
      health: {
        path: site.health_path ?? options.health_path,
        host: site.health_host ?? host ?? (site.names === undefined ? first : someName(site.names)),
        status: site.health_status ?? options.health_status,
      },
      maxConnections: site.max_connections ?? options.max_connections,
      slowStartSeconds: site.slow_start_seconds ?? options.slow_start_seconds,
      weights: given.weights ?? {},
      rules: { site: backendName(own), parts, users: usersByPart(given) },
      maintenance: undefined,
    }
    const byPath = parts.flatMap(({ path, backend }) =>
      backend === undefined ? [] : [{ ...own, ...shared, group: backend, at: { path } }],
    )
    const { canary } = given
    const share = canary === undefined ? [] : [{ ...own, ...shared, group: canary.backend, at: { percent: canary.percent } }]
    const all: readonly Unserved[] = [...byPath.toReversed(), ...share, { ...own, ...shared }]
    return all.map((one, i) => (i === 0 ? { ...one, maintenance: given.maintenance } : one))
  }
  if (options.sites.length > 0) return options.sites.flatMap((site) => (site.redirect === undefined ? withDefaults(site) : []))
  const all = withDefaults({})
  const others = served.filter((site) => site.names.length > 0 && site !== siteFor(all[0]?.health.host ?? '', served))
  return [...all, ...others.flatMap(({ names }) => withDefaults({ names: [...names] }, someName(names)))]
}

/** Sections with the users of all sites. */
export const usersIn = (backends: readonly Backend[], { name }: HostView): Text => {
  const bySite = new Map(backends.map(({ rules }) => [rules.site, rules]))
  return { type: 'text', parts: [...bySite.values()].flatMap((rules) => userLists(rules, name).parts) }
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

/** The sites that the web servers of all groups serve. */
export const servedToAny = (options: Options, site: SiteView, flows: readonly Flow[]): readonly ServedSite[] =>
  [...new Set(sitesOf(options).map(({ group }) => group))].flatMap((group) => servedBy(group, site, flows))

/** The health check of every section. */
export const checksIn = (options: Options, site: SiteView, flows: readonly Flow[]): readonly HealthCheck[] => [
  ...sitesOf(options, servedBy(options.backend, site, flows)).map((one) => ({ section: backendName(one), request: one.health })),
  ...options.tcp.map((one) => ({ section: tcpName(one) })),
]

/** Whether a host is a server of some site or service. */
export const isServer = (name: string, options: Options, view: SiteView): boolean =>
  [...sitesOf(options).map(({ group }) => group), ...options.tcp.map(({ backend }) => backend)].some((group) =>
    view.group(group).some((member) => member.name === name),
  )
