import { defineRole, nftables, pkg, service, unit, z } from 'provision'
import { isForAdministrators, rulesOf } from './rules.ts'
import { UNIT, unitText } from './unit.ts'

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
    .array(z.string().regex(/^[^\n\r\0]+$/, 'must be one line'))
    .default([])
    .meta({ description: 'rules of your own for the input chain, as nft writes them', examples: [['udp dport 51820 accept']] }),
})

/** Default drop on every host, opened by what its other roles say they listen on, to whom they say. */
export default defineRole({
  name: 'firewall',
  summary: 'lets in what the roles of a host listen for, and nothing else',
  options,

  listens: ({ options: { administrators }, host }) => [
    { service: 'ssh', port: host.sshPort, protocol: 'tcp', from: [administrators.length > 0 ? 'administrators' : 'anyone'] },
  ],

  resources: ({ options: { administrators, ssh_rate, confirm_seconds, forward, extra }, host, facts, flows, warn }) => {
    // Our own is SSH, which has a rule of its own: for the port on which sshd really serves us.
    const here = flows.filter((flow) => flow.host === host.name && flow.role !== 'firewall')
    if (administrators.length === 0) {
      warn('SSH is open to anyone: name the networks you come from in firewall.administrators')
      for (const { service, port, role } of here.filter(isForAdministrators)) {
        warn(`no administrator may come to ${service} on port ${port} (${role}): firewall.administrators is empty`)
      }
    }
    const table = { table: 'provision', family: 'inet' } as const
    const rules = rulesOf({
      sshPort: facts.sshPort,
      administrators,
      sshRate: ssh_rate === false ? undefined : { perMinute: ssh_rate.per_minute, burst: ssh_rate.burst },
      forward,
      extra,
      flows: here,
    })
    const boot = unit({ name: UNIT, content: unitText('/etc/provision/nftables/inet-provision.nft') })
    return [
      pkg({ name: 'nftables' }),
      boot,
      nftables({ ...table, rules, confirmSeconds: confirm_seconds }),
      service({ unit: UNIT, restarts: [boot] }),
    ]
  },

  verify: ({ host }) => [
    {
      name: `the firewall of ${host.name} drops what it does not know`,
      script: `nft list chain inet provision input | grep -q 'hook input priority filter; policy drop;'`,
    },
    { name: `the firewall of ${host.name} comes back after a boot`, script: `systemctl is-enabled --quiet ${UNIT}` },
  ],
})
