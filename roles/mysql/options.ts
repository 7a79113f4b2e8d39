import { databaseCharset, databaseCollation, databaseName, type HostView, refuseOtherCharset, type SiteView, z } from 'provision'
import { copyOptions } from './copy-options.ts'
import { providerOptions } from './provider-options.ts'
import { refuseOurSetting } from './settings.ts'
import { certificateOptions, userOptions } from './users.ts'

const size = z.string().regex(/^[1-9][0-9]*[KMG]$/, 'must be a size such as 512M or 4G')
const port = z.int().min(1024).max(65535)
const weight = z.int().min(1).max(10000)

const databaseOptions = z
  .strictObject({
    name: databaseName,
    charset: databaseCharset.default('utf8mb4'),
    collation: databaseCollation.optional().meta({
      description: "default for utf8mb4: utf8mb4_unicode_ci, with MySQL utf8mb4_0900_ai_ci; for another character set, the server's own",
    }),
    state: z.enum(['present', 'absent']).default('present'),
    lose_all_rows: z.boolean().default(false).meta({ description: 'with `absent`: drop the database even if it has tables' }),
  })
  .superRefine(refuseOtherCharset)

const backupOptions = z.strictObject({
  recipients: z
    .array(z.string().regex(/^age1[02-9ac-hj-np-z]{58}$/, 'must be an age recipient: age1…'))
    .min(1)
    .meta({ description: 'age recipients that can decrypt the backups; no host has their keys' }),
  schedule: z
    .string()
    .regex(/^[A-Za-z0-9 :*,./~-]{1,80}$/, 'must be a systemd calendar expression such as daily or *-*-* 03:00:00')
    .default('daily'),
  keep_days: z.int().min(1).max(3650).default(30),
  store: z
    .string()
    .optional()
    .meta({ description: 'group whose first host stores the backups; default: the arbitrators; `here`: the server that makes them' }),
  port: port.default(4569),
  copies: z.array(copyOptions).default([]).meta({ description: 'storage outside the site that gets a copy of each backup' }),
  max_age_hours: z.int().min(1).default(36).meta({ description: 'age of the last good backup above which `verify` fails' }),
})

