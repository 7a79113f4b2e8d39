import type { Network } from '../../role/role.ts'
import { sh } from '../../shell/sh.ts'

/** Reads the networks of a host with shell builtins. */
export const INTERFACES_SCRIPT = sh`
for table in route if_inet6; do [ ! -r /proc/net/$table ] || while IFS= read -r row; do printf '%s %s\\n' $table "$row"; done </proc/net/$table; done
`

/** The networks of a host, from the kernel's tables. Loopback and link-local addresses are left out. */
export const readNetworks = (lines: readonly string[]): readonly Network[] => {
  const found = lines.flatMap((line) => networkOf4(line) ?? networkOf6(line) ?? [])
  return [...new Map(found.map((one) => [`${one.interface} ${one.network}`, one])).values()]
}

// Iface Destination Gateway Flags RefCnt Use Metric Mask; addresses are in host byte order, little-endian on amd64 and arm64.
const ROUTE = /^route (\S+)\t([0-9A-F]{8})\t00000000\t[0-9A-F]{4}\t\d+\t\d+\t\d+\t([0-9A-F]{8})\t/
const networkOf4 = (line: string): Network | undefined => {
  const [, name, destination = '', mask = ''] = ROUTE.exec(line) ?? []
  const bits = [...Number.parseInt(mask, 16).toString(2)].filter((bit) => bit === '1').length
  if (name === undefined || bits === 0) return undefined
  const address = [6, 4, 2, 0].map((at) => Number.parseInt(destination.slice(at, at + 2), 16)).join('.')
  return { interface: name, network: `${address}/${bits}` }
}

// Address, interface number, prefix length, scope (00 is global), flags, interface name.
const ADDRESS = /^if_inet6 ([0-9a-f]{32}) [0-9a-f]+ ([0-9a-f]{2}) 00 [0-9a-f]+ +(\S+)$/
const networkOf6 = (line: string): Network | undefined => {
  const [, digits, length = '', name] = ADDRESS.exec(line) ?? []
  if (digits === undefined || name === undefined) return undefined
  return { interface: name, network: `${digits.match(/.{4}/g)?.join(':')}/${Number.parseInt(length, 16)}` }
}
