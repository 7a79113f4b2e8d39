import { httpUsers, secret, z } from 'provision'
import { ownRule, quietHours, silence } from './options/alerts.ts'
import { accountName, check } from './options/checks.ts'
import { probe } from './options/probes.ts'
import { receiver } from './options/receivers.ts'
import { remoteWrite } from './options/remote-write.ts'
import { target } from './options/targets.ts'

const port = z.int().min(1).max(65535)
const seconds = z.number().positive().max(86_400)
const part = z.number().positive().max(1)

const limits = z
  .strictObject({
    slow_seconds: seconds.default(1).meta({ description: 'response time at the 95th percentile above which the site is slow' }),
    error_ratio: part.default(0.05).meta({ description: 'tolerated share of server errors among all responses' }),
    surge: z.number().min(1.1).default(3).meta({ description: 'factor over the usual request rate that counts as a surge' }),
    collapse: part.default(0.3).meta({ description: 'fraction of the usual request rate that counts as a collapse' }),
    least_qps: z.number().min(0).default(1).meta({ description: 'request rate per second below which traffic raises no alert' }),
    disk_free: part.default(0.1).meta({ description: 'minimum free fraction of a file system' }),
    memory_free: part.default(0.05).meta({ description: 'minimum available fraction of memory' }),
    cpu_steal: part.default(0.2).meta({ description: 'tolerated fraction of CPU time that the hypervisor withholds' }),
    clock_seconds: seconds.default(1).meta({ description: 'tolerated offset of a clock' }),
    replica_lag_seconds: seconds.default(30).meta({ description: 'tolerated replication lag' }),
    backup_hours: z.number().positive().default(26).meta({ description: 'maximum age of the last good backup' }),
    certificate_life: part.default(0.15).meta({ description: 'minimum remaining fraction of a certificate’s lifetime' }),
    failed_logins: z.int().positive().default(30).meta({ description: 'tolerated failed SSH logins on one host in five minutes' }),
    firewall_drops: z.number().positive().default(20).meta({ description: 'tolerated dropped packets per second, over five minutes' }),
    security_update_days: z.number().positive().default(2).meta({ description: 'maximum time that a security update may be pending' }),
    reboot_hours: z.number().positive().default(1).meta({ description: 'maximum time that a host may need a reboot' }),
    disk_full_hours: z
      .int()
      .min(1)
      .max(168)
      .default(24)
      .meta({ description: 'warn about a disk that will be full within this time, at the rate of the last six hours' }),
    served_certificate_hours: z
      .number()
      .positive()
      .default(24)
      .meta({ description: 'minimum remaining lifetime of a certificate that visitors get' }),
    balancer_connections: part.default(0.8).meta({ description: 'tolerated fraction of the connection limit of a balancer' }),
    database_connections: part.default(0.8).meta({ description: 'tolerated fraction of the connection limit of a database' }),
  })
  .prefault({})

export const options = z.strictObject({
  servers: z.string().default('monitoring_servers').meta({ description: 'group of the monitoring servers' }),
  port: port.default(9998).meta({ description: 'port at which monitoring servers read the measurements of a host' }),
  interval_seconds: z.int().min(5).max(300).default(10).meta({ description: 'time between two measurements' }),
  checks_seconds: z
    .int()
    .min(10)
    .max(3600)
    .default(30)
    .meta({ description: 'time between two checks that a host makes of its files, ports, accounts and logins' }),
  retention_days: z.int().min(1).max(3650).default(15).meta({ description: 'how long measurements are kept' }),
  retention_mb: z.int().min(128).default(2048).meta({ description: 'maximum size of the stored measurements' }),
  memory_mb: z.int().min(128).default(768).meta({ description: 'memory limit of Prometheus; systemd restarts it above the limit' }),
  receivers: z.array(receiver).default([]).meta({ description: 'receivers of alerts; without any, no alert is sent' }),
  repeat_hours: z.number().positive().default(4).meta({ description: 'time after which a firing alert is sent again' }),
  heartbeat: secret()
    .optional()
    .meta({ description: 'address of an external heartbeat service, called every minute; the service alerts you when the calls stop' }),
  probes: z
    .array(probe)
    .default([])
    .meta({
      description: 'additional addresses to probe, of the site and outside it',
      examples: [
        [
          { url: 'https://www.example.org/cart', status: 200, body: 'Your cart' },
          { tls: 'mail.example.org:465' },
          { dns: 'www.example.org', server: '9.9.9.9' },
        ],
      ],
    }),
  targets: z
    .array(target)
    .default([])
    .meta({
      description: 'further exporters to read, on hosts of the site (`at`) and outside it (`url`)',
      examples: [[{ job: 'shop', at: 'http://127.0.0.1:9200/metrics', hosts: ['web'] }]],
    }),
  remote_write: z
    .array(remoteWrite)
    .default([])
    .meta({
      description: 'stores outside the site that get the measurements',
      examples: [[{ url: 'https://mimir.example.org/api/v1/push' }]],
    }),
  checks: z
    .array(check)
    .default([])
    .meta({
      description: 'scripts that hosts run on a schedule; an alert fires while one fails',
      examples: [[{ name: 'queue', script: 'checks/queue.sh', hosts: ['web'], summary: 'the queue is not processed' }]],
    }),
  limits,
  rules: z
    .array(ownRule)
    .default([])
    .meta({
      description: 'alerts of your own',
      examples: [[{ name: 'QueueTooLong', expr: 'shop_queue_length > 100', for: '5m', summary: '{{ $value }} orders wait' }]],
    }),
  silence: z
    .array(silence)
    .default([])
    .meta({
      description: 'alerts that are not sent, by rule and host',
      examples: [[{ rule: 'RebootNeeded', hosts: ['web-02'], until: '2027-01-31', why: 'replaced in January' }]],
    }),
  quiet_hours: z
    .array(quietHours)
    .default([])
    .meta({
      description: 'times at which only critical alerts are sent; the others follow afterwards',
      examples: [[{ from: '22:00', to: '07:00', time_zone: 'Europe/Berlin' }]],
    }),
  known_ports: z
    .array(z.string().regex(/^[0-9]{1,5}\/(tcp|udp)$/, 'must be a port such as 51820/udp'))
    .default([])
    .meta({ description: 'ports in use that no role declares' }),
  known_users: z
    .array(accountName)
    .default([])
    .meta({ description: 'accounts that may log in or become root although no role declares them' }),
  dashboard: z
    .union([
      z.literal(false),
      z.strictObject({
        port: port.default(9443),
        users: httpUsers.meta({ description: 'users of the dashboard, with their passwords' }),
        may_silence: z
          .array(z.string())
          .default([])
          .meta({ description: 'users who may silence and acknowledge alerts on the dashboard', examples: [['ann']] }),
        name: z
          .string()
          .regex(/^(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?([.][a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/, 'must be a host name')
          .optional()
          .meta({
            description: 'host name of the dashboard in the links of messages; default: the address of the monitoring server',
            examples: ['monitoring.example.org'],
          }),
        open: z
          .boolean()
          .default(false)
          .meta({ description: 'open the port to all networks instead of the administrators’ networks; a password is still needed' }),
        certificate: z
          .string()
          .regex(/^\/[!-~]+$/, 'must be a path')
          .optional()
          .meta({
            description:
              'path of a certificate chain on the host, with its key at PATH.key; default: a certificate of the authority `metrics`',
          }),
      }),
    ])
    .default(false)
    .meta({ description: 'web page with alerts, state and charts' }),
})

export type Options = z.output<typeof options>
export type Limits = Options['limits']
