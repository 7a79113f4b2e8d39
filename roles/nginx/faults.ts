import { applicationFaults, type OptionFault, redirectedParts } from 'provision'
import { type Options, type SiteOptions, sitesOf } from './options.ts'

const partFaults = ({ name, redirect, locations, redirects, ...site }: SiteOptions): readonly OptionFault[] => {
  const parts = Object.keys(locations).map((path) => ['locations', path] as const)
  const all = [...parts, ...Object.keys(redirects).map((path) => ['redirects', path] as const)]
  const others = (['users', 'allow', 'cors'] as const).filter((key) => site[key] !== undefined)
  return [
    ...(redirect === undefined
      ? []
      : [...all, ...others.map((key) => [key] as const)].map((path) => ({
          path,
          what: `${path.join(' ')} has no effect, because site ${name} redirects every request`,
          fix: 'remove it, or `redirect`',
        }))),
    ...all
      .filter(([, path]) => /^\/healthz($|\/)/.test(path))
      .map((path) => ({ path, what: `${path[1]} is the path of health checks`, fix: 'choose another path' })),
    ...redirectedParts(locations, redirects).map((path) => ({
      path: ['locations', path],
      what: `${path} is a part of the site and redirected as well`,
      fix: 'remove one of them',
    })),
    ...parts
      .filter(([, path]) => locations[path]?.strip === true && locations[path].proxy === undefined)
      .map(([key, path]) => ({ path: [key, path, 'strip'], what: 'strip has no effect without proxy', fix: 'remove it' })),
  ]
}

/** Options that have no effect on a site that PHP answers. */
const phpFaults = ({ name, app, content, index, stream_uploads }: SiteOptions): readonly OptionFault[] => {
  if (app?.runtime !== 'php') return []
  const given = { content: content !== undefined, stream_uploads, index: index !== 'index.html' }
  return Object.entries(given)
    .filter(([, isGiven]) => isGiven)
    .map(([key]) => ({ path: [key], what: `${key} of site ${name} has no effect with runtime: php`, fix: 'remove it' }))
}

const isApplication = ({ app, proxy }: SiteOptions): boolean => app !== undefined || proxy !== undefined

/** Whether a site is exactly one of: files, an application with or without files before it, a redirection. */
const hasOneMain = ({ content, proxy, app, redirect }: SiteOptions): boolean => {
  const mains = [proxy, app, redirect].filter((one) => one !== undefined).length
  return mains === 1 ? redirect === undefined || content === undefined : mains === 0 && content !== undefined
}

/** Faults that concern several options. */
export const faultsOf = (given: Options): readonly OptionFault[] => {
  const sites = sitesOf(given)
  const at = (site: SiteOptions, ...more: readonly PropertyKey[]): readonly PropertyKey[] =>
    given.sites.includes(site) ? ['sites', given.sites.indexOf(site), ...more] : ['content']
  const isSecond = (site: SiteOptions, key: (of: SiteOptions) => unknown): boolean =>
    sites.slice(0, sites.indexOf(site)).some((other) => key(other) === key(site))
  const names = sites.flatMap((site) => site.hosts.map((name) => ({ site, name })))
  return [
    ...(sites.length > 0 ? [] : [{ path: [], what: 'no site is configured', fix: 'set `content` or `sites`' }]),
    ...sites.flatMap((site) => [
      ...(hasOneMain(site)
        ? []
        : [
            {
              path: at(site),
              what: `site ${site.name} needs exactly one of content, proxy, app and redirect, or content beside proxy or app`,
              fix: 'set one of them',
            },
          ]),
      ...(site.fallback === undefined || (site.content !== undefined && !isApplication(site))
        ? []
        : [
            {
              path: at(site, 'fallback'),
              what: `fallback of site ${site.name} has no effect ${site.content === undefined ? 'without content' : 'beside an application'}`,
              fix: 'remove it',
            },
          ]),
      ...(site.stream_uploads && !isApplication(site)
        ? [
            {
              path: at(site, 'stream_uploads'),
              what: `stream_uploads of site ${site.name} has no effect without an application`,
              fix: 'remove it',
            },
          ]
        : []),
      ...[...partFaults(site), ...phpFaults(site)].map((fault) => ({ ...fault, path: at(site, ...fault.path) })),
      ...(isSecond(site, ({ name }) => name)
        ? [{ path: at(site, 'name'), what: `two sites have the name ${site.name}`, fix: 'rename one of them' }]
        : []),
      ...(site.hosts.length === 0 && sites.find(({ hosts }) => hosts.length === 0) !== site
        ? [{ path: at(site), what: 'two sites serve all names', fix: 'set `hosts` of one of them' }]
        : []),
      ...(site.app === undefined ? [] : applicationFaults(site.app).map((fault) => ({ ...fault, path: at(site, 'app', ...fault.path) }))),
      ...(site.app?.port !== undefined && isSecond(site, ({ app: one }) => one?.port)
        ? [
            {
              path: at(site, 'app', 'port'),
              what: `two applications have port ${site.app.port}`,
              fix: 'choose another port for one of them',
            },
          ]
        : []),
    ]),
    ...names
      .filter(({ name }, i) => names.findIndex((other) => other.name === name) !== i)
      .map(({ site, name }) => ({
        path: at(site, 'hosts'),
        what: `${name} belongs to two sites`,
        fix: 'remove it from one of them',
      })),
  ]
}
