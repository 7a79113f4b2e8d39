import { isIP } from 'node:net'
import type { OptionFault, SiteView } from 'provision'
import { proxyFaults } from '../config/proxies.ts'
import { TIMEOUTS } from '../config/timeouts.ts'
import type { Options } from '../options.ts'
import { isCovered, isWildcard } from './names.ts'
import { partFaults } from './parts.ts'
import { partOptionsOf } from './sites.ts'

type Site = Options['sites'][number]

/** Invalid certificates and sites, found before any host is asked. */
export const faultsOf = (given: Options, view: SiteView): readonly OptionFault[] => {
  const { acme, backend, certificates, sites, ...options } = given
  const covered = certificates.flatMap(({ names }) => names)
  const groups =
    sites.length === 0
      ? [{ path: ['backend'], group: backend }]
      : sites.flatMap((site, i) => (site.redirect === undefined ? [{ path: ['sites', i, 'backend'], group: site.backend ?? backend }] : []))
  return [
    ...proxyFaults(options.trusted_proxies, view),
    ...(acme.dns_hook !== undefined && acme.dns_update !== undefined
      ? [{ path: ['acme', 'dns_update'], what: 'dns_update and dns_hook both publish records', fix: 'remove one of them' }]
      : []),
    ...extraFaults(options),
    ...(sites.length === 0 ? partFaults(partOptionsOf(given), [backend], view) : siteFaults(given, view)),
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
        i > 0 && isIP(name) !== 0
          ? [
              {
                path: ['certificates', i, 'names', j],
                what: `${name} is in a certificate that visitors of an address do not get`,
                fix: 'move its certificate to the beginning of the list: the first one serves clients that name no host',
              },
            ]
          : [],
      ),
    ),
    ...certificates.flatMap(({ names }, i) =>
      names.flatMap((name, j) =>
        isWildcard(name) && acme.dns_hook === undefined && acme.dns_update === undefined && certificates[i]?.own === undefined
          ? [
              {
                path: ['certificates', i, 'names', j],
                what: `${name} is a wildcard, which only DNS-01 can validate`,
                fix: 'set acme.dns_update or acme.dns_hook, or list each host name',
              },
            ]
          : [],
      ),
    ),
    ...sites.flatMap(({ names }, i) =>
      names.flatMap((name, j): OptionFault[] => {
        const path = ['sites', i, 'names', j]
        if (sites.slice(0, i).some((other) => other.names.includes(name)))
          return [{ path, what: `${name} belongs to two sites`, fix: 'remove it from one of them' }]
        if (isCovered(name, covered)) return []
        return [{ path, what: `${name} has no certificate`, fix: `add ${name} to certificates` }]
      }),
    ),
  ]
}

/** Faults of the options of sites, and of those that they inherit from the top level: each once, at the place where it is written. */
const siteFaults = (given: Options, view: SiteView): readonly OptionFault[] => {
  const { sites, backend } = given
  const groups = sites.flatMap((site) => (site.redirect === undefined ? [site.backend ?? backend] : []))
  const faults = sites.flatMap((site, i): readonly OptionFault[] => {
    const at = (one: OptionFault): OptionFault => ({ ...one, path: ['sites', i, ...one.path] })
    if (site.redirect !== undefined) return redirectFaults(site, site.redirect).map(at)
    // Inherited weights name servers of any site.
    const own = 'weights' in site ? [site.backend ?? backend] : groups
    return partFaults(partOptionsOf(given, site), own, view).map((one) => (String(one.path[0]) in site ? at(one) : one))
  })
  return [...new Map(faults.map((one) => [`${one.path.join('.')} ${one.what}`, one])).values()]
}

/** Faults of a site that redirects every request. */
const redirectFaults = ({ names, redirect: _, ...others }: Site, redirect: string): readonly OptionFault[] => {
  const loop = names.includes(new URL(redirect).hostname)
  return [
    ...Object.keys(others).map((key) => ({
      path: [key],
      what: `${key} has no effect, because the site redirects every request`,
      fix: 'remove it, or `redirect`',
    })),
    ...(loop
      ? [{ path: ['redirect'], what: `${redirect} is a name of the site itself`, fix: 'move that name to another entry of sites' }]
      : []),
  ]
}

/** Additional lines that an option would defeat, or that would repeat requests other than GET. */
const extraFaults = ({ extra, retry_posts }: Pick<Options, 'extra' | 'retry_posts'>): readonly OptionFault[] =>
  (['defaults', 'backend'] as const).flatMap((section) =>
    extra[section].flatMap((line, i): readonly OptionFault[] => {
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
