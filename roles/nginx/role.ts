import { application, bracketed, defineRole, directory, file, leaf, newWorker, pkg, readyPhp, release, service, text } from 'provision'
import { CERTIFICATE, checksOf, TRUSTED } from './checks.ts'
import { rootConfig } from './config.ts'
import { faultsOf } from './faults.ts'
import { longestResponse, options, type SiteOptions, sitesOf } from './options.ts'
import { checkPages } from './pages.ts'
import { rootOf, siteConfig, visitedName } from './site.ts'
import { nginxSandbox, SLICE, webSlice } from './unit.ts'
import { needsAuthorities, usersResources } from './users.ts'

/** nginx behind the load balancers: sites of files, and applications. */
export default defineRole({
  name: 'nginx',
  summary: 'serves directories of the project and applications to the load balancers',
  options,

  listens: ({ options: given, options: { port, balancers, monitors }, site }) => [
    {
      service: 'site',
      port,
      protocol: 'tcp',
      from: [balancers, ...(monitors !== balancers && site.group(monitors).length > 0 ? [monitors] : [])].map((group) => ({ group })),
      encrypted: true,
      ...longestResponse(given),
      sites: sitesOf(given).map(({ hosts, probe }) => ({ names: hosts, ...(probe !== undefined && { probe }) })),
    },
  ],

  exposes: ({ options: { port, status_port }, host }) => [
    { type: 'metrics', job: 'nginx', format: 'nginx-status', at: `http://127.0.0.1:${status_port}/status` },
    {
      type: 'probe',
      name: host.name,
      of: 'direct',
      url: `https://${bracketed(host.addresses[0] ?? host.name)}:${port}/healthz`,
      server: `${host.name}.edge.provision.internal`,
      trusts: { domain: 'edge' },
    },
  ],

  check: ({ options: given, site }) => [
    ...(site.group(given.balancers).length > 0
      ? []
      : [
          { path: ['balancers'], what: `group ${given.balancers} has no hosts`, fix: 'set `balancers` to the group of the load balancers' },
        ]),
    ...faultsOf(given),
  ],

  resources: ({ options: given, host, site, files, facts, authority }) => {
    const sites = sitesOf(given)
    // Only PHP needs facts: without them, faults of all other sites are found before a host is contacted.
    const phpOf = ({ name, app, body_max }: SiteOptions) =>
      app?.runtime === 'php'
        ? readyPhp({ name, app, bodyMax: body_max }, { name: host.name, distribution: facts.distribution, release: facts.release, files })
        : undefined
    const staticSites = sites.filter(({ content }) => content !== undefined)
    const edge = authority({ domain: 'edge' })
    const certificate = leaf({ path: CERTIFICATE, names: [edge.nameOf(host.name)], authority: edge, usages: ['server', 'client'] })
    const trusted = file({ path: TRUSTED, content: text`${edge.certificate}` })
    const slice = webSlice(given)
    const sandbox = nginxSandbox()
    const set = { name: 'nginx', root: '/etc/nginx', check: ['nginx', '-t', '-q'] }
    const balancers = site.group(given.balancers)
    const monitors = site.group(given.monitors).filter((one) => !balancers.includes(one))
    const servers = sites.map((one) =>
      file({
        path: `/etc/nginx/provision/${one.name}.conf`,
        content: siteConfig(one, { ...given, host: host.name, php: phpOf(one) }),
        set,
      }),
    )
    const main = file({
      path: '/etc/nginx/nginx.conf',
      content: rootConfig({
        ...given,
        includes: servers.map(({ id }) => id),
        addresses: balancers.flatMap(({ addresses }) => addresses),
        monitors: monitors.flatMap(({ addresses }) => addresses),
        names: [...new Set([...balancers, ...monitors, host].map(({ name }) => edge.nameOf(name)))],
        tls: { certificate: CERTIFICATE, trusted: TRUSTED },
        hasDefault: sites.some(({ hosts }) => hosts.length === 0),
      }),
      set,
    })
    const contentOf = (one: SiteOptions) => {
      if (given.release !== 'latest') return []
      const found = [...files(one.content ?? '')]
      checkPages(one, new Set(found.map(({ path }) => path)))
      return found
    }
    const apps = sites.flatMap((one) =>
      one.app === undefined
        ? []
        : application({
            ...{ name: one.name, app: one.app, files, keep: given.keep, which: given.release, health: one.health },
            ...{ host: visitedName(one), slice: SLICE, before: 'nginx.service', php: phpOf(one) },
          }),
    )
    return [
      pkg({ name: 'nginx' }),
      pkg({ name: 'openssl' }),
      ...(sites.some(needsAuthorities) ? [pkg({ name: 'ca-certificates' })] : []),
      ...(given.brotli ? [pkg({ name: 'libnginx-mod-http-brotli-filter' })] : []),
      directory({ path: '/etc/ssl/nginx' }),
      trusted,
      certificate,
      ...(staticSites.length > 0 ? [directory({ path: '/var/www/provision' })] : []),
      ...staticSites.flatMap((one) => [
        directory({ path: rootOf(one) }),
        release({ root: rootOf(one), files: contentOf(one), keep: given.keep, which: given.release }),
      ]),
      slice,
      ...(apps.length > 0 ? [directory({ path: '/etc/provision' })] : []),
      ...apps,
      directory({ path: '/etc/nginx/provision' }),
      ...sites.flatMap((one) => usersResources(one, [host.name, ...host.addresses].join(' '))),
      sandbox,
      main,
      ...servers,
      service({
        unit: 'nginx.service',
        loads: [certificate, trusted, main, ...servers],
        restarts: [slice, sandbox],
        set: set.name,
        took: newWorker,
      }),
    ]
  },

  verify: ({ options: given, host }) => checksOf(given, host.name),
})
