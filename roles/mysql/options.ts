import { databaseName, type HostView, type SiteView, secret, z } from 'provision'

const size = z.string().regex(/^[1-9][0-9]*[KMG]$/, 'must be a size such as 512M or 4G')
const port = z.int().min(1024).max(65535)
const weight = z.int().min(1).max(10000)
const word = z.string().regex(/^[A-Za-z0-9_]{1,64}$/, 'must be a word such as utf8mb4')

const databaseOptions = z.strictObject({
  name: databaseName,
  charset: word.default('utf8mb4'),
  collation: word.default('utf8mb4_unicode_ci'),
  state: z.enum(['present', 'absent']).default('present'),
  lose_all_rows: z.boolean().default(false).meta({ description: 'with `absent`: it goes even when there are tables in it' }),
})

const grantOptions = z.strictObject({
  on: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,63}\.(\*|[A-Za-z0-9_$-]{1,64})$/, 'must be DATABASE.* or DATABASE.TABLE')
    .meta({ description: 'where', examples: ['shop.*'] }),
  privileges: z
    .array(z.string().regex(/^[A-Za-z]+( [A-Za-z]+)*$/, 'must be a privilege such as SELECT, or ALL'))
    .min(1)
    .default(['SELECT', 'INSERT', 'UPDATE', 'DELETE']),
})

const userOptions = z
  .strictObject({
    name: z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,79}$/, 'must be the name of an account: letters, digits, underscores, dots and dashes')
      .refine((name) => !OURS.includes(name) && !name.startsWith('provision-'), 'is an account of the server or of this role'),
    host: z
      .string()
      .regex(/^[A-Za-z0-9.:%_/-]{1,60}$/, 'must be where it comes from: %, an address, or a network')
      .refine((host) => host !== 'localhost', 'must be an address: whoever comes by TCP is never localhost')
      .default('%'),
    password: secret().optional(),
    grants: z.array(grantOptions).default([]),
    state: z.enum(['present', 'absent']).default('present'),
  })
  .refine(({ password, state }) => state === 'absent' || password !== undefined, { path: ['password'], message: 'is missing' })

const backupOptions = z.strictObject({
  recipients: z
    .array(z.string().regex(/^age1[02-9ac-hj-np-z]{58}$/, 'must be an age recipient: age1…'))
    .min(1)
    .meta({ description: 'who can read the backups; the keys that open them lie on no host' }),
  schedule: z
    .string()
    .regex(/^[A-Za-z0-9 :*,./~-]{1,80}$/, 'must be a time as systemd writes it, such as daily or *-*-* 03:00:00')
    .default('daily'),
  keep_days: z.int().min(1).max(3650).default(30),
  store: z
    .string()
    .optional()
    .meta({ description: 'group whose first host keeps them; the arbitrators where it is left out; `here`: the server itself' }),
  port: port.default(4569),
  max_age_hours: z.int().min(1).default(36).meta({ description: '`verify` complains of a last good one that is older' }),
})

/** Accounts that come with the server, or with this role. */
const OURS = ['root', 'mysql', 'mariadb.sys', 'prometheus']

/** Settings that keep what this role promises, or that have options of their own. */
const KEPT =
  /^(ssl|wsrep|tls|require_secure|bind_address|port|datadir|socket|user|plugin|skip_grant|skip_networking|init_|secure_|log_bin|server_id|gtid|read_only|innodb_flush_log_at|sync_binlog|innodb_buffer_pool_size|binlog_|sql_mode|slow_query|long_query|character_set_server|collation_server|local_infile|default_storage|innodb_autoinc|rpl_|relay_log|slave_|replicate_|master_|report_|log_slave|init_rpl)/

