import { secret, z } from 'provision'

const port = z.int().min(1).max(65535)
const word = z.string().regex(/^[a-z][a-z0-9-]{0,30}$/, 'must be a short word such as admins')
const severity = z.enum(['critical', 'warning'])

const common = {
  name: word.meta({ description: 'names it', examples: ['admins'] }),
  severities: z
    .array(severity)
    .min(1)
    .default(['critical', 'warning'])
    .meta({ description: 'what it is told: `critical` (act now), `warning` (look today)' }),
  ca_file: z
    .string()
    .regex(/^(?!\/)[^\p{Cc}]+$/u, 'must be a PEM file of the project')
    .optional()
    .meta({ description: 'PEM file that verifies it, where no public authority does', examples: ['authorities/mail.pem'] }),
}

const email = z.strictObject({
  ...common,
  type: z.literal('email'),
  to: z.array(z.email()).min(1),
  from: z.email(),
  server: z.string().regex(/^[A-Za-z0-9.-]+:[0-9]+$/, 'must be a mail server and its port such as mail.example.org:587'),
  user: z.string().min(1).optional(),
  password: secret().optional(),
  tls: z.boolean().default(true).meta({ description: 'refuse to send over a connection that cannot be encrypted' }),
})
const slack = z.strictObject({
  ...common,
  type: z.literal('slack'),
  url: secret().meta({ description: 'the address of the incoming webhook, which is a secret' }),
  channel: z.string().regex(/^[#@]\S+$/, 'must be a channel such as #operations'),
})
const webhook = z.strictObject({
  ...common,
  type: z.literal('webhook'),
  url: secret().meta({ description: 'where alerts are posted as JSON (Alertmanager’s own form)' }),
})

/** Who is told. */
export const receiver = z.discriminatedUnion('type', [email, slack, webhook])
export type Receiver = z.output<typeof receiver>

const seconds = z.number().positive().max(86_400)
const part = z.number().positive().max(1)

const limits = z
  .strictObject({
    slow_seconds: seconds.default(1).meta({ description: 'a page that takes longer (at the 95th of a hundred) is slow' }),
    error_ratio: part.default(0.05).meta({ description: 'the part of all answers that may be errors of the server' }),
    surge: z.number().min(1.1).default(3).meta({ description: 'so many times as many requests as in the same hour before are a surge' }),
    collapse: part.default(0.3).meta({ description: 'and so small a part of them a collapse' }),
    least_qps: z.number().min(0).default(1).meta({ description: 'below this many requests a second neither is told' }),
    disk_free: part.default(0.1),
    memory_free: part.default(0.05),
    cpu_steal: part.default(0.2),
    clock_seconds: seconds.default(1).meta({ description: 'by how much a clock may differ' }),
    replica_lag_seconds: seconds.default(30),
    backup_hours: z.number().positive().default(26).meta({ description: 'a backup that is older is too old' }),
    certificate_life: part.default(0.15).meta({ description: 'the part of a certificate’s life that must be left' }),
    failed_logins: z.int().positive().default(30).meta({ description: 'in five minutes on one host' }),
    firewall_drops: z.number().positive().default(20).meta({ description: 'packets a second, for five minutes' }),
    security_update_days: z.number().positive().default(2).meta({ description: 'how long a security update may wait' }),
  })
  .prefault({})

export const options = z.strictObject({
  servers: z.string().default('monitoring_servers').meta({ description: 'group of the hosts that watch all others' }),
  port: port.default(9998).meta({ description: 'where the watching hosts find the measurements of a host' }),
  interval_seconds: z.int().min(5).max(300).default(10).meta({ description: 'how often everything is measured' }),
  checks_seconds: z
    .int()
    .min(10)
    .max(3600)
    .default(30)
    .meta({ description: 'how often each host looks at its own files, ports and logins' }),
  retention_days: z.int().min(1).max(3650).default(15),
  retention_mb: z.int().min(128).default(2048).meta({ description: 'what measurements may take on disk' }),
  memory_mb: z.int().min(128).default(768).meta({ description: 'what Prometheus may take before it is ended and started anew' }),
  receivers: z.array(receiver).default([]).meta({ description: 'who is told; nobody is, where none is named' }),
  repeat_hours: z.number().positive().default(4).meta({ description: 'how soon they are told again of what has not ended' }),
  heartbeat: secret()
    .optional()
    .meta({ description: 'an address elsewhere that is called every minute: who runs it tells you when the calls stop' }),
  probes: z
    .array(z.strictObject({ name: z.string().min(1).optional(), url: z.url({ protocol: /^https?$/ }) }))
    .default([])
    .meta({
      description: 'more addresses to ask, by name: this measures name servers and the way as well',
      examples: [[{ url: 'https://www.example.org/' }]],
    }),
  limits,
  known_ports: z
    .array(z.string().regex(/^[0-9]{1,5}\/(tcp|udp)$/, 'must be a port such as 51820/udp'))
    .default([])
    .meta({ description: 'ports that something listens on which no role speaks of' }),
  known_users: z
    .array(z.string().regex(/^[a-z_][a-z0-9_-]{0,31}$/, 'must be a user name'))
    .default([])
    .meta({ description: 'accounts that may log in or become root which no role speaks of' }),
  dashboard: z
    .union([
      z.literal(false),
      z.strictObject({
        port: port.default(9443),
        users: z
          .record(z.string().regex(/^[A-Za-z0-9._@-]{1,64}$/, 'must be a name without spaces and colons'), secret())
          .refine((users) => Object.keys(users).length > 0, 'must name somebody')
          .meta({ description: 'who may look, and their passwords' }),
        open: z.boolean().default(false).meta({ description: 'to everybody who has a password, not only from administrators’ networks' }),
        certificate: z
          .string()
          .regex(/^\/[!-~]+$/, 'must be a path')
          .optional()
          .meta({ description: 'a chain on the host, its key beside it as PATH.key; left out: one of the authority `metrics`' }),
      }),
    ])
    .default(false)
    .meta({ description: 'a page that shows how everything is' }),
})

export type Options = z.output<typeof options>
export type Limits = Options['limits']
