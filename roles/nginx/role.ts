import { defineRole, directory, file, newWorker, pkg, type Resource, service, z } from 'provision'
import { rootConfig, siteConfig } from './config.ts'

const ROOT = '/var/www/provision'

const options = z.strictObject({
  content: z
    .string()
    .min(1)
    .meta({ description: 'directory of the project that is served', examples: ['playbooks/site'] }),
  port: z.int().min(1).max(65535).default(8080).meta({ description: 'where the balancers find the site' }),
  balancers: z.string().default('load_balancers').meta({ description: 'group of the hosts that may ask' }),
  ipv6: z.boolean().default(true).meta({ description: 'listen on IPv6 too' }),
})

/** nginx as a server of files behind the load balancers, and for nobody else. */
export default defineRole({
  name: 'nginx',
  summary: 'serves a directory of the project to the load balancers',
  options,

  listens: ({ options: { port, balancers } }) => [{ service: 'site', port, protocol: 'tcp', from: [{ group: balancers }] }],

  check: ({ options: { balancers }, site }) =>
    site.group(balancers).length > 0
      ? []
      : [{ path: ['balancers'], what: `no host is in the group ${balancers}`, fix: 'name the group of the load balancers' }],

  resources: ({ options: { content, port, balancers, ipv6 }, host, site, files }) => {
    const root = `${ROOT}/site`
    const set = { name: 'nginx', root: '/etc/nginx', check: ['nginx', '-t', '-q'] }
    const main = file({ path: '/etc/nginx/nginx.conf', content: rootConfig, set })
    const server = file({
      path: '/etc/nginx/provision/site.conf',
      content: siteConfig({ host: host.name, port, ipv6, root, balancers: site.group(balancers) }),
      set,
    })
    return [
      pkg({ name: 'nginx' }),
      ...contentOf(root, files(content)),
      directory({ path: '/etc/nginx/provision' }),
      main,
      server,
      service({ unit: 'nginx.service', loads: [main, server], set: set.name, took: newWorker }),
    ]
  },

  verify: ({ options: { port }, host }) => [
    {
      name: `nginx on ${host.name} answers`,
      script: `timeout 10 bash -c 'exec 3<>/dev/tcp/127.0.0.1/${port} && printf "GET /healthz HTTP/1.0\\r\\n\\r\\n" >&3 && head -n 1 <&3' | grep -q ' 200 '`,
    },
  ],
})

type ProjectFile = Parameters<typeof file>[0]['content']

const contentOf = (root: string, found: readonly { readonly path: string; readonly content: ProjectFile }[]): readonly Resource[] => {
  const directories = new Set([ROOT, root, ...found.flatMap(({ path }) => parentsOf(path).map((parent) => `${root}/${parent}`))])
  return [
    ...[...directories].map((path) => directory({ path })),
    ...found.map(({ path, content }) => file({ path: `${root}/${path}`, content })),
  ]
}

/** `a` and `a/b` for `a/b/c.html`. */
const parentsOf = (path: string): readonly string[] => {
  const parts = path.split('/').slice(0, -1)
  return parts.map((_, i) => parts.slice(0, i + 1).join('/'))
}
