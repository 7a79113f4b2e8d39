import { secret, z } from 'provision'

const size = z.string().regex(/^[1-9][0-9]*[KMG]$/, 'must be a size such as 512M or 4G')

/** The categories of commands that all supported versions have. */
const CATEGORIES = [
  ...['keyspace', 'read', 'write', 'set', 'sortedset', 'list', 'hash', 'string', 'bitmap', 'hyperloglog', 'geo', 'stream', 'pubsub'],
  ...['admin', 'fast', 'slow', 'blocking', 'dangerous', 'connection', 'transaction', 'scripting', 'all'],
]

const pattern = z.string().regex(/^[\x21-\x7e]{1,200}$/, 'must be a pattern without spaces such as shop:*')

const userOptions = z.strictObject({
  name: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/, 'must be an account name: letters, digits, underscores, dots and dashes')
    .refine((name) => !name.startsWith('provision'), 'is an account of this role')
    .meta({ description: 'name of the account; `default`: of clients that send only a password', examples: ['shop'] }),
  password: secret(),
  keys: z
    .array(pattern)
    .default(['*'])
    .meta({ description: 'patterns of the keys that it may use', examples: [['shop:*']] }),
  channels: z
    .array(pattern)
    .default([])
    .meta({
      description: 'patterns of the channels that it may publish to and subscribe to (not on Ubuntu 22.04)',
      examples: [['shop:*']],
    }),
  commands: z
    .array(
      z
        .string()
        .regex(/^[+-](@[a-z]+|[a-z]+(\|[a-z-]+)?)$/, 'must be a rule such as +@all, -@dangerous or +flushdb')
        .refine((rule) => !rule.includes('@') || CATEGORIES.includes(rule.slice(2)), 'has an unknown category of commands'),
    )
    .min(1)
    .default(['+@all', '-@admin', '-@dangerous', '+info', '+keys', '+flushdb'])
    .meta({ description: 'rules for commands, in their order (ACL of Redis)', examples: [['+@read']] }),
})

export const options = z.strictObject({
  servers: z.string().default('cache').meta({ description: 'group of the servers: a primary, and replicas of it' }),
  primary: z
    .string()
    .optional()
    .meta({ description: 'host that accepts writes; default: the first server', examples: ['cache-02'] }),
  clients: z.array(z.string()).default(['web']).meta({ description: 'groups of the hosts whose applications may connect' }),
  port: z.int().min(1024).max(65_535).default(6379).meta({ description: 'port, with TLS only' }),
  password: secret().meta({
    description: 'the passwords of the accounts for replication, monitoring and administration are derived from it',
    examples: [`\${secret:redis}`],
  }),
  users: z.array(userOptions).default([]),
  memory: z
    .union([size, z.string().regex(/^[1-9][0-9]?%$/, "must be a percentage of the host's memory such as 25%, or a size such as 512M")])
    .default('25%')
    .meta({ description: "limit of the data in memory: a percentage of the host's memory, or a size" }),
  eviction: z
    .enum([
      ...(['noeviction', 'allkeys-lru', 'allkeys-lfu', 'allkeys-random'] as const),
      ...(['volatile-lru', 'volatile-lfu', 'volatile-random', 'volatile-ttl'] as const),
    ])
    .default('noeviction')
    .meta({ description: '`noeviction`: writes fail at the limit; `allkeys-lru` for a cache: the keys used longest ago are deleted' }),
  persistence: z
    .enum(['append', 'snapshots', 'none'])
    .default('append')
    .meta({ description: '`append`: lose at most a second of writes; `snapshots`: minutes; `none`: everything at a restart' }),
  metrics: z.boolean().default(true).meta({ description: 'run the exporter for the role monitoring' }),
})

export type Options = z.output<typeof options>
