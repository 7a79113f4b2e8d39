import { directory, type Exposed, file, type HostContext, leaf, METRICS, pkg, type Resource, service, text } from 'provision'
import { answering, listening } from './loaded.ts'
import type { Options } from './options.ts'
import { daemon } from './unit.ts'
import { yaml } from './yaml.ts'

/** Directory of the certificates of the trust domain `metrics`. */
export const PKI = '/etc/ssl/metrics'
export const TRUSTED = `${PKI}/authority.pem`
/** Certificate of the host, as a server of measurements. */
export const AGENT = `${PKI}/agent.pem`

/** Measurements of a host that the exporter proxy serves by name. */
export interface Module {
  readonly job: string
  /** Port on loopback. */
  readonly port: number
  readonly path: string
}

type Metrics = Exposed & { readonly type: 'metrics' }

/** The modules of a host: the host itself, and what its roles expose. */
export const modulesOf = (host: string, exposed: readonly Exposed[], isServer: boolean): readonly Module[] => [
  { job: 'node', port: 9100, path: '/metrics' },
  ...metricsOf(host, exposed).map((one): Module => {
    if (one.format === 'nginx-status') return { job: one.job, port: 9113, path: '/metrics' }
    if (one.format === 'mysqld') return { job: one.job, port: 9104, path: '/metrics' }
    const { port, pathname, search } = new URL(one.at)
    return { job: one.job, port: Number(port || 80), path: `${pathname}${search}` }
  }),
  ...(isServer
    ? [
        { job: 'prometheus', port: 9090, path: '/metrics' },
        { job: 'alertmanager', port: 9093, path: '/metrics' },
      ]
    : []),
]

const metricsOf = (host: string, exposed: readonly Exposed[]): readonly Metrics[] =>
  exposed.filter((one): one is Metrics => one.type === 'metrics' && one.host === host)

/** Resources of every host: the exporters, and the proxy that serves their measurements to the monitoring servers only. */
export const agentResources = (context: HostContext<Options>, isServer: boolean): readonly Resource[] => {
  const { options, host, exposed, authority } = context
  const metrics = authority({ domain: 'metrics' })
  const certificate = leaf({ path: AGENT, names: [metrics.nameOf(host.name)], authority: metrics, usages: ['server'], group: 'prometheus' })
  const trusted = file({ path: TRUSTED, content: text`${metrics.certificate}` })
  const translators = metricsOf(host.name, exposed).flatMap((one) => TRANSLATORS[one.format]?.(one.at) ?? [])
  const node = daemon('prometheus-node-exporter.service', NODE, { network: 'loopback', calls: ['adjtimex', 'clock_adjtime'] }, WHOLE_HOST)
  const proxy = file({ path: PROXY_CONFIG, content: proxyConfig(modulesOf(host.name, exposed, isServer)) })
  const unit = daemon('prometheus-exporter-exporter.service', proxyCommand(options), { network: 'all' })
  return [
    ...['openssl', 'prometheus-node-exporter', 'prometheus-exporter-exporter', ...translators.map(({ name }) => name)].map((name) =>
      pkg({ name }),
    ),
    directory({ path: PKI }),
    directory({ path: METRICS }),
    trusted,
    certificate,
    node,
    service({ unit: 'prometheus-node-exporter.service', restarts: [node], took: answering(9100) }),
    ...translators.flatMap(({ name, port, settings }) => [
      ...settings,
      service({ unit: `${name}.service`, restarts: settings, took: listening('127.0.0.1', port) }),
    ]),
    proxy,
    unit,
    service({
      unit: 'prometheus-exporter-exporter.service',
      loads: [proxy, certificate, trusted],
      restarts: [unit],
      reload: 'restart',
      took: listening('127.0.0.1', options.port),
    }),
  ]
}

interface Translator {
  readonly name: string
  readonly port: number
  /** The files that the exporter reads when it starts. */
  readonly settings: Resource[]
}

const MYSQL_LOGIN = '/etc/prometheus/mysqld-exporter.cnf'

