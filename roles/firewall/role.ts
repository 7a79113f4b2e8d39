import { defineRole, type Facts, type Flow, nftables, overlap, Problem, pkg, service, unit, z } from 'provision'
import { administratorFaults } from './administrators.ts'
import { checksOf } from './checks.ts'
import { isForAdministrators, rulesOf } from './rules.ts'
import { BOOT_FILE, besideNftables, UNIT, unitText } from './unit.ts'

const options = z.strictObject({
  administrators: z
    .array(z.union([z.ipv4(), z.ipv6(), z.cidrv4(), z.cidrv6()], { error: 'must be an IP address or a network such as 192.0.2.0/24' }))
    .default([])
    .meta({
      description: 'networks that may come to sshd, the controller’s among them; anyone may where none is given',
      examples: [['192.0.2.0/24']],
    }),
  ssh_rate: z
    .union([z.literal(false), z.strictObject({ per_minute: z.int().positive(), burst: z.int().positive() })])
    .default({ per_minute: 30, burst: 60 })
    .meta({ description: 'new SSH connections from one address while anyone may come; false: no limit' }),
  confirm_seconds: z
    .int()
    .min(5)
    .max(600)
    .default(30)
    .meta({ description: 'how long a host waits for a new connection through new rules before it puts the old ones back' }),
  forward: z.enum(['drop', 'accept']).default('drop').meta({ description: 'what becomes of packets for others (containers, routers)' }),
  extra: z
    .array(
      z
        .string()
        .regex(/^[^\n\r\0]+$/, 'must be one line')
        .refine((rule) => nftables.kind.schema.safeParse({ rules: rule }).success, 'has a brace too many or too few'),
    )
    .default([])
    .meta({ description: 'rules of your own for the input chain, as nft writes them', examples: [['udp dport 51820 accept']] }),
})

/** Default drop on every host, opened by what its other roles say they listen on, to whom they say. */
export default defineRole({
  name: 'firewall',
  summary: 'lets in what the roles of a host listen for, and nothing else',
  options,

  check: ({ options: { administrators } }) => administratorFaults(administrators),

  listens: ({ options: { administrators }, host }) => [
    {
      service: 'ssh',
      port: host.sshPort,
      protocol: 'tcp',
      from: [administrators.length > 0 ? 'administrators' : 'anyone'],
      encrypted: true,
    },
  ],

  resources: ({ options: { administrators, ssh_rate, confirm_seconds, forward, extra }, host, facts, flows, warn }) => {
    // Our own is SSH, which has a rule of its own: for the port on which sshd really serves us, and those it will serve.
    const here = flows.filter((flow) => flow.host === host.name && flow.role !== 'firewall')
    refuseSharing(here, facts)
    if (administrators.length === 0) {
      warn('SSH is open to anyone: name the networks you come from in firewall.administrators')
      for (const { service, port, role } of here.filter(isForAdministrators)) {
        warn(`no administrator may come to ${service} on port ${port} (${role}): firewall.administrators is empty`)
      }
    }
    // A host that does not say from where we come leaves it to the trial of its rules.
    const isShutOut = facts.clientAddress !== '' && !administrators.some((network) => overlap(network, facts.clientAddress))
    if (administrators.length > 0 && isShutOut)
      warn(
        `new rules would be taken back: we come from ${facts.clientAddress}, which is in none of firewall.administrators (${administrators.join(', ')})`,
      )
    const table = { table: 'provision', family: 'inet' } as const
    const rules = rulesOf({
      sshPorts: facts.sshPorts,
      administrators,
      sshRate: ssh_rate === false ? undefined : { perMinute: ssh_rate.per_minute, burst: ssh_rate.burst },
      forward,
      extra,
      flows: here,
    })
    const boot = unit({ name: UNIT, content: unitText(BOOT_FILE) })
    return [
      pkg({ name: 'nftables' }),
      boot,
      besideNftables(BOOT_FILE),
      nftables({ ...table, rules, confirmSeconds: confirm_seconds }),
      service({ unit: UNIT, restarts: [boot] }),
    ]
  },

  verify: ({ host }) => checksOf(host.name),
})

/** Whoever may come to another role's port would come to sshd. The inventory's port was judged already; this is about the real ones. */
const refuseSharing = (flows: readonly Flow[], { sshPorts }: Facts): void => {
  const taken = flows.find(({ port, protocol }) => protocol === 'tcp' && sshPorts.includes(port))
  if (taken === undefined) return
  throw new Problem({
    class: 'input',
    where: { host: taken.host, role: taken.role },
    what: `wants ${taken.port}/tcp for ${taken.service}, on which sshd listens there`,
    fix: 'give one of the two another port, or take the role from this host',
  })
}
