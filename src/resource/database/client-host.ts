import { isIPv4, isIPv6 } from 'node:net'

/**
 * Why a client's host in an account matches no client, and what to write instead; undefined if it can match one. MariaDB compares the
 * address of a client as text, or with `ADDRESS/NETMASK`; it also accepts `ADDRESS/24`, which matches no client.
 */
export const hostFault = (host: string): { readonly message: string; readonly fix: string } | undefined => {
  const [address = '', mask, ...more] = host.split('/')
  if (mask === undefined) return addressFault(address)
  if (address.includes(':'))
    return {
      message: 'is an IPv6 network, and MariaDB matches no such network',
      fix: `write %, or a pattern such as ${address.replace(/:*[0-9a-f]*$/i, '::%')}`,
    }
  const bits = /^\d{1,2}$/.test(mask) && Number(mask) <= 32 ? Number(mask) : undefined
  if (more.length > 0 || !isIPv4(address) || (bits === undefined && !isIPv4(mask)))
    return { message: 'is not a network', fix: 'write, for example, 192.0.2.% or 192.0.2.0/255.255.255.0' }
  const netmask = bits === undefined ? mask : addressOf(bits === 0 ? 0 : (0xff_ff_ff_ff << (32 - bits)) >>> 0)
  const base = addressOf((numberOf(address) & numberOf(netmask)) >>> 0)
  if (bits !== undefined)
    return {
      message: 'has a prefix length, and MariaDB matches no client by it',
      fix: `write ${[...patternOf(base, bits), `${base}/${netmask}`].join(' or ')}`,
    }
  return base === address
    ? undefined
    : { message: `matches no client: ${address} is not the address of a network with this netmask`, fix: `write ${base}/${netmask}` }
}

const addressFault = (address: string): { readonly message: string; readonly fix: string } | undefined => {
  if (/[%_]/.test(address)) return undefined
  if (address.includes(':')) {
    const written = isIPv6(address) ? new URL(`http://[${address}]`).hostname.slice(1, -1) : undefined
    if (written === undefined) return { message: 'is not an IPv6 address', fix: 'write, for example, 2001:db8::11' }
    return written === address.toLowerCase()
      ? undefined
      : { message: 'matches no client: the server compares addresses as text', fix: `write ${written}` }
  }
  return /^[\d.]+$/.test(address) && !isIPv4(address)
    ? { message: 'is not an IPv4 address', fix: 'write, for example, 192.0.2.11 or 192.0.2.%' }
    : undefined
}

/** The pattern of a network that ends at a byte: `192.0.2.%`. */
const patternOf = (base: string, bits: number): readonly string[] =>
  bits % 8 === 0 && bits < 32
    ? [
        `${base
          .split('.')
          .slice(0, bits / 8)
          .map((byte) => `${byte}.`)
          .join('')}%`,
      ]
    : []

const numberOf = (address: string): number => address.split('.').reduce((sum, byte) => (sum << 8) | Number(byte), 0) >>> 0

const addressOf = (number: number): string => [24, 16, 8, 0].map((by) => (number >>> by) & 255).join('.')
