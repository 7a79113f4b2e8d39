import type { Exposed, HealthProbe, HostContext } from 'provision'
import { PKI } from './agent.ts'
import type { Options } from './options.ts'
import { ownModules, ownTargets } from './own-probes.ts'
import { type Yaml, yaml } from './yaml.ts'

/** One target of the blackbox exporter: its address, its module, and the labels of the result. */
export interface ProbeTarget {
  readonly module: string
  readonly target: string
  readonly labels: Readonly<Record<string, string>>
}

type ExposedProbe = Exposed & HealthProbe

const probesOf = (exposed: readonly Exposed[]): readonly ExposedProbe[] =>
  exposed.filter((one): one is ExposedProbe => one.type === 'probe')

/** Trust domains of the site in which targets are probed. */
export const domainsOf = (exposed: readonly Exposed[]): readonly string[] => [
  ...new Set(probesOf(exposed).flatMap(({ trusts }) => (typeof trusts === 'object' ? [trusts.domain] : []))),
]

/** Paths of the client certificate with which a monitoring server probes in a trust domain, and of the domain's authority. */
export const clientOf = (domain: string): { readonly certificate: string; readonly trusted: string } => ({
  certificate: `${PKI}/ask-${domain}.pem`,
  trusted: `${PKI}/ask-${domain}-authority.pem`,
})

/** All targets: a ping of each host, the probes that roles expose, and those of the options. */
export const probeTargets = ({ options, exposed, site }: HostContext<Options>): readonly ProbeTarget[] => [
  ...site.withRole('monitoring').map(({ name, addresses }) => ({
    module: 'ping',
    target: addresses[0] ?? name,
    labels: { job: 'ping', host: name, instance: name },
  })),
  ...probesOf(exposed).map((probe) => ({
    module: moduleName(probe),
    target: probe.url,
    labels: { job: probe.of, host: probe.host, instance: probe.name },
  })),
  ...ownTargets({ options, site }),
]

const moduleName = ({ server }: ExposedProbe): string => `https-${server}`

/** Content of blackbox.yml. */
export const blackboxConfig = ({ exposed, options }: HostContext<Options>) =>
  yaml({
    modules: {
      ping: { prober: 'icmp', timeout: '3s' },
      url: http({}),
      ...Object.fromEntries(probesOf(exposed).map((probe) => [moduleName(probe), http(httpSettings(probe))])),
      ...Object.fromEntries(ownModules(options, http)),
    },
  })

const http = (more: { readonly [key: string]: Yaml }): Yaml => ({
  prober: 'http',
  timeout: '8s',
  http: { valid_http_versions: ['HTTP/1.1', 'HTTP/2.0'], follow_redirects: true, ...more },
})

/** Statuses of a site that is up. A site that asks for a password, or has no home page, is not down. */
const UP = [200, 201, 202, 203, 204, 205, 206, 207, 208, 226, 401, 403, 404]

const httpSettings = ({ server, trusts, of, status }: ExposedProbe): { readonly [key: string]: Yaml } => {
  const own = typeof trusts === 'object' ? clientOf(trusts.domain) : undefined
  return {
    headers: { Host: server },
    ...(status === undefined
      ? { valid_status_codes: of === 'direct' ? [200] : UP }
      : { valid_status_codes: [status], follow_redirects: false }),
    tls_config: {
      server_name: server,
      ...(trusts === 'anybody' ? { insecure_skip_verify: true } : {}),
      ...(own === undefined ? {} : { ca_file: own.trusted, cert_file: own.certificate, key_file: `${own.certificate}.key` }),
    },
  }
}
