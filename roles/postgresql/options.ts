import { network, secret, z } from 'provision'
import { refuseOurSetting } from './settings.ts'

const size = z.string().regex(/^[1-9][0-9]*[KMG]$/, 'must be a size such as 512M or 4G')
const weight = z.int().min(1).max(10000)
const name = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_-]{0,62}$/, 'must be a name of letters, digits, underscores and dashes')
  .refine((one) => !/^(pg_|template[01]$|all$|replication$)/.test(one), 'is a name of the server')

const extensionOptions = z.strictObject({
  name: z.string().regex(/^[a-z][a-z0-9_-]{0,62}$/, 'must be an extension such as pg_trgm'),
  version: z
    .string()
    .optional()
    .meta({ description: 'default: the version of the package for a new extension', examples: ['1.6'] }),
  schema: name.optional().meta({ description: 'schema of its objects; default: the one that it demands, or public', examples: ['public'] }),
})

const databaseOptions = z.strictObject({
  name,
  owner: name.default('postgres').meta({ description: 'one of `users`', examples: ['shop'] }),
  encoding: z
    .string()
    .optional()
    .meta({ description: 'UTF8 in a new database; cannot be changed later', examples: ['LATIN1'] }),
  collation: z
    .string()
    .optional()
    .meta({ description: 'C.UTF-8 in a new database; cannot be changed later', examples: ['de_DE.UTF-8'] }),
  connection_limit: z
    .int()
    .min(-1)
    .optional()
    .meta({ description: 'sessions at one time; -1: no limit', examples: [50] }),
  extensions: z.array(extensionOptions).default([]),
  state: z.enum(['present', 'absent']).default('present'),
  lose_all_rows: z.boolean().default(false).meta({ description: 'with `absent`: drop the database even if it has tables' }),
})

const relations = z.union([z.literal('all'), z.array(z.string()).min(1)]).optional()

const grantOptions = z.strictObject({
  database: name.meta({ description: 'one of `databases`', examples: ['shop'] }),
  schema: z
    .string()
    .optional()
    .meta({ description: 'without it, privileges on the database', examples: ['public'] }),
  tables: relations.meta({ description: 'tables and views of the schema: names, or `all`', examples: ['all'] }),
  sequences: relations.meta({ description: 'sequences of the schema: names, or `all`', examples: ['all'] }),
  created_by: name.optional().meta({ description: 'with `all`: also those that this user creates later', examples: ['shop'] }),
  privileges: z
    .array(z.string())
    .min(1)
    .meta({ description: 'in the words of PostgreSQL', examples: [['SELECT']] }),
})

const userOptions = z
  .strictObject({
    name: name.refine((one) => !/^(postgres|prometheus|provision.*)$/.test(one), 'is an account of the server or of this role'),
    password: secret().optional(),
    socket: z.boolean().default(false).meta({
      description: 'the system account of the same name on the server logs in through the socket, without a password; not over the network',
    }),
    login: z.boolean().default(true).meta({ description: '`false`: only a name for privileges that other users get by `member_of`' }),
    connection_limit: z.int().min(-1).default(-1).meta({ description: 'sessions at one time; -1: no limit' }),
    member_of: z
      .array(z.string().regex(/^[A-Za-z_][A-Za-z0-9_-]{0,62}$/))
      .default([])
      .meta({ description: 'users, or roles of the server, whose privileges it has', examples: [['pg_read_all_data']] }),
    grants: z.array(grantOptions).default([]),
    state: z.enum(['present', 'absent']).default('present'),
  })
  .superRefine(({ password, socket, login, state }, context) => {
    const refuse = (message: string, fix: string): void =>
      context.addIssue({ code: 'custom', path: ['password'], message, params: { fix } })
    if (password !== undefined && (socket || !login))
      refuse(`must not be set with \`${socket ? 'socket' : 'login: false'}\``, 'remove one of the two')
    else if (password === undefined && !socket && login && state === 'present')
      refuse('is missing', `add \`password: \${secret:NAME}\` (provision secrets edit)`)
  })

export const options = z.strictObject({
  servers: z.string().default('postgresql').meta({ description: 'group of the servers: a primary, and replicas of it' }),
  primary: z
    .string()
    .optional()
    .meta({ description: 'host that accepts writes; default: the first server', examples: ['db-02'] }),
  clients: z.array(z.string()).default(['web']).meta({ description: 'groups of the hosts whose applications may connect' }),
  networks: z
    .array(network)
    .default([])
    .meta({ description: 'networks outside the inventory whose hosts may connect', examples: [['10.9.0.0/24']] }),
  databases: z.array(databaseOptions).default([]),
  users: z.array(userOptions).default([]),
  packages: z
    .array(z.string().regex(/^postgresql-[a-z0-9][a-z0-9.+-]*$/, 'must be a package of an extension such as postgresql-17-postgis-3'))
    .default([])
    .meta({ description: 'packages of extensions', examples: [['postgresql-17-postgis-3']] }),
  buffers: z
    .union([size, z.string().regex(/^[1-9][0-9]?%$/, "must be a percentage of the host's memory such as 25%, or a size such as 512M")])
    .default('25%')
    .meta({ description: "memory for data and indexes: a percentage of the host's memory, or a size" }),
  connections: z.int().min(10).max(10_000).default(100).meta({ description: 'sessions at one time' }),
  memory: z
    .union([size, z.string().regex(/^[1-9][0-9]?%$/, "must be a percentage of the host's memory such as 80%, or a size such as 4G")])
    .default('80%')
    .meta({ description: 'memory limit of the server; the kernel ends processes of the server above the limit' }),
  cpu_weight: weight.default(100).meta({ description: 'share of the CPU under contention; other services have 100' }),
  io_weight: weight.default(100).meta({ description: 'share of disk I/O under contention; other services have 100' }),
  settings: z
    .record(
      z
        .string()
        .regex(/^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)?$/, 'must be a setting of the server such as work_mem')
        .superRefine(refuseOurSetting),
      z.union([z.string().regex(/^[^\p{Cc}'\\]{0,500}$/u, 'must be one plain line'), z.number(), z.boolean()]),
    )
    .default({})
    .meta({
      description: 'other settings of the server; it starts with them in an empty directory before the configuration is replaced',
      examples: [{ work_mem: '16MB' }],
    }),
  replica_log: size.default('16G').meta({
    description: 'log that the primary keeps for a replica that is away; one that missed more copies all data',
  }),
  discard_data_of: z
    .array(z.string())
    .default([])
    .meta({ description: 'hosts whose own data may be replaced by a copy of the primary', examples: [['db-01']] }),
  metrics: z.boolean().default(true).meta({ description: 'run the exporter for the role monitoring' }),
})

export type Options = z.output<typeof options>
export type User = Options['users'][number]
export type Database = Options['databases'][number]
