import { bracketed, directory, file, type HostContext, leaf, Problem, pkg, type Resource, service, sh, text } from 'provision'
import { AGENT, TRUSTED } from './agent.ts'
import { alertmanagerConfig } from './alertmanager.ts'
import { clusterArguments, clusterResources } from './cluster.ts'
import { CONSOLES, dashboardResources, pageResources } from './dashboard/resources.ts'
import { tookConfiguration, tookWithCertificate } from './loaded.ts'
import type { Options } from './options.ts'
import { hasSecretProbe, probeAuthorities } from './own-probes.ts'
import { blackboxConfig, clientOf, domainsOf } from './probes.ts'
import { receiverAuthorities } from './receivers.ts'
import { storeAuthorities } from './remote-write.ts'
import { hostsIn } from './routes.ts'
import { rulesFile, rulesOf } from './rules/all.ts'
import { ASKING, prometheusConfig, RULES, targetAuthorities } from './scrape.ts'
import { daemon } from './unit.ts'
import { capabilitiesOf } from './versions.ts'
import { yaml } from './yaml.ts'

/** Resources of a monitoring server: Prometheus, Alertmanager, the blackbox exporter and the dashboard. */
export const serverResources = (context: HostContext<Options>): readonly Resource[] => [
  ...['prometheus', 'prometheus-alertmanager', 'prometheus-blackbox-exporter'].map((name) => pkg({ name })),
  directory({ path: '/etc/prometheus/provision' }),
  asking(context),
  ...blackbox(context),
  ...alertmanager(context),
  ...pageResources(context),
  ...prometheus(context),
  ...dashboardResources(context),
]

/** Client certificate of the monitoring server. If a probe has a secret, the blackbox exporter requires it. */
const asking = ({ host, authority }: HostContext<Options>): Resource => {
  const metrics = authority({ domain: 'metrics' })
  return leaf({ path: ASKING, names: [metrics.nameOf(host.name)], authority: metrics, usages: ['client'], group: 'prometheus' })
}

const blackbox = (context: HostContext<Options>): readonly Resource[] => {
  const { authority, exposed, host, options } = context
  const pairs = domainsOf(exposed).flatMap((domain) => {
    const of = authority({ domain })
    const { certificate, trusted } = clientOf(domain)
    return [
      file({ path: trusted, content: text`${of.certificate}` }),
      leaf({ path: certificate, names: [of.nameOf(host.name)], authority: of, usages: ['client'], group: 'prometheus' }),
    ]
  })
  const secured = hasSecretProbe(options)
  const authorities = probeAuthorities(context)
  const config = file({
    path: '/etc/prometheus/blackbox.yml',
    ...PRIVATE,
    content: blackboxConfig(context),
    set: checkedBy('blackbox', 'prometheus-blackbox-exporter', '--config.check', '--config.file=/etc/prometheus/blackbox.yml'),
  })
  const web = secured ? [file({ path: BLACKBOX_WEB, content: yaml(ONLY_PROMETHEUS) })] : []
  const unit = daemon(
    'prometheus-blackbox-exporter.service',
    [
      ...['/usr/bin/prometheus-blackbox-exporter', '--config.file=/etc/prometheus/blackbox.yml', '--web.listen-address=127.0.0.1:9115'],
      ...(secured ? [`--web.config.file=${BLACKBOX_WEB}`] : []),
    ],
    // A ping needs a raw socket.
    { network: 'all', capabilities: ['CAP_NET_RAW'], ambient: true },
  )
  const reloaded = 'blackbox_exporter_config_last_reload'
  return [
    ...pairs,
    ...authorities,
    config,
    ...web,
    unit,
    service({
      unit: 'prometheus-blackbox-exporter.service',
      loads: [config],
      // The exporter reads the certificates again for each probe.
      restarts: [unit, ...web],
      set: 'blackbox',
      took: secured ? tookWithCertificate(9115, reloaded, ASKING) : tookConfiguration(9115, reloaded),
    }),
  ]
}

const BLACKBOX_WEB = '/etc/prometheus/provision/blackbox-web.yml'

/** Without it, an account of the host could let the exporter send the secret of a probe to an address of that account. */
const ONLY_PROMETHEUS = {
  tls_server_config: {
    cert_file: AGENT,
    key_file: `${AGENT}.key`,
    client_ca_file: TRUSTED,
    client_auth_type: 'RequireAndVerifyClientCert',
    min_version: 'TLS12',
  },
}

/** Only root and the daemons of the monitoring can read a file that may have secrets. */
const PRIVATE = { mode: '640', group: 'prometheus' }

/** Refuses options that the host's Alertmanager does not support. */
const refuseUnknown = ({ options, facts, host }: HostContext<Options>): void => {
  const { missingReceivers, hasTimeZones } = capabilitiesOf(facts)
  const refuse = (what: string, fix: string): never => {
    throw new Problem({ class: 'input', where: { host: host.name, role: 'monitoring' }, what, fix })
  }
  const alertmanager = `Alertmanager of ${facts.distribution} ${facts.release}`
  const one = options.receivers.find(({ type }) => missingReceivers.includes(type))
  if (one !== undefined)
    refuse(`receiver ${one.name}: ${alertmanager} has no type ${one.type}`, 'use another type, or a monitoring server with a newer release')
  if (!hasTimeZones && options.quiet_hours.some(({ time_zone }) => time_zone !== 'UTC'))
    refuse(
      `quiet_hours: ${alertmanager} does not support time zones`,
      'write the times in UTC, or use a monitoring server with a newer release',
    )
}

