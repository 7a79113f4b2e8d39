import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { exists } from './machine/cache.ts'
import { execute, succeeds } from './machine/execute.ts'
import { type LabHost, type Layout, type Parts, portOf } from './spec.ts'

/**
 * Creates the lab's network: a bridge in its own network namespace, so that no firewall, container engine or setting of this machine affects
 * traffic between the hosts, and an interface of this machine on it with the first address of each subnet.
 */
export const networkUp = async ({ switch: namespace, interface: link, gateways }: Layout): Promise<void> => {
  await execute(['ip', 'netns', 'add', namespace])
  const inside = [
    // Multicast snooping without a querier breaks IPv6 neighbour discovery after some minutes.
    'link add bridge type bridge forward_delay 0 stp_state 0 mcast_snooping 0',
    `link add controller type veth peer name ${link} netns ${process.pid}`,
    'link set controller master bridge up',
    'link set bridge addrgenmode none up',
  ]
  await execute(['ip', '-n', namespace, '-batch', '-'], { input: inside.join('\n') })
  // Packets of hosts to other networks are not forwarded, even if this machine is a router.
  await writeFile(`/proc/sys/net/ipv4/conf/${link}/forwarding`, '0')
  const outside = [
    `link set ${link} up`,
    // Duplicate address detection would block binding to the address for a second.
    ...gateways.map(({ address, prefix }) => `address add ${address}/${prefix} dev ${link}${prefix === 64 ? ' nodad' : ''}`),
  ]
  await execute(['ip', '-batch', '-'], { input: outside.join('\n') })
}

/** Whether the network exists completely: the addresses are created last. */
export const networkIsUp = async ({ switch: namespace, interface: link, gateways }: Layout): Promise<boolean> => {
  if (!(await exists(`/sys/class/net/${link}`))) return false
  if (!(await succeeds(['ip', '-n', namespace, 'link', 'show', 'dev', 'controller', 'up']))) return false
  const shown = await execute(['ip', '-o', 'address', 'show', 'dev', link, 'up'])
  return gateways.every(({ address, prefix }) => shown.includes(` ${address}/${prefix} `))
}

/** Removes the network with all interfaces on it. */
export const networkDown = async ({ switch: namespace, interface: link }: Parts): Promise<void> => {
  if (await exists(`/sys/class/net/${link}`)) await execute(['ip', 'link', 'delete', link])
  if (await exists(join('/run/netns', namespace))) await execute(['ip', 'netns', 'delete', namespace])
}

/** The other interface of this machine that has addresses in one of the lab's subnets, or undefined. */
export const conflictingInterface = async ({ interface: link, gateways }: Layout): Promise<string | undefined> => {
  const routes = await Promise.all([execute(['ip', '-o', '-4', 'route', 'show']), execute(['ip', '-o', '-6', 'route', 'show'])])
  for (const { address, prefix } of gateways) {
    const network = `${prefix === 24 ? address.replace(/1$/, '0') : address.replace(/1$/, '')}/${prefix} `
    const line = routes.flatMap((text) => text.split('\n')).find((each) => each.startsWith(network) && !each.includes(`dev ${link} `))
    const holder = line && /dev (\S+)/.exec(line)?.[1]
    if (holder) return holder
  }
  return undefined
}

/** Drops all packets from and to a host. The link stays up, and neighbour discovery still works. */
export const unplug = async (layout: Layout, host: LabHost): Promise<void> => {
  const port = portOf(host)
  const answersNeighbours = 'icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept'
  const rules = ['iifname', 'oifname'].map((way) => `${way} "${port}" ${answersNeighbours}\n${way} "${port}" ether type { ip, ip6 } drop`)
  const chain = `type filter hook forward priority 0; policy accept;\n${rules.join('\n')}`
  await execute(inSwitch(layout, 'nft', '-f', '-'), {
    input: `table bridge ${port}\ndelete table bridge ${port}\ntable bridge ${port} {\nchain forward {\n${chain}\n}\n}\n`,
  })
}

/** Reverts `unplug`. */
export const plugIn = async (layout: Layout, host: LabHost): Promise<void> => {
  const port = portOf(host)
  await execute(inSwitch(layout, 'nft', '-f', '-'), { input: `table bridge ${port}\ndelete table bridge ${port}\n` })
}

const inSwitch = (layout: Layout, ...argv: readonly string[]) => ['ip', 'netns', 'exec', layout.switch, ...argv]
