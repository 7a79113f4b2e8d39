import { httpUsers, secret, z } from 'provision'
import { ownRule, quietHours, severity, silence } from './options/alerts.ts'

const port = z.int().min(1).max(65535)
const word = z.string().regex(/^[a-z][a-z0-9-]{0,30}$/, 'must be a short word such as admins')

const common = {
  name: word.meta({ description: 'name of the receiver', examples: ['admins'] }),
  severities: z
    .array(severity)
    .min(1)
    .default(['critical', 'warning'])
    .meta({ description: 'severities of the alerts it gets: `critical` (act now), `warning` (look today)' }),
  ca_file: z
    .string()
    .regex(/^(?!\/)[^\p{Cc}]+$/u, 'must be a PEM file of the project')
    .optional()
    .meta({
      description: 'PEM file of the project with the authority of the receiver, if it is not a public one',
      examples: ['authorities/mail.pem'],
    }),
}

const email = z.strictObject({
  ...common,
  type: z.literal('email'),
  to: z.array(z.email()).min(1),
  from: z.email(),
  server: z.string().regex(/^[A-Za-z0-9.-]+:[0-9]+$/, 'must be a mail server and its port such as mail.example.org:587'),
  user: z.string().min(1).optional(),
  password: secret().optional(),
  tls: z.boolean().default(true).meta({ description: 'send over encrypted connections only' }),
})
const slack = z.strictObject({
  ...common,
  type: z.literal('slack'),
  url: secret().meta({ description: 'address of the incoming webhook; keep it secret' }),
  channel: z.string().regex(/^[#@]\S+$/, 'must be a channel such as #operations'),
})
const webhook = z.strictObject({
  ...common,
  type: z.literal('webhook'),
  url: secret().meta({ description: 'address that gets alerts as JSON, in the format of Alertmanager' }),
})

const address = z.url({ protocol: /^https?$/ }).optional()
const pagerduty = z.strictObject({
  ...common,
  type: z.literal('pagerduty'),
  routing_key: secret().meta({ description: 'integration key of the service (Events API v2)' }),
  url: address.meta({
    description: 'address of the API, if it is not that of the United States',
    examples: ['https://events.eu.pagerduty.com/v2/enqueue'],
  }),
})
const opsgenie = z.strictObject({
  ...common,
  type: z.literal('opsgenie'),
  api_key: secret().meta({ description: 'key of the API integration' }),
  url: address.meta({
    description: 'address of the API, if it is not that of the United States',
    examples: ['https://api.eu.opsgenie.com/'],
  }),
})
const discord = z.strictObject({
  ...common,
  type: z.literal('discord'),
  url: secret().meta({ description: 'address of the webhook of the channel; keep it secret' }),
})
const teams = z.strictObject({
  ...common,
  type: z.literal('teams'),
  url: secret().meta({ description: 'address of a workflow of Microsoft Teams that posts to the channel; keep it secret' }),
})

/** A receiver of alerts. */
export const receiver = z.discriminatedUnion('type', [email, slack, webhook, pagerduty, opsgenie, discord, teams])
export type Receiver = z.output<typeof receiver>

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
    .array(z.strictObject({ name: z.string().min(1).optional(), url: z.url({ protocol: /^https?$/ }) }))
    .default([])
    .meta({
      description: 'additional addresses to probe by name, which includes DNS and the network path',
      examples: [[{ url: 'https://www.example.org/' }]],
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
    .array(z.string().regex(/^[a-z_][a-z0-9_-]{0,31}$/, 'must be a user name'))
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
