import { BlockList, isIPv4, isIPv6 } from 'node:net'

/** Whether two networks or addresses overlap: `203.0.113.7`, `192.0.2.0/24`, `2001:db8::/32`. */
export const overlap = (one: string, other: string): boolean =>
  // On a large site, most comparisons are of two IPv4 addresses. Two spellings of one IPv4 address do not exist.
  isIPv4(one) && isIPv4(other) ? one === other : contains(one, other) || contains(other, one)

const contains = (network: string, other: string): boolean => {
  const [address = '', bits] = network.split('/')
  const [inner = ''] = other.split('/')
  if (![address, inner].every((one) => isIPv4(one) || isIPv6(one))) return false
  if (isIPv6(address) !== isIPv6(inner)) return false
  const family = isIPv6(address) ? 'ipv6' : 'ipv4'
  const list = new BlockList()
  if (bits === undefined) list.addAddress(address, family)
  else list.addSubnet(address, Number(bits), family)
  return list.check(inner, family)
}
