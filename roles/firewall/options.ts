import { network, nftables, z } from 'provision'

const word = z.string().regex(/^(?!(anyone|administrators|all|ssh)$)[a-z][a-z0-9_-]{0,30}$/, 'must be a short word such as office')
const source = z.union([network, word], { error: 'must be an address, a network such as 192.0.2.0/24, or the name of a set' })
const port = z.int().min(1).max(65_535)
const protocol = z.enum(['tcp', 'udp']).default('tcp').meta({ description: 'protocol' })
const device = z.string().regex(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}$/, 'must be the name of a network interface such as wg0')

const rate = z
  .strictObject({
    per_minute: z
      .int()
      .positive()
      .max(1_000_000)
      .meta({ description: 'new connections per minute', examples: [60] }),
    burst: z
      .int()
      .positive()
      .max(1_000_000)
      .meta({ description: 'new connections above the rate that are accepted at once', examples: [30] }),
  })
  .meta({ description: 'limit of new connections per address (IPv6: per /64)' })

const why = z
  .string()
  .regex(/^[^\p{Cc}"]{1,80}$/u, 'must be one line of at most 80 characters, without quotation marks')
  .meta({ description: 'the reason, for the table of flows and the comment of the rule', examples: ['partner API, ticket 4711'] })

const from = z
  .array(z.string().min(1))
  .min(1)
  .meta({ description: '`anyone`, `administrators`, networks, sets, or groups of the inventory', examples: [['192.0.2.0/24', 'web']] })

const opened = z.strictObject({
  port: port.meta({ description: 'port of the host', examples: [51_820] }),
  protocol,
  from,
  why: why.optional(),
  rate: rate.optional(),
})

const openOption = z
  .record(
    word,
    opened.extend({
      forwarded: z
        .boolean()
        .default(false)
        .meta({ description: 'the port is published by a container that provision does not declare, such as one of docker' }),
    }),
  )
  .default({})

const passedOn = opened.extend({
  to: z.union([z.ipv4(), z.ipv6()]).meta({ description: 'address to which the packets are passed on', examples: ['10.8.0.2'] }),
  to_port: port.optional().meta({ description: 'port there. Default: the same', examples: [80] }),
})

const interfaceOption = z.strictObject({
  open: openOption.meta({
    description: 'ports that are open on this interface only, as in the option `open`',
    examples: [{ dns: { port: 53, protocol: 'udp', from: ['anyone'] } }],
  }),
  forward: z
    .array(device.or(z.literal('any')))
    .default([])
    .meta({ description: 'interfaces to which packets from this one may be forwarded; `any`: all', examples: [['eth0']] }),
  masquerade: z
    .array(network)
    .default([])
    .meta({ description: 'networks whose packets leave on this interface with the address of the host', examples: [['10.8.0.0/24']] }),
})

const permitted = z.strictObject({
  port: port.optional().meta({ description: 'port there. Default: all ports', examples: [587] }),
  protocol,
  to: from.meta({ description: '`anyone`, networks, sets, or groups of the inventory', examples: [['203.0.113.0/24']] }),
  why: why.optional(),
})

export const options = z.strictObject({
  sets: z
    .record(word, z.array(network).min(1))
    .default({})
    .meta({
      description: 'networks by name, for `from`, `to`, `deny` and `administrators`, and for ports of containers',
      examples: [{ office: ['192.0.2.0/24', '2001:db8:7::/48'] }],
    }),
  administrators: z
    .array(source)
    .default([])
    .meta({
      description: 'networks and sets that may connect to sshd, including that of the controller; default: anyone',
      examples: [['192.0.2.0/24', 'office']],
    }),
  deny: z
    .array(source)
    .default([])
    .meta({ description: 'networks and sets that may not connect to any port of the host', examples: [['198.51.100.0/24']] }),
  ssh_rate: z
    .union([z.literal(false), z.strictObject({ per_minute: z.int().positive(), burst: z.int().positive() })])
    .default({ per_minute: 30, burst: 60 })
    .meta({ description: 'limit of new SSH connections per address while anyone may connect; false: no limit' }),
  rates: z
    .record(z.string().min(1), rate)
    .default({})
    .meta({
      description: 'limits of new connections per address, by the service that a role or a container declares',
      examples: [{ https: { per_minute: 600, burst: 200 } }],
    }),
  confirm_seconds: z
    .int()
    .min(5)
    .max(600)
    .default(30)
    .meta({ description: 'time that a host waits for a new connection through new rules before it restores the old ones' }),
  forward: z.enum(['drop', 'accept']).default('drop').meta({ description: 'policy for forwarded packets (containers, routers)' }),
  open: openOption.meta({
    description: 'ports of programs that no role installs, by the name of the service',
    examples: [{ wireguard: { port: 51_820, protocol: 'udp', from: ['anyone'] } }],
  }),
  interfaces: z
    .record(device, interfaceOption)
    .default({})
    .meta({ description: 'rules of single network interfaces', examples: [{ wg0: { forward: ['eth0'] } }] }),
  forwards: z
    .record(word, passedOn)
    .default({})
    .meta({
      description: 'ports whose connections are passed on to another address',
      examples: [{ shop: { port: 8443, from: ['anyone'], to: '10.8.0.2', to_port: 443 } }],
    }),
  outgoing: z
    .strictObject({
      policy: z
        .enum(['accept', 'log', 'drop'])
        .default('accept')
        .meta({ description: '`drop`: only what is permitted leaves the host; `log`: the rest is accepted, counted and logged' }),
      to: z
        .record(word, permitted)
        .default({})
        .meta({
          description: 'permitted connections, by the name of the service, beside those that every host and its roles need',
          examples: [{ smtp: { port: 587, to: ['anyone'], why: 'mail of the shop' } }],
        }),
    })
    .prefault({})
    .meta({ description: 'rules of outgoing packets' }),
  extra: z
    .array(
      z
        .string()
        .regex(/^[^\n\r\0]+$/, 'must be one line')
        .refine((rule) => nftables.kind.schema.safeParse({ rules: rule }).success, 'has unbalanced braces'),
    )
    .default([])
    .meta({
      description: 'additional rules of the input chain, in the syntax of nft; they come before the rules that open ports',
      examples: [['udp dport 51820 accept', 'ip saddr 198.51.100.7 tcp dport 443 drop']],
    }),
})

export type Options = z.output<typeof options>

/** Whether an option needs a kernel that forwards packets. */
export const needsForwarding = ({ interfaces, forwards }: Options): boolean =>
  Object.keys(forwards).length > 0 || Object.values(interfaces).some(({ forward }) => forward.length > 0)

/** A limit of the options, in the words of flows. */
export const rateOf = ({ per_minute, burst }: z.output<typeof rate>) => ({ perMinute: per_minute, burst })
