import {
  certificate,
  defineRole,
  directory,
  type Flow,
  file,
  type HostView,
  newWorker,
  Problem,
  pkg,
  placeholder,
  service,
  z,
} from 'provision'
import { haproxyConfig } from './config.ts'

const hostName = z
  .string()
  .toLowerCase()
  .max(253)
  .regex(/^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}$/, 'write a full host name such as www.example.org, without a wildcard')

const options = z.strictObject({
  certificates: z
    .array(
      z.strictObject({
        names: z
          .array(hostName)
          .min(1)
          .max(100)
          .meta({ description: 'names of one certificate', examples: ['www.example.org'] }),
      }),
    )
    .min(1),
  acme: z
    .strictObject({
      directory: z
        .string()
        .default('letsencrypt')
        .meta({ description: 'letsencrypt, letsencrypt-staging, or the https address of an ACME directory' }),
      contact: z.email().optional().meta({ description: 'mail address for warnings of the authority' }),
      ca_file: z.string().optional().meta({ description: 'PEM file that verifies the directory itself, for authorities of your own' }),
    })
    .prefault({}),
  backend: z.string().default('web').meta({ description: 'group of the hosts that serve the site' }),
  health_path: z
    .string()
    .regex(/^\/[!-~]*$/, 'must be a path without spaces')
    .default('/healthz'),
  tls: z.enum(['intermediate', 'modern']).default('intermediate').meta({ description: "Mozilla's profile: TLS 1.2 and 1.3, or 1.3 only" }),
  hsts_seconds: z.int().min(0).default(63_072_000).meta({ description: 'how long browsers remember to come by HTTPS only' }),
  ipv6: z.boolean().default(true).meta({ description: 'listen on IPv6 too' }),
})

/** HAProxy in front of the web servers: HTTPS with certificates that come and renew by themselves. */
export default defineRole({
  name: 'haproxy-tls',
  summary: 'terminates HTTPS and balances over the web servers',
  options,

  listens: () => [
    { service: 'http', port: 80, protocol: 'tcp', from: ['anyone'] },
    { service: 'https', port: 443, protocol: 'tcp', from: ['anyone'] },
  ],

  check: ({ options: { backend, certificates }, site }) => [
    ...(site.group(backend).length > 0
      ? []
      : [{ path: ['backend'], what: `no host is in the group ${backend}`, fix: 'name the group of the web servers' }]),
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
  ],

  resources: ({ options: { acme, backend, certificates, health_path, hsts_seconds, ipv6, tls }, host, site, flows, acmeAccount }) => {
    const account = acmeAccount({ directory: acme.directory, contact: acme.contact, caFile: acme.ca_file })
    const pairs = certificates.map(({ names }) => ({ path: `/etc/ssl/haproxy/${names[0]}.pem`, names }))
    const placeholders = pairs.map((pair) => placeholder(pair))
    const config = file({
      path: CONFIG,
      content: haproxyConfig({
        thumbprint: account.thumbprint,
        certificates: pairs.map(({ path }) => path),
        tls,
        hsts: hsts_seconds,
        ipv6,
        health: { path: health_path, host: certificates[0]?.names[0] ?? '' },
        servers: serversOf(host, site.group(backend), flows, backend),
      }),
      set: { name: 'haproxy', root: '/etc/haproxy', check: ['haproxy', '-c', '-q', '-f', CONFIG] },
    })
    const haproxy = service({ unit: 'haproxy.service', loads: [config, ...placeholders], set: 'haproxy', took: newWorker })
    return [
      pkg({ name: 'haproxy' }),
      pkg({ name: 'openssl' }),
      directory({ path: '/etc/ssl/haproxy' }),
      // HAProxy does not start without a certificate, and without HAProxy nobody answers the authority.
      ...placeholders,
      config,
      haproxy,
      ...pairs.map((pair) => certificate({ ...pair, account: account.key, loadedBy: haproxy })),
    ]
  },

  verify: ({ options: { certificates } }) => [
    ...certificates.flatMap(({ names }) => names).map((name) => ({ name: `${name} is served over HTTPS`, script: servedScript(name) })),
    {
      name: 'HTTP is redirected to HTTPS',
      script: `timeout 10 bash -c 'exec 3<>/dev/tcp/127.0.0.1/80 && printf "GET / HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n" >&3 && cat <&3' | grep -qi '^location: https://'`,
    },
  ],
})

const CONFIG = '/etc/haproxy/haproxy.cfg'

/** The web servers that let this balancer in, at the addresses and ports that they offer. */
const serversOf = (host: HostView, members: readonly HostView[], flows: readonly Flow[], backend: string) => {
  const wrong = (what: string, fix: string): Problem =>
    new Problem({ class: 'input', where: { host: host.name, role: 'haproxy-tls' }, what, fix })
  const servers = members.flatMap(({ name, addresses }) => {
    const flow = flows.find((one) => one.host === name && one.service === 'site' && letsIn(one, host))
    if (flow === undefined) return []
    // HAProxy asks no name server when it starts; and it comes from an address of ours that the server lets in.
    const address = addresses.find((one) => familyOf(one) !== undefined && host.addresses.some((own) => familyOf(own) === familyOf(one)))
    if (address !== undefined) return [{ name, address, port: flow.port }]
    throw wrong(
      `${name} has no address that ${host.name} could reach it at: it has ${addresses.join(', ')}; ${host.name} has ${host.addresses.join(', ')}`,
      'write IP addresses of one family as internal: of both in the inventory',
    )
  })
  if (servers.length > 0) return servers
  throw wrong(
    `no host of the group ${backend} offers a site to ${host.name}`,
    `give the group ${backend} a role that serves a site (nginx), and ${host.name} to the group that may ask (its option balancers)`,
  )
}

/** Undefined for what is a name. */
const familyOf = (address: string): 4 | 6 | undefined => (address.includes(':') ? 6 : /^[\d.]+$/.test(address) ? 4 : undefined)

const letsIn = ({ from }: Flow, host: HostView): boolean => from === 'anyone' || from.some(({ name }) => name === host.name)

/** Our certificate and not its placeholder, for this name and not expired, and a page behind it. */
const servedScript = (name: string): string => `
seen=$(printf 'GET / HTTP/1.0\\r\\nHost: ${name}\\r\\n\\r\\n' | timeout 10 openssl s_client -connect 127.0.0.1:443 -servername ${name} -ign_eof 2>/dev/null)
printf '%s' "$seen" | openssl x509 -noout -checkend 0 -checkhost ${name} -issuer | { ! grep -e 'does NOT match' -e 'will expire' -e 'provision placeholder'; } || exit 1
printf '%s' "$seen" | grep -q '^HTTP/1[.][01] 200'`
