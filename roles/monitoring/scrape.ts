import type { HostContext, Text } from 'provision'
import { modulesOf, PKI, TRUSTED } from './agent.ts'
import type { Options } from './options.ts'
import { type ProbeTarget, probeTargets } from './probes.ts'
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
    modulesOf(host.name, exposed, servers.includes(host)).map(({ job }): Yaml => {
      const address = host.addresses[0] ?? host.name
      return {
        // The TLS settings belong to a job and name one host, so each host is a separate job. The label `job` has the module.
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
      ...[...Map.groupBy(probeTargets(context), ({ module }) => module)].map(([module, targets]) => probeJob(module, targets)),
    ],
  })
}

const probeJob = (module: string, probed: readonly ProbeTarget[]): Yaml => ({
  job_name: `probe/${module}`,
  metrics_path: '/probe',
  params: { module: [module] },
  static_configs: probed.map(({ target, labels }) => ({ targets: [target], labels })),
  relabel_configs: [
    { source_labels: ['__address__'], target_label: '__param_target' },
    { target_label: '__address__', replacement: '127.0.0.1:9115' },
  ],
})
