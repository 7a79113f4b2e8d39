import type { HostContext, Text } from 'provision'
import { modulesOf, PKI, TRUSTED } from './agent.ts'
import type { Options } from './options.ts'
import { type Asked, askedOf } from './probes.ts'
import { type Yaml, yaml } from './yaml.ts'

/** With this a watching host is let in everywhere. */
export const ASKING = `${PKI}/ask.pem`

export const RULES = '/etc/prometheus/provision/rules.yml'

/** The whole of prometheus.yml: everything of every host, each known by its own name. */
export const prometheusConfig = (context: HostContext<Options>): Text => {
  const { options, site, exposed, authority } = context
  const { interval_seconds: interval } = options
  const metrics = authority({ domain: 'metrics' })
  const servers = site.group(options.servers)
  const targets = site.withRole('monitoring').flatMap((host) =>
    modulesOf(host.name, exposed, servers.includes(host)).map(({ job }): Yaml => {
      const address = host.addresses[0] ?? host.name
      return {
        // A certificate names one host, so each host is a job to Prometheus; the label says what it is to us.
        job_name: `${job}/${host.name}`,
        scheme: 'https',
        metrics_path: '/proxy',
        params: { module: [job] },
        tls_config: { ca_file: TRUSTED, cert_file: ASKING, key_file: `${ASKING}.key`, server_name: metrics.nameOf(host.name) },
        static_configs: [
          {
            targets: [`${address.includes(':') ? `[${address}]` : address}:${options.port}`],
            labels: { job, host: host.name, instance: host.name },
          },
        ],
      }
    }),
  )
  return yaml({
    global: { scrape_interval: `${interval}s`, evaluation_interval: `${interval}s`, scrape_timeout: `${Math.min(9, interval - 1)}s` },
    rule_files: [RULES],
    alerting: { alertmanagers: [{ static_configs: [{ targets: ['127.0.0.1:9093'] }] }] },
    scrape_configs: [
      ...targets,
      ...[...Map.groupBy(askedOf(context), ({ module }) => module)].map(([module, asked]) => probeJob(module, asked)),
    ],
  })
}

const probeJob = (module: string, asked: readonly Asked[]): Yaml => ({
  job_name: `probe/${module}`,
  metrics_path: '/probe',
  params: { module: [module] },
  static_configs: asked.map(({ target, labels }) => ({ targets: [target], labels })),
  relabel_configs: [
    { source_labels: ['__address__'], target_label: '__param_target' },
    { target_label: '__address__', replacement: '127.0.0.1:9115' },
  ],
})
