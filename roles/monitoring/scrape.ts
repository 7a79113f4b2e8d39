import { bracketed, type HostContext, type Resource, type Text } from 'provision'
import { modulesOf, PKI, TRUSTED } from './agent.ts'
import { authorityFiles, authorityPath } from './authorities.ts'
import { clientSettings } from './options/access.ts'
import type { Options } from './options.ts'
import { hasSecretProbe } from './own-probes.ts'
import { type ProbeTarget, probeTargets } from './probes.ts'
import { remoteWrites } from './remote-write.ts'
import { ELSEWHERE } from './routes.ts'
import { type Yaml, yaml } from './yaml.ts'

/** Client certificate with which a monitoring server reads the measurements of all hosts. */
export const ASKING = `${PKI}/ask.pem`

export const RULES = '/etc/prometheus/provision/rules.yml'

/** Content of prometheus.yml: all modules of all hosts, and all probes. */
export const prometheusConfig = (context: HostContext<Options>): Text => {
  const { options, site, exposed, authority } = context
  const { interval_seconds: interval } = options
  const metrics = authority({ domain: 'metrics' })
  const servers = site.group(options.servers)
  const targets = site.withRole('monitoring').flatMap((host) =>
    modulesOf(host.name, exposed, servers.includes(host)).map(
      ({ job }): Yaml => ({
        // The TLS settings belong to a job and name one host, so each host is a separate job. The label `job` has the module.
        job_name: `${job}/${host.name}`,
        ...askingSettings(metrics.nameOf(host.name)),
        metrics_path: '/proxy',
        params: { module: [job] },
        static_configs: [
          {
            targets: [`${bracketed(host.addresses[0] ?? host.name)}:${options.port}`],
            labels: { job, host: host.name, instance: host.name },
          },
        ],
      }),
    ),
  )
  return yaml({
    global: { scrape_interval: `${interval}s`, evaluation_interval: `${interval}s`, scrape_timeout: `${Math.min(9, interval - 1)}s` },
    rule_files: [RULES],
    alerting: { alertmanagers: [{ static_configs: [{ targets: ['127.0.0.1:9093'] }] }] },
    ...(options.remote_write.length > 0 && { remote_write: remoteWrites(context) }),
    scrape_configs: [
      ...targets,
      ...outsideTargets(options),
      ...[...Map.groupBy(probeTargets(context), ({ module }) => module)].map(([module, targets]) => ({
        ...probeJob(module, targets),
        ...(hasSecretProbe(options) && askingSettings(metrics.nameOf(context.host.name))),
      })),
    ],
  })
}

/** Mutual TLS with a server of this name. */
const askingSettings = (server_name: string) => ({
  scheme: 'https',
  tls_config: { ca_file: TRUSTED, cert_file: ASKING, key_file: `${ASKING}.key`, server_name },
})

const authorityId = (job: string): string => `target-${job}`

/** Authorities of the targets outside the site. */
export const targetAuthorities = (context: HostContext<Options>): readonly Resource[] =>
  context.options.targets.flatMap((one) => ('url' in one ? authorityFiles(context, authorityId(one.job), 'target', one.ca_file) : []))

const outsideTargets = ({ targets }: Options): readonly Yaml[] =>
  targets.flatMap((one) => {
    if (!('url' in one)) return []
    const { protocol, host, pathname, searchParams } = new URL(one.url)
    const names = [...new Set(searchParams.keys())]
    return [
      {
        job_name: `target/${one.job}`,
        scheme: protocol.slice(0, -1),
        metrics_path: pathname,
        ...(names.length > 0 && { params: Object.fromEntries(names.map((name) => [name, searchParams.getAll(name)])) }),
        ...clientSettings(one.auth, authorityPath(authorityId(one.job), one.ca_file)),
        // Labels of the site win over those of a stranger.
        static_configs: [{ targets: [host], labels: { job: one.job, host: ELSEWHERE, instance: host } }],
      },
    ]
  })

const probeJob = (module: string, probed: readonly ProbeTarget[]) => ({
  job_name: `probe/${module}`,
  metrics_path: '/probe',
  params: { module: [module] },
  static_configs: probed.map(({ target, labels }) => ({ targets: [target], labels })),
  relabel_configs: [
    { source_labels: ['__address__'], target_label: '__param_target' },
    { target_label: '__address__', replacement: '127.0.0.1:9115' },
  ],
})
