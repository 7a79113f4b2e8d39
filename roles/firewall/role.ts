import { defineRole, nftables, pkg, type Resource, service, sysctl, unit } from 'provision'
import { checksOf } from './checks.ts'
import { optionFaults } from './faults.ts'
import { listensOf } from './listens.ts'
import { refuseLockout, refuseSharing } from './lockout.ts'
import { networksOf } from './networks.ts'
import { needsForwarding, type Options, options, rateOf } from './options.ts'
import type { Policy } from './rules/policy.ts'
import { rulesOf } from './rules/rules.ts'
import { connectionsOf, outgoingOf, sitePorts } from './site.ts'
import { BOOT_FILE, nftablesDropin, UNIT, unitText } from './unit.ts'
import { controllerWarning, warningsOf } from './warnings.ts'

/** Drops packets by default on every host, and opens the flows that the other roles of the host declare. */
export default defineRole({
  name: 'firewall',
  summary: 'opens the flows that the roles of a host declare, and nothing else',
  options,

  check: ({ options, site }) => optionFaults(options, site),

  listens: ({ options, host }) => listensOf(options, host.sshPort),

  networks: ({ options: { sets } }) => sets,

  resources: ({ options, host, site, facts, flows, exposed, connections = [], warn }) => {
    const { sets, ssh_rate } = options
    // SSH has separate rules, for the ports that sshd uses now and after a restart.
    const here = flows.filter((flow) => flow.host === host.name && (flow.role !== 'firewall' || flow.service !== 'ssh'))
    refuseSharing(here, facts)
    refuseLockout(options, facts, host.name)
    const policy: Policy = {
      sshPorts: facts.sshPorts,
      administrators: networksOf(options.administrators, sets),
      sshRate: ssh_rate === false ? undefined : rateOf(ssh_rate),
      forward: options.forward,
      deny: networksOf(options.deny, sets),
      extra: options.extra,
      flows: here.map((flow) => {
        const limit = Object.hasOwn(options.rates, flow.service) ? options.rates[flow.service] : undefined
        return limit === undefined ? flow : { ...flow, rate: rateOf(limit) }
      }),
      ...natOf(options),
      ...(options.outgoing.policy !== 'accept' && {
        outgoing: {
          policy: options.outgoing.policy,
          to: [...connectionsOf(connections), ...outgoingOf(options, site)],
          site: sitePorts({ host, site, flows, exposed }),
        },
      }),
    }
    for (const warning of [...warningsOf(policy, Object.keys(options.rates)), ...controllerWarning(policy, facts)]) warn(warning)
    const boot = unit({ name: UNIT, content: unitText(BOOT_FILE) })
    return [
      pkg({ name: 'nftables' }),
      boot,
      nftablesDropin(BOOT_FILE),
      ...forwardingSettings(options),
      nftables({ table: 'provision', family: 'inet', rules: rulesOf(policy), confirmSeconds: options.confirm_seconds }),
      service({ unit: UNIT, restarts: [boot] }),
    ]
  },

  verify: ({ host, options }) => checksOf(host.name, options),
})

const natOf = ({ interfaces, forwards }: Options): Pick<Policy, 'interfaces' | 'forwards'> => ({
  interfaces: Object.entries(interfaces).map(([name, { forward, masquerade }]) => ({ name, forward, masquerade })),
  forwards: Object.entries(forwards).map(([name, { port, protocol, to, to_port }]) => ({
    name,
    port,
    protocol,
    to,
    toPort: to_port ?? port,
  })),
})

/**
 * The kernel forwards packets of IPv4 if an option needs it. For IPv6 it would also stop reading router advertisements, from which many
 * hosts have their address.
 */
const forwardingSettings = (options: Options): readonly Resource[] =>
  needsForwarding(options) ? [sysctl({ key: 'net.ipv4.ip_forward', value: 1 })] : []
