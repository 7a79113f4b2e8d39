import {
  type Access,
  accessOf,
  accessOptions,
  network,
  type OptionFault,
  partAccessOptions,
  partPath,
  redirect,
  redirectedParts,
  redirects,
  type SiteView,
  withoutStars,
  z,
} from 'provision'

const group = z.string().min(1)

const location = z.strictObject({
  backend: group.optional().meta({ description: 'another group of web servers for this path', examples: ['api'] }),
  ...partAccessOptions,
})

const RETRY_SECONDS = 300

/** Options that decide how a site answers requests. At the top level they are the defaults of all sites. */
export const partOptions = {
  ...accessOptions,
  locations: z
    .record(partPath, location)
    .optional()
    .meta({
      description: 'parts of the site by path, which also means everything below it',
      examples: [{ '/api': { backend: 'api' } }],
    }),
  redirects: redirects.optional(),
  canary: z
    .strictObject({
      backend: group.meta({ description: 'group of the web servers with the new version' }),
      percent: z.int().min(0).max(100).meta({ description: 'share of the visitors, chosen by address' }),
    })
    .optional()
    .meta({
      description: 'share of the visitors that another group of web servers serves',
      examples: [{ backend: 'web_new', percent: 5 }],
    }),
  weights: z
    .record(z.string(), z.int().min(0).max(256))
    .optional()
    .meta({ description: 'shares of single web servers; others have 100, and 0 gets no requests', examples: [{ 'web-02': 10 }] }),
  maintenance: z
    .union([
      z.boolean().transform((on) => (on ? { allow: [], retry_after_seconds: RETRY_SECONDS } : undefined)),
      z.strictObject({
        allow: z.array(network).default([]).meta({ description: 'networks of the visitors that see the site nevertheless' }),
        retry_after_seconds: z
          .int()
          .min(1)
          .max(86_400)
          .default(RETRY_SECONDS)
          .meta({ description: 'when visitors and crawlers may return' }),
      }),
    ])
    .optional()
    .meta({
      description: 'answer every request with status 503 and the page for it',
      examples: [true, { allow: ['192.0.2.0/24'], retry_after_seconds: 3600 }],
    }),
}

/** An address to which a site without web servers redirects every request. */
export const redirectOption = redirect.optional()

const all = z.object(partOptions)
/** How a site answers requests, with the defaults of the top level. */
export type SiteParts = z.output<typeof all>
type Redirects = Exclude<SiteParts['redirects'], undefined>
export type Maintenance = Exclude<SiteParts['maintenance'], undefined>

/** One part of a site: the site itself (`''`), a path with all below it, or a redirected path. */
export interface Part extends Access {
  readonly path: string
  /** Whether paths below it are excluded. */
  readonly exact: boolean
  readonly redirect?: Redirects[string] & { readonly below: boolean }
  /** The group of its web servers, if it is not that of the site. */
  readonly backend?: string
}

/** All parts of a site. Of those that match a request, the last one decides. */
export const partsOf = (site: SiteParts): readonly Part[] => {
  const { locations = {}, redirects: moved = {} } = site
  const placed = Object.entries(locations).map(
    ([path, { backend }]): Part => ({ path, exact: false, ...accessOf(site, path), ...(backend !== undefined && { backend }) }),
  )
  const redirected = Object.entries(moved).map(([from, to]): Part => {
    const path = withoutStars(from)
    return { path, exact: path === from, redirect: { ...to, below: path !== from } }
  })
  return [
    { path: '', exact: false, ...accessOf(site, '') },
    ...[...placed, ...redirected].toSorted((one, other) => byLength(one.path, other.path) || Number(one.exact) - Number(other.exact)),
  ]
}

const byLength = (one: string, other: string): number => one.length - other.length

/** The part that decides about a path. */
export const partAt = (path: string, parts: readonly Part[]): Part | undefined =>
  parts.findLast((part) => path === part.path || (!part.exact && path.startsWith(`${part.path}/`)))

/** Parts that contradict each other, and groups and servers that do not exist. `own`: groups of web servers of the site itself. */
export const partFaults = (site: SiteParts, own: readonly string[], view: SiteView): readonly OptionFault[] => {
  const { locations = {}, redirects: moved = {}, weights = {}, canary } = site
  const groups = [
    ...(canary === undefined ? [] : [{ path: ['canary', 'backend'], group: canary.backend }]),
    ...Object.entries(locations).flatMap(([path, { backend }]) =>
      backend === undefined ? [] : [{ path: ['locations', path, 'backend'], group: backend }],
    ),
  ]
  const members = (name: string): readonly string[] => view.group(name).map((one) => one.name)
  const all = [...new Set([...own, ...groups.map((one) => one.group)])]
  return [
    ...groups
      .filter((one) => members(one.group).length === 0)
      .map((one) => ({ path: one.path, what: `group ${one.group} has no hosts`, fix: 'set `backend` to a group of web servers' })),
    ...redirectedParts(locations, moved).map((path) => ({
      path: ['locations', path],
      what: `${path} is a part of the site and redirected as well`,
      fix: 'remove one of them',
    })),
    ...Object.keys(weights)
      .filter((name) => !all.flatMap(members).includes(name))
      .map((name) => ({
        path: ['weights', name],
        what: `${name} is no web server of this site`,
        fix: `name a host of ${all.join(' or ')}`,
      })),
    ...all
      .filter((one) => members(one).length > 0 && members(one).every((name) => weights[name] === 0))
      .map((one) => ({
        path: ['weights'],
        what: `all web servers of group ${one} have the weight 0`,
        fix: 'give one of them a greater weight',
      })),
  ]
}
