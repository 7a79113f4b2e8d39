import type { Flow, ServedSite, SiteProbe, SiteView } from 'provision'
import type { Options } from '../options.ts'
import { isCovered, isWildcard } from './names.ts'

/** The sites that the web servers of a group serve, each once. */
export const servedBy = (group: string, view: SiteView, flows: readonly Flow[]): readonly ServedSite[] => {
  const members = new Set(view.group(group).map(({ name }) => name))
  const all = flows.filter(({ host, service }) => service === 'site' && members.has(host)).flatMap(({ sites }) => sites ?? [])
  return [...new Map(all.map((site) => [keyOf(site), site])).values()]
}

/** Whether a web server serves a site; true if its role does not declare its sites. */
export const serves = ({ sites }: Flow, names: readonly string[]): boolean =>
  sites === undefined || sites.some((site) => keyOf(site) === keyOf({ names }))

const keyOf = ({ names }: ServedSite): string => names.join(' ')

/** The site that answers for a host name. Exact names come before wildcards, and those before a site for all names. */
export const siteFor = <S extends Pick<ServedSite, 'names'>>(name: string, served: readonly S[]): S | undefined =>
  served.find(({ names }) => names.includes(name)) ??
  served.find(({ names }) => isCovered(name, names)) ??
  served.find(({ names }) => names.length === 0)

/** The request of a visitor that shows whether the site with this name works: an option of the balancer, or of the web server. */
export const probeOf = (name: string, options: Options, served: readonly ServedSite[]): SiteProbe | undefined =>
  siteFor(name, options.sites)?.probe ?? options.probe ?? siteFor(name, served)?.probe

/** Names for health probes: one of each site that a certificate covers. */
export const probedNames = ({ certificates, sites }: Options, served: readonly ServedSite[]): readonly string[] => {
  const first = (names: readonly string[]): readonly string[] => names.filter((name) => !isWildcard(name)).slice(0, 1)
  const covered = certificates.flatMap(({ names }) => names)
  const chosen = (sites.length > 0 ? sites : certificates).flatMap(({ names }) => first(names))
  const groups = served.filter(({ names }) => sites.length === 0 && !names.some((name) => chosen.includes(name)))
  return [...chosen, ...groups.flatMap(({ names }) => first(names.filter((name) => isCovered(name, covered))))]
}

/** Names that the balancer and its web servers do not share. Visitors of such a name get an error. */
export const nameWarnings = ({ certificates, sites }: Options, served: readonly ServedSite[]): readonly string[] => {
  const certified = certificates.flatMap(({ names }) => names)
  const routed = sites.flatMap(({ names }) => names)
  const offered = [...new Set(served.flatMap(({ names }) => names))]
  const own = routed.length > 0 ? routed : certified
  // A site for all names answers every one.
  const redirecting = sites.flatMap(({ names, redirect }) => (redirect === undefined ? [] : names))
  const servesAll = served.length === 0 || served.some(({ names }) => names.length === 0)
  const uncertified = offered.filter((name) => !isCovered(name, certified))
  const unrouted = routed.length === 0 ? [] : offered.filter((name) => !uncertified.includes(name) && !isCovered(name, routed))
  const unserved = servesAll
    ? []
    : own.filter((name) => !redirecting.includes(name) && !isCovered(name, offered) && !offered.some((other) => isCovered(other, [name])))
  const mixed = sites.flatMap(({ names, redirect }) => {
    if (redirect !== undefined) return []
    const behind = new Map(names.map((name) => [siteFor(name, served), name]))
    return behind.size > 1 ? [[...behind.values()].join(' and ')] : []
  })
  return [
    ...mixed.map(
      (names) =>
        `${names} are one site of the balancer and several of the web servers; the balancer checks the health of one only. Give each its own entry of haproxy-tls.sites`,
    ),
    ...uncertified.map(
      (name) => `the web servers have a site for ${name}, and no certificate covers it; add it to haproxy-tls.certificates`,
    ),
    ...unrouted.map((name) => `the web servers have a site for ${name}, and visitors get status 421; add it to haproxy-tls.sites`),
    ...[...new Set(unserved)].map(
      (name) => `no site of the web servers has the name ${name}, so its visitors get status 404; add it to nginx.sites`,
    ),
  ]
}