export const options = z.strictObject({
  flavour: z.enum(['mariadb', 'mysql']).default('mariadb').meta({ description: 'whose server; Oracle MySQL is refused as yet' }),
  topology: z.enum(['auto', 'cluster', 'replica', 'single']).default('auto').meta({
    description: '`auto`: a cluster from two servers up, else a single one; `replica`: one that is written to, and others that follow it',
  }),
  primary: z
    .string()
    .optional()
    .meta({ description: 'with the topology `replica`: the host that is written to; the first of the servers where it is left out' }),
  semi_sync: z
    .boolean()
    .default(true)
    .meta({ description: 'with the topology `replica`: what was acknowledged has come to a replica, as long as one is there' }),
  cluster: z
    .string()
    .regex(/^[a-z0-9][a-z0-9_-]{0,31}$/, 'must be a short word')
    .default('database')
    .meta({ description: 'names the cluster among its members' }),
  servers: z.string().default('database').meta({ description: 'group of the hosts that hold the data' }),
  arbitrators: z.string().default('database_arbitrators').meta({ description: 'group of hosts without data whose voice makes a majority' }),
  clients: z.array(z.string()).default(['web']).meta({ description: 'groups of the hosts whose applications may come' }),
  writer_port: port
    .default(3306)
    .meta({ description: 'where applications find the server that is written to, on 127.0.0.1 of their host' }),
  reader_port: port.default(3307).meta({ description: 'where they find any server, for queries that may be a moment behind' }),
  health_port: port.default(9200).meta({ description: 'where the proxies ask a server how it stands' }),
  databases: z.array(databaseOptions).default([]),
  users: z.array(userOptions).default([]),
  buffer_pool: z
    .union([size, z.string().regex(/^[1-9][0-9]?%$/, "must be a part of the host's memory such as 25%, or a size such as 512M")])
    .default('25%')
    .meta({ description: "memory for data and indexes: a part of the host's, or a size" }),
  durable: z
    .boolean()
    .default(true)
    .meta({ description: 'what was acknowledged is on the disk; without, a power cut of all servers at once may lose a second' }),
  binlog_days: z.int().min(1).max(99).default(7),
  slow_query_seconds: z.number().min(0).max(3600).default(1),
  connections: z.int().min(10).max(100000).default(151),
  memory: z
    .union([size, z.string().regex(/^[1-9][0-9]?%$/, "must be a part of the host's memory such as 80%, or a size such as 4G")])
    .default('80%')
    .meta({ description: 'the server is ended and started anew when it takes more' }),
  cpu_weight: weight
    .default(100)
    .meta({ description: 'against all else of the system, which has 100, and the web servers, which have their own' }),
  io_weight: weight.default(100),
  settings: z
    .record(
      z
        .string()
        .regex(/^[a-z][a-z0-9_]*$/, 'must be a server variable such as max_allowed_packet')
        .refine((name) => !KEPT.test(name), 'is set by this role: see its options'),
      z.union([z.string().regex(/^[^\p{Cc}#;'"\\]{1,500}$/u, 'must be one plain line'), z.number(), z.boolean()]),
    )
    .default({})
    .meta({ description: 'any other server variable; the server itself checks them before they go live' }),
  backups: backupOptions.optional(),
  restore: z
    .strictObject({
      file: z
        .string()
        .regex(/^(?!\/)[^\p{Cc}]*\.sql\.gz$/u, 'must be a decrypted backup (.sql.gz) of the project')
        .meta({ description: 'a decrypted backup', examples: ['backups/latest.sql.gz'] }),
      lose_rows_written_since: z
        .boolean()
        .default(false)
        .meta({ description: 'everything becomes as it was; without, only tables that are missing come back' }),
    })
    .optional(),
  discard_data_of: z
    .array(z.string())
    .default([])
    .meta({ description: 'hosts whose own data may be replaced by the data of the cluster that they join' }),
})

export type Options = z.output<typeof options>

/** Who is what, as the inventory has it. */
export interface Cast {
  /** Where applications run. */
  readonly clients: readonly HostView[]
  readonly topology: 'cluster' | 'replica' | 'single'
  readonly servers: readonly HostView[]
  readonly arbitrators: readonly HostView[]
  /** The server that is written to; undefined where all of them are. */
  readonly primary: string | undefined
  /** Hosts whose servers are told what shall be in them; all others have it from these. */
  readonly told: readonly string[]
}

export const castOf = (given: Options, site: SiteView): Cast => {
  const servers = site.group(given.servers)
  const topology = given.topology === 'auto' ? (servers.length > 1 ? 'cluster' : 'single') : given.topology
  const clients = site.hosts.filter(({ groups }) => given.clients.some((group) => groups.includes(group)))
  const primary = topology === 'replica' ? (given.primary ?? servers[0]?.name) : undefined
  const told = primary === undefined ? servers.map(({ name }) => name) : [primary]
  return { topology, servers, clients, primary, told, arbitrators: topology === 'cluster' ? site.group(given.arbitrators) : [] }
}