const TRANSLATORS: Readonly<Record<Metrics['format'], ((at: string) => Translator) | undefined>> = {
  prometheus: undefined,
  'nginx-status': (at) => ({
    name: 'prometheus-nginx-exporter',
    port: 9113,
    // Version 1 takes long options with two dashes only, and has none to wait for nginx. systemd starts it again until nginx answers.
    settings: [
      daemon(
        'prometheus-nginx-exporter.service',
        ['/usr/bin/prometheus-nginx-exporter', `--nginx.scrape-uri=${at}`, '--web.listen-address=127.0.0.1:9113'],
        { network: 'loopback' },
      ),
    ],
  }),
  // The server authenticates the account `prometheus` by the socket, so no password is stored.
  mysqld: (at) => ({
    name: 'prometheus-mysqld-exporter',
    port: 9104,
    // Since version 0.15 it reads the file and ignores the variable; before, it reads the file only without the variable, and wants a password.
    settings: [
      file({ path: MYSQL_LOGIN, content: `[client]\nuser=prometheus\nsocket=${at}\n` }),
      daemon(
        'prometheus-mysqld-exporter.service',
        [
          '/usr/bin/prometheus-mysqld-exporter',
          `--config.my-cnf=${MYSQL_LOGIN}`,
          '--web.listen-address=127.0.0.1:9104',
          '--no-collect.info_schema.innodb_cmpmem',
        ],
        { network: 'loopback' },
        { Environment: `"DATA_SOURCE_NAME=prometheus@unix(${at})/"` },
      ),
    ],
  }),
}

const COLLECTORS =
  'conntrack cpu diskstats filefd filesystem loadavg meminfo netdev netstat os pressure sockstat stat systemd textfile time timex uname vmstat'

const NODE = [
  '/usr/bin/prometheus-node-exporter',
  '--web.listen-address=127.0.0.1:9100',
  '--collector.disable-defaults',
  ...COLLECTORS.split(' ').map((name) => `--collector.${name}`),
  `--collector.textfile.directory=${METRICS}/*`,
  '--collector.systemd.unit-include=.+\\.(service|timer)',
  '--collector.systemd.enable-restarts-metrics',
  // The default of the exporter excludes overlay, which is the root file system of some hosts.
  '--collector.filesystem.fs-types-exclude=^(autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|fusectl|hugetlbfs|iso9660|mqueue|nsfs|proc|pstore|ramfs|rpc_pipefs|securityfs|selinuxfs|squashfs|sysfs|tmpfs|tracefs)$',
  '--collector.filesystem.mount-points-exclude=^/(dev|proc|run|sys|var/lib/docker/.+|var/lib/containers/.+)($|/)',
  '--collector.netdev.device-exclude=^(lo|veth.*)$',
]

/** The exporter lists the file systems of process 1, and network devices by netlink. adjtimex(2) both reads and sets the clock state. */
const WHOLE_HOST = {
  ProtectProc: 'default',
  ProcSubset: 'all',
  ProtectHome: 'read-only',
  RestrictAddressFamilies: 'AF_UNIX AF_NETLINK AF_INET AF_INET6',
  ProtectClock: 'no',
}

const PROXY_CONFIG = '/etc/prometheus/exporter-exporter.yml'

const proxyConfig = (modules: readonly Module[]) =>
  yaml({
    modules: Object.fromEntries(
      modules.map(({ job, port, path }) => [
        job,
        { method: 'http', timeout: '8s', http: { address: '127.0.0.1', port, path, verify: false } },
      ]),
    ),
  })

/** The proxy requires a client certificate of this domain, and only monitoring servers have one. */
const proxyCommand = ({ port }: Options): readonly string[] => [
  '/usr/bin/prometheus-exporter-exporter',
  `-config.file=${PROXY_CONFIG}`,
  '-web.listen-address=',
  `-web.tls.listen-address=:${port}`,
  `-web.tls.cert=${AGENT}`,
  `-web.tls.key=${AGENT}.key`,
  `-web.tls.ca=${TRUSTED}`,
  '-web.tls.verify',
]
