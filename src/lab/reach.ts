import { Problem } from '../problem.ts'
import { leaderOf } from './host.ts'
import { succeeds } from './machine/execute.ts'
import { type LabSpec, layoutOf } from './spec.ts'

/** Throws a problem if a host cannot reach the package cache on the bridge, usually because of this machine's firewall. */
export const checkBridgeReachable = async (spec: LabSpec): Promise<void> => {
  const { gateways, interface: leg } = layoutOf(spec)
  const [host] = spec.hosts
  const leader = host && (await leaderOf(spec, host))
  const address = gateways[0]?.address ?? ''
  const probe = ['timeout', '15', 'bash', '--norc', '-c', `exec 3<>"/dev/tcp/${address}/3142"`]
  if (!host || leader === undefined || (await succeeds(['nsenter', `--target=${leader}`, '--net', ...probe]))) return
  throw new Problem({
    class: 'task',
    where: { host: host.name },
    what: `host cannot reach the package cache on ${address}, port 3142`,
    why: 'the firewall of this machine probably drops packets from the lab',
    fix: `permit incoming packets on the interface ${leg}, for example: ufw allow in on ${leg}`,
  })
}