export const options = z.strictObject({
  flavour: z
    .enum(['mariadb', 'mysql'])
    .default('mariadb')
    .meta({
      description:
        '`mariadb`, or `mysql`: MySQL 8.4 of Oracle from the archive of Ubuntu 26.04, with the topologies `single` and `replica`',
      examples: ['mysql'],
    }),
  topology: z.enum(['auto', 'cluster', 'replica', 'single']).default('auto').meta({
    description:
      '`auto`: a cluster with two or more servers, otherwise a single server; `replica`: a primary that accepts writes, and replicas of it',
  }),
  primary: z
    .string()
    .optional()
    .meta({ description: 'with the topology `replica`: the host that accepts writes; default: the first server' }),
  semi_sync: z
    .boolean()
    .default(true)
    .meta({ description: 'with the topology `replica`: acknowledge a transaction after a replica has it, while a replica is connected' }),
  cluster: z
    .string()
    .regex(/^[a-z0-9][a-z0-9_-]{0,31}$/, 'must be a short word')
    .default('database')
    .meta({ description: 'name of the cluster, the same for all members' }),
  servers: z.string().default('database').meta({ description: 'group of the database servers' }),
  arbitrators: z.string().default('database_arbitrators').meta({ description: 'group of hosts that hold no data and vote for a majority' }),
  clients: z.array(z.string()).default(['web']).meta({ description: 'groups of the hosts whose applications may connect' }),
  writer_port: port
    .default(3306)
    .meta({ description: 'port on 127.0.0.1 of the application host that leads to the server that accepts writes' }),
  reader_port: port
    .default(3307)
    .meta({ description: 'port on 127.0.0.1 that leads to any server, for queries that tolerate a short delay' }),
  health_port: port.default(9200).meta({ description: 'port at which a server reports its health to the proxies' }),
  databases: z.array(databaseOptions).default([]),
  users: z.array(userOptions).default([]),
  certificates: z
    .array(certificateOptions)
    .default([])
    .meta({ description: 'on a host of `clients`: certificates of users for its applications, in /etc/mysql/provision/users' }),
  buffer_pool: z
    .union([size, z.string().regex(/^[1-9][0-9]?%$/, "must be a percentage of the host's memory such as 25%, or a size such as 512M")])
    .default('25%')
    .meta({ description: "memory for data and indexes: a percentage of the host's memory, or a size" }),
  durable: z.boolean().default(true).meta({
    description:
      'acknowledge a transaction after it is on disk; with `false`, a power cut of all servers at once may lose a second of writes',
  }),
  gcache_size: size.default('128M').meta({
    description:
      'with the topology `cluster`: writes that each server keeps for a member that returns; a member that missed more copies all data',
  }),
  provider_options: providerOptions.prefault({}).meta({
    description: 'with the topology `cluster`: options of Galera (`wsrep_provider_options`)',
    examples: [{ 'gcs.fc_limit': 64, 'gmcast.segment': 1 }],
  }),
  binlog_days: z.int().min(1).max(99).default(7),
  slow_query_seconds: z.number().min(0).max(3600).default(1),
  connections: z.int().min(10).max(100000).default(151),
  memory: z
    .union([size, z.string().regex(/^[1-9][0-9]?%$/, "must be a percentage of the host's memory such as 80%, or a size such as 4G")])
    .default('80%')
    .meta({ description: 'memory limit of the server; systemd restarts it above the limit' }),
  cpu_weight: weight.default(100).meta({ description: 'share of the CPU under contention; other services have 100' }),
  io_weight: weight.default(100).meta({ description: 'share of disk I/O under contention; other services have 100' }),
  settings: z
    .record(
      z
        .string()
        .regex(/^[a-z][a-z0-9_]*$/, 'must be a server variable such as max_allowed_packet')
        .superRefine(refuseOurSetting),
      z.union([z.string().regex(/^[^\p{Cc}#;'"\\]{0,500}$/u, 'must be one plain line'), z.number(), z.boolean()]),
    )
    .default({})
    .meta({ description: 'other server variables; the server validates them before the configuration is replaced' }),
  backups: backupOptions.optional(),
  restore: z
    .strictObject({
      file: z
        .string()
        .regex(/^(?!\/)[^\p{Cc}]*\.sql\.gz$/u, 'must be a decrypted backup (.sql.gz) of the project')
        .meta({ description: 'decrypted backup', examples: ['backups/latest.sql.gz'] }),
      until: z
        .string()
        .refine((moment) => /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(moment) && !Number.isNaN(Date.parse(moment)), {
          error: 'must be a moment in UTC such as 2026-01-01T12:00:00Z',
          params: { fix: 'write date, T, time and Z, in quotes' },
        })
        .optional()
        .meta({
          description: 'restore the data of this moment after the backup, by the binary log of the server that made it',
          examples: ['2026-01-01T12:00:00Z'],
        }),
      lose_rows_written_since: z
        .boolean()
        .default(false)
        .meta({ description: 'restore every table of the backup, and lose newer rows; default: restore only missing tables' }),
    })
    .optional(),
  discard_data_of: z
    .array(z.string())
    .default([])
    .meta({ description: 'hosts whose data may be replaced by the data of the cluster when they join it' }),
})

export type Options = z.output<typeof options>
export type Flavour = Options['flavour']

/** The hosts of the database by function, from the inventory. */
export interface Members {
  /** Hosts with applications. */
  readonly clients: readonly HostView[]
  readonly topology: 'cluster' | 'replica' | 'single'
  readonly servers: readonly HostView[]
  readonly arbitrators: readonly HostView[]
  /** The server that accepts writes; undefined if all of them do. */
  readonly primary: string | undefined
  /** Hosts on which databases and accounts are declared. The other servers get them by replication. */
  readonly managed: readonly string[]
}

export const membersOf = (given: Options, site: SiteView): Members => {
  const servers = site.group(given.servers)
  const topology = given.topology === 'auto' ? (servers.length > 1 ? 'cluster' : 'single') : given.topology
  const clients = site.hosts.filter(({ groups }) => given.clients.some((group) => groups.includes(group)))
  const primary = topology === 'replica' ? (given.primary ?? servers[0]?.name) : undefined
  const managed = primary === undefined ? servers.map(({ name }) => name) : [primary]
  return { topology, servers, clients, primary, managed, arbitrators: topology === 'cluster' ? site.group(given.arbitrators) : [] }
}
