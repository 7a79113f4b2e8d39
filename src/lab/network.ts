import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Problem } from '../problem.ts'
import { exists } from './cache.ts'
import { execute, succeeds } from './execute.ts'
import { type LabHost, type LabSpec, type Layout, portOf } from './spec.ts'

/**
 * The lab's wire: a bridge in a network namespace of its own, so that no firewall, container engine or setting of this
 * machine meddles with what the hosts send each other, and one leg of it on this machine with the first address of each subnet.
 */
export const networkUp = async (spec: LabSpec, layout: Layout): Promise<void> => {
  if (await isWhole(layout)) return
  await checkFree(spec, layout)
  await networkDown(layout)
  const { switch: wire, interface: leg } = layout
  await execute(['ip', 'netns', 'add', wire])
  const inside = [
    // Snooping without a querier loses IPv6's neighbour discovery after some minutes.
    'link add bridge type bridge forward_delay 0 stp_state 0 mcast_snooping 0',
    `link add controller type veth peer name ${leg} netns ${process.pid}`,
    'link set controller master bridge up',
    'link set bridge addrgenmode none up',
  ]
  await execute(['ip', '-n', wire, '-batch', '-'], { input: inside.join('\n') })
  const outside = [
    `link set ${leg} alias "${aliasOf(spec)}"`,
    // A machine that checks addresses for duplicates would not let us bind to them for a second.
    ...layout.gateways.map(({ address, prefix }) => `address add ${address}/${prefix} dev ${leg}${prefix === 64 ? ' nodad' : ''}`),
    `link set ${leg} up`,
  ]
  await execute(['ip', '-batch', '-'], { input: outside.join('\n') })
  // What the hosts send elsewhere stays here, also on a machine that routes.
  await writeFile(`/proc/sys/net/ipv4/conf/${leg}/forwarding`, '0')
}

/** Takes the wire away, and with it whatever is plugged into it. */
export const networkDown = async (layout: Layout): Promise<void> => {
  if (await exists(`/sys/class/net/${layout.interface}`)) await execute(['ip', 'link', 'delete', layout.interface])
  if (await exists(join('/run/netns', layout.switch))) await execute(['ip', 'netns', 'delete', layout.switch])
}

/** From now on all packets from and to a host vanish silently; the link stays up and its neighbours are still resolved. */
export const unplug = async (layout: Layout, host: LabHost): Promise<void> => {
  const port = portOf(host)
  const answersNeighbours = 'icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept'
  const rules = ['iifname', 'oifname'].map((way) => `${way} "${port}" ${answersNeighbours}\n${way} "${port}" ether type { ip, ip6 } drop`)
  const chain = `type filter hook forward priority 0; policy accept;\n${rules.join('\n')}`
  await execute(inSwitch(layout, 'nft', '-f', '-'), {
    input: `table bridge ${port}\ndelete table bridge ${port}\ntable bridge ${port} {\nchain forward {\n${chain}\n}\n}\n`,
  })
}

/** Undoes `unplug`. */
export const plugIn = async (layout: Layout, host: LabHost): Promise<void> => {
  const port = portOf(host)
  await execute(inSwitch(layout, 'nft', '-f', '-'), { input: `table bridge ${port}\ndelete table bridge ${port}\n` })
}

const inSwitch = (layout: Layout, ...argv: readonly string[]) => ['ip', 'netns', 'exec', layout.switch, ...argv]

// The alias is made last but for the addresses; a wire that was cut off while it was made lacks them.
const isWhole = async ({ switch: wire, interface: leg, gateways }: Layout) => {
  if (!(await exists(`/sys/class/net/${leg}`))) return false
  if (!(await succeeds(['ip', '-n', wire, 'link', 'show', 'dev', 'controller', 'up']))) return false
  const shown = await execute(['ip', '-o', 'address', 'show', 'dev', leg, 'up'])
  return gateways.every(({ address, prefix }) => shown.includes(` ${address}/${prefix} `))
}

const aliasOf = (spec: LabSpec) => `provision lab ${spec.name} of ${spec.root}`

// Another lab, or a network of the user's, on our addresses would answer in our hosts' place.
const checkFree = async (spec: LabSpec, layout: Layout) => {
  const lines = (await execute(['ip', '-o', 'address', 'show'])).split('\n')
  for (const { address, prefix } of layout.gateways) {
    const network = prefix === 24 ? address.replace(/1$/, '') : address.replace(/::1$/, ':')
    const line = lines.find((each) => each.includes(` ${network}`) && !each.split(/\s+/).includes(layout.interface))
    const holder = line?.split(/\s+/)[1]
    if (!holder) continue
    const alias = await readFile(`/sys/class/net/${holder}/ifalias`, 'utf8').catch(() => '')
    throw new Problem({
      class: 'input',
      where: { command: `lab ${spec.name}` },
      what: `this machine's interface ${holder} already has addresses in ${address}/${prefix}`,
      ...(alias.trim() ? { why: `it belongs to: ${alias.trim()}` } : {}),
      fix: alias ? 'take that lab down there (`provision lab down`), or give this one another subnet' : 'give the lab another subnet',
    })
  }
}
