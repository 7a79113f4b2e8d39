import {
  bracketed,
  certificate,
  defineRole,
  directory,
  directoryUrl,
  file,
  formerCertificates,
  leaf,
  newWorker,
  pkg,
  placeholder,
  service,
  text,
} from 'provision'
import { accountOf, certificatesOf, pathsOf } from './certificates/ordered.ts'
import { ownPairsOf, ownResources } from './certificates/own.ts'
import { LIST, revocationResources } from './certificates/revocation.ts'
import { checksOf } from './checks.ts'
import { certificateList, haproxyConfig } from './config/config.ts'
import { pagesOf } from './config/pages.ts'
import { checkQuic } from './config/quic.ts'
import { backScript, outScript } from './drain.ts'
import { EDGE, servesScript } from './health.ts'
import { type Options, options } from './options.ts'
import { shareResources } from './share.ts'
import { expectedFor } from './sites/expected.ts'
import { faultsOf } from './sites/faults.ts'
import { nameWarnings, probedNames, servedBy } from './sites/served.ts'
import { backendsOf, checksIn, isServer, servedToAny, usersIn } from './sites/sites.ts'
import { tcpBackendsOf, tcpWarnings } from './tcp/backends.ts'
import { tcpFaults, tcpListens } from './tcp/options.ts'
import { virtualChecks, virtualFaults, virtualListens, virtualResources } from './virtual-address/virtual-address.ts'

/** HAProxy in front of the web servers, with HTTPS certificates that are ordered and renewed automatically. */
export default defineRole({
  name: 'haproxy-tls',
  summary: 'terminates HTTPS and balances over the web servers',
  options,

  listens: (context) => [
    { service: 'http', port: 80, protocol: 'tcp', from: ['anyone'] },
    { service: 'https', port: 443, protocol: 'tcp', from: ['anyone'], encrypted: true },
    ...(context.options.http3
      ? [{ service: 'http3', port: 443, protocol: 'udp' as const, from: ['anyone' as const], encrypted: true }]
      : []),
    ...tcpListens(context.options),
    ...virtualListens(context),
  ],

  exposes: ({ options: given, host, site, flows }) => {
    const served = servedBy(given.backend, site, flows)
    const monitors = site.withRole('monitoring').flatMap(({ addresses }) => addresses)
    return [
      { type: 'metrics', job: 'haproxy', format: 'prometheus', at: `http://127.0.0.1:${given.status_port}/metrics` },
      ...probedNames(given, served).map((name) => {
        const probe = expectedFor({ name, from: monitors }, given, served)
        return {
          type: 'probe' as const,
          name,
          of: 'site' as const,
          url: `https://${bracketed(host.addresses[0] ?? host.name)}${probe?.path ?? '/'}`,
          server: name,
          ...(probe !== undefined && { status: probe.status }),
          trusts: given.acme.directory === 'letsencrypt' && !isOwn(name, given) ? ('public' as const) : ('anybody' as const),
        }
      }),
    ]
  },

  check: (context) => [...faultsOf(context.options, context.site), ...tcpFaults(context.options, context.site), ...virtualFaults(context)],

  resources: (context) => {
    const { options: given, host, site, flows, files, acmeAccount, authority } = context
    const { acme } = given
    if (given.http3) checkQuic(host.name, context.facts)
    for (const what of [...nameWarnings(given, servedToAny(given, site, flows)), ...tcpWarnings(given, host, site, flows)])
      context.warn(what)
    const edge = authority({ domain: 'edge' })
    const client = leaf({ path: `${EDGE}/client.pem`, names: [edge.nameOf(host.name)], authority: edge, usages: ['client'] })
    const trusted = file({ path: `${EDGE}/authority.pem`, content: text`${edge.certificate}` })
    const pairs = certificatesOf(given)
    const account = pairs.length === 0 ? undefined : acmeAccount(accountOf(acme))
    const placeholders = pairs.map(({ profile: _, ...pair }) => placeholder(pair))
    const pages = pagesOf(given.error_pages, files)
    const own = ownPairsOf(given)
    const ownFiles = own.flatMap((pair) => ownResources(pair, context))
    const list = file({ path: LIST, content: certificateList(pathsOf(given)), set: SET })
    const formers = formerCertificates({ path: FORMERS, list: LIST, pairs })
    const backends = backendsOf(given, host, site, flows)
    const users = usersIn(backends, host)
    const config = file({
      path: CONFIG,
      // Digests of passwords are for root only.
      ...(users.parts.length > 0 && { mode: '600' }),
      content: haproxyConfig({
        options: given,
        thumbprint: account?.thumbprint,
        certificates: [formers.id, list.id],
        backends,
        tcp: tcpBackendsOf(given, host, site),
        users,
        edge: { certificate: client.id, trusted: trusted.id, nameOf: edge.nameOf },
        pages,
      }),
      set: SET,
    })
    const pageFiles = pages.map(({ path, content }) => file({ path, content, set: SET }))
    const share = shareResources(given)
    const haproxy = service({
      unit: 'haproxy.service',
      restarts: share.slice(1),
      loads: [config, formers, list, client, trusted, ...pageFiles, ...placeholders, ...ownFiles],
      set: SET.name,
      took: newWorker,
    })
    return [
      ...['haproxy', 'openssl', 'socat'].map((name) => pkg({ name })),
      directory({ path: '/etc/ssl/haproxy' }),
      directory({ path: EDGE }),
      trusted,
      client,
      directory({ path: '/etc/haproxy/pages' }),
      // HAProxy needs a certificate to start, and must run to answer the challenges of the authority.
      ...placeholders,
      ...ownFiles,
      // It reads the list of chains before that is replaced.
      formers,
      ...pageFiles,
      list,
      config,
      ...share,
      haproxy,
      // A private authority may have a certificate that the host does not trust.
      ...revocationResources(account === undefined || acme.ca_file !== undefined ? undefined : directoryUrl(acme.directory)),
      // The names may resolve to the virtual address, so a balancer must hold it before the authority validates them.
      ...virtualResources(context),
      ...(account === undefined ? [] : pairs.map((pair) => certificate({ ...pair, account: account.key, loadedBy: haproxy, formers }))),
    ]
  },

  drains: ({ options: given, site, flows }, { name }) =>
    isServer(name, given, site)
      ? { out: outScript(name, given.drain_seconds), back: backScript(name, given.healthy_seconds, checksIn(given, site, flows)) }
      : undefined,

  serves: ({ options: given, site, flows }) => servesScript(given.healthy_seconds, checksIn(given, site, flows)),

  verify: (context) => [
    ...virtualChecks(context),
    ...checksOf(context, [...ownPairsOf(context.options), ...certificatesOf(context.options)]),
  ],
})

const CONFIG = '/etc/haproxy/haproxy.cfg'
const FORMERS = '/etc/haproxy/former-certificates.list'
const SET = { name: 'haproxy', root: '/etc/haproxy', check: ['haproxy', '-c', '-f', CONFIG] }

/** Whether the certificate of a name is one that the user brings. */
const isOwn = (name: string, { certificates }: Options): boolean =>
  certificates.some(({ own, names }) => own !== undefined && names.includes(name))