const alertmanager = (context: HostContext<Options>): readonly Resource[] => {
  refuseUnknown(context)
  const { options, site } = context
  const authorities = receiverAuthorities(context)
  const config = file({
    path: '/etc/prometheus/alertmanager.yml',
    ...PRIVATE,
    content: alertmanagerConfig(options, options.dashboard === false ? undefined : externalUrl(context), hostsIn(site)),
    set: checkedBy('alertmanager', 'amtool', 'check-config', '/etc/prometheus/alertmanager.yml'),
  })
  const cluster = clusterResources(context)
  const unit = daemon(
    'prometheus-alertmanager.service',
    withoutAddresses([
      '/usr/bin/prometheus-alertmanager',
      '--config.file=/etc/prometheus/alertmanager.yml',
      '--storage.path=/var/lib/prometheus/alertmanager',
      '--web.listen-address=127.0.0.1:9093',
      // Webhooks name this address.
      ...(context.options.dashboard === false ? [] : [`--web.external-url=${externalUrl(context)}`, '--web.route-prefix=/']),
      // `verify` reads deliveries from the log, and they are logged at level debug.
      '--log.level=debug',
      ...clusterArguments(context),
    ]),
    { network: 'all' },
    {
      ReadWritePaths: '/var/lib/prometheus/alertmanager',
      SyslogIdentifier: 'prometheus-alertmanager',
      KillMode: 'mixed',
      SendSIGKILL: 'yes',
    },
  )
  return [
    ...cluster,
    ...authorities,
    config,
    unit,
    service({
      unit: 'prometheus-alertmanager.service',
      loads: [config, ...authorities],
      restarts: [unit, ...cluster],
      set: 'alertmanager',
      took: tookConfiguration(9093, 'alertmanager_config_last_reload'),
    }),
  ]
}

/**
 * Command that filters the log of a daemon: of each address only the host remains, because the address of a webhook is a secret. The
 * daemon stays the main process of its unit. If the filter ends, the daemon ends too, and systemd restarts both.
 */
const withoutAddresses = (command: readonly string[]): readonly string[] => [
  '/bin/bash',
  '-c',
  String(sh`exec ${command} 2> >(exec sed -uE 's|(https?://)([^/@" \\\\]*@)?([^/?#" \\\\]*)[^" \\\\]*|\\1\\3/...|g')`),
]

const prometheus = (context: HostContext<Options>): readonly Resource[] => {
  const { options, facts } = context
  const set = checkedBy('prometheus', 'promtool', 'check', 'config', '/etc/prometheus/prometheus.yml')
  const rules = file({ path: RULES, content: rulesFile(rulesOf(options, membersIn(context)), capabilitiesOf(facts).keepsFiring), set })
  const config = file({ path: '/etc/prometheus/prometheus.yml', ...PRIVATE, content: prometheusConfig(context), set })
  const unit = daemon(
    'prometheus.service',
    [
      '/usr/bin/prometheus',
      '--config.file=/etc/prometheus/prometheus.yml',
      '--storage.tsdb.path=/var/lib/prometheus/metrics2',
      `--storage.tsdb.retention.time=${options.retention_days}d`,
      `--storage.tsdb.retention.size=${options.retention_mb}MB`,
      // Prometheus marks the end of a series neither when its job is removed nor when it stops itself. With the default of five minutes,
      // alerts would follow from the last values of a removed host, and fire on after a restart.
      `--query.lookback-delta=${3 * options.interval_seconds + 5}s`,
      '--web.listen-address=127.0.0.1:9090',
      `--web.external-url=${externalUrl(context)}`,
      '--web.route-prefix=/',
      `--web.console.templates=${CONSOLES}`,
      '--web.console.libraries=/etc/prometheus/console_libraries',
    ],
    { network: 'all' },
    { ReadWritePaths: '/var/lib/prometheus/metrics2', MemoryMax: `${options.memory_mb}M` },
  )
  return [
    ...targetAuthorities(context),
    ...storeAuthorities(context),
    rules,
    config,
    unit,
    service({
      unit: 'prometheus.service',
      loads: [rules, config],
      restarts: [unit],
      set: 'prometheus',
      took: tookConfiguration(9090, 'prometheus_config_last_reload'),
    }),
  ]
}

/** Number of members of the database cluster: the hosts whose roles declare its flow. */
const membersIn = ({ flows }: HostContext<Options>): number =>
  new Set(flows.filter(({ service }) => service === 'database-cluster').map(({ host }) => host)).size

/** Address of the dashboard in messages and links. */
const externalUrl = ({ host, options: { dashboard } }: HostContext<Options>): string =>
  dashboard === false
    ? 'http://127.0.0.1:9090/'
    : `https://${dashboard.name ?? bracketed(host.publicAddresses[0] ?? host.addresses[0] ?? host.name)}:${dashboard.port}/`

const checkedBy = (name: string, ...check: readonly string[]) => ({ name, root: '/etc/prometheus', check: [...check] })
