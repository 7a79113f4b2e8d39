import { overlap, type ServedSite, type SiteProbe } from 'provision'
import type { Options } from '../options.ts'
import { partAt, partsOf } from './parts.ts'
import { probeOf, siteFor } from './served.ts'
import { partOptionsOf } from './sites.ts'

/** A visitor: the requested host name, and the addresses that the balancer may see. */
interface Visit {
  readonly name: string
  readonly from: readonly string[]
}

/**
 * The request that shows whether a site works for a visitor, and the status of the response: that of the site's probe, unless the balancer
 * answers itself. Undefined if any page without an error is correct.
 */
export const expectedFor = ({ name, from }: Visit, options: Options, served: readonly ServedSite[]): SiteProbe | undefined => {
  const site = siteFor(name, options.sites)
  if (site?.redirect !== undefined) return { path: '/', status: 301 }
  const given = partOptionsOf(options, site)
  const areIn = (networks: readonly string[]): boolean => from.every((address) => networks.some((one) => overlap(one, address)))
  if (given.maintenance !== undefined && !areIn(given.maintenance.allow)) return { path: '/', status: 503 }
  const probe = probeOf(name, options, served)
  const { path } = probe ?? { path: '/' }
  const part = partAt(path.replace(/\?.*/, ''), partsOf(given))
  if (part?.redirect !== undefined) return { path, status: part.redirect.status }
  if (part?.allow !== undefined && !areIn(part.allow)) return undefined
  return part?.usersOf === undefined ? probe : { path, status: 401 }
}
