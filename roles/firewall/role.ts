import { defineRole, type Facts, type Flow, network, nftables, overlap, type Peer, Problem, pkg, service, unit, z } from 'provision'
import { checksOf } from './checks.ts'
import { networkFaults } from './networks.ts'
import { BASIC, isForAdministrators, rulesOf } from './rules.ts'
import { shadowedRules } from './shadowed.ts'
import { BOOT_FILE, nftablesDropin, UNIT, unitText } from './unit.ts'

const options = z.strictObject({
  administrators: z
    .array(network)
    .default([])
    .meta({
      description: 'networks that may connect to sshd, including that of the controller; default: anyone',
      examples: [['192.0.2.0/24']],
    }),
  deny: z
    .array(network)
    .default([])
    .meta({ description: 'networks that may not connect to any port of the host', examples: [['198.51.100.0/24']] }),
  ssh_rate: z
    .union([z.literal(false), z.strictObject({ per_minute: z.int().positive(), burst: z.int().positive() })])
    .default({ per_minute: 30, burst: 60 })
    .meta({ description: 'limit of new SSH connections per address while anyone may connect; false: no limit' }),
  confirm_seconds: z
    .int()
    .min(5)
    .max(600)
    .default(30)
    .meta({ description: 'time that a host waits for a new connection through new rules before it restores the old ones' }),
  forward: z.enum(['drop', 'accept']).default('drop').meta({ description: 'policy for forwarded packets (containers, routers)' }),
  open: z
    .record(
      z.string().regex(/^(?!ssh$)[a-z][a-z0-9-]{0,30}$/, 'must be a short word such as wireguard, and not ssh'),
      z.strictObject({
        port: z.int().min(1).max(65_535),
        protocol: z.enum(['tcp', 'udp']).default('tcp'),
        from: z
          .array(z.string().min(1))
          .min(1)
          .meta({ description: '`anyone`, `administrators`, networks, or groups of the inventory', examples: [['192.0.2.0/24', 'web']] }),
      }),
    )
    .default({})
    .meta({
      description: 'ports of programs that no role installs, by the name of the service',
      examples: [{ wireguard: { port: 51_820, protocol: 'udp', from: ['anyone'] } }],
    }),
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

/** Drops packets by default on every host, and opens the flows that the other roles of the host declare. */
export default defineRole({
  name: 'firewall',
  summary: 'opens the flows that the roles of a host declare, and nothing else',
  options,

  check: ({ options }) => networkFaults(options),

  listens: ({ options: { administrators, open }, host }) => [
    {
      service: 'ssh',
      port: host.sshPort,
      protocol: 'tcp',
      from: [administrators.length > 0 ? 'administrators' : 'anyone'],
      encrypted: true,
    },
    ...Object.entries(open).map(([name, { port, protocol, from }]) => ({ service: name, port, protocol, from: from.map(peerOf) })),
  ],

  resources: ({ options: { administrators, deny, ssh_rate, confirm_seconds, forward, extra }, host, facts, flows, warn }) => {
    // SSH has separate rules, for the ports that sshd uses now and after a restart.
    const here = flows.filter((flow) => flow.host === host.name && (flow.role !== 'firewall' || flow.service !== 'ssh'))
    refuseSharing(here, facts)
    refuseLockout(deny, facts, host.name)
    for (const { from, service, port, role } of here)
      for (const { name, addresses } of from === 'anyone' ? [] : from)
        for (const address of addresses.filter((one) => deny.some((denied) => overlap(denied, one))))
          warn(`${name} (${address}) cannot connect to ${service} on port ${port} (${role}), because firewall.deny contains its address`)
    for (const { rule, by } of shadowedRules(BASIC, extra)) warn(`the rule "${rule}" of firewall.extra never matches: "${by}" comes first`)
    if (administrators.length === 0) {
      warn('SSH is open to anyone; list your networks in firewall.administrators')
      for (const { service, port, role } of here.filter(isForAdministrators)) {
        warn(`${service} on port ${port} (${role}) is closed to administrators, because firewall.administrators is empty`)
      }
    }
    // If the host does not report the controller's address, the trial of the rules must detect a lockout.
    const isShutOut = facts.clientAddress !== '' && !administrators.some((network) => overlap(network, facts.clientAddress))
    if (administrators.length > 0 && isShutOut)
      warn(
        `new rules would be rolled back: the controller's address ${facts.clientAddress} is not in firewall.administrators (${administrators.join(', ')})`,
      )
    const table = { table: 'provision', family: 'inet' } as const
    const rules = rulesOf({
      sshPorts: facts.sshPorts,
      administrators,
      sshRate: ssh_rate === false ? undefined : { perMinute: ssh_rate.per_minute, burst: ssh_rate.burst },
      forward,
      deny,
      extra,
      flows: here,
    })
    const boot = unit({ name: UNIT, content: unitText(BOOT_FILE) })
    return [
      pkg({ name: 'nftables' }),
      boot,
      nftablesDropin(BOOT_FILE),
      nftables({ ...table, rules, confirmSeconds: confirm_seconds }),
      service({ unit: UNIT, restarts: [boot] }),
    ]
  },

  verify: ({ host }) => checksOf(host.name),
})

const peerOf = (word: string): Peer =>
  word === 'anyone' || word === 'administrators' ? word : network.safeParse(word).success ? { network: word } : { group: word }

/** Refuses a role whose port sshd uses, because its peers would reach sshd. The port in the inventory is checked elsewhere. */
const refuseSharing = (flows: readonly Flow[], { sshPorts }: Facts): void => {
  const taken = flows.find(({ port, protocol }) => protocol === 'tcp' && sshPorts.includes(port))
  if (taken === undefined) return
  throw new Problem({
    class: 'input',
    where: { host: taken.host, role: taken.role },
    what: `port ${taken.port}/tcp for ${taken.service} is in use by sshd`,
    fix: `choose another port for one of the two, or remove the role from ${taken.host}`,
  })
}

/** Refuses rules that certainly shut out the account of the run. */
const refuseLockout = (deny: readonly string[], { clientAddress }: Facts, host: string): void => {
  const network = deny.find((one) => clientAddress !== '' && overlap(one, clientAddress))
  if (network === undefined) return
  throw new Problem({
    class: 'input',
    where: { host, role: 'firewall' },
    what: `firewall.deny contains ${network === clientAddress ? '' : `${clientAddress} in `}${network}, from which this run connects`,
    why: 'the rules would shut out the controller',
    fix: `remove ${network} from firewall.deny, or write smaller networks`,
  })
}
