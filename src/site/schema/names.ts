import { isIP, isIPv6 } from 'node:net'
import { shownText } from '../../shown-name.ts'
import { punycodeOf } from './punycode.ts'

/** Returns why a text is not a valid host name, or undefined. Names are used in shells, file names and nft sets, so few characters are allowed. */
export const hostNameProblem = (name: string): { readonly what: string; readonly fix: string } | undefined => {
  if (isIP(name) !== 0) return { what: `\`${name}\` is an address, not a name`, fix: `give the host a name with \`address: ${name}\`` }
  if (name === 'controller') return { what: 'host name `controller` is reserved for this machine', fix: 'use another name' }
  if (name === 'all') return { what: 'host name `all` is reserved for the pattern of all hosts', fix: 'use another name' }
  const labels = name.split('.')
  if (name.length <= 253 && /[a-z]/.test(name) && labels.every((label) => /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(label)))
    return undefined
  return {
    what: `invalid host name \`${shownText(name)}\``,
    fix: `use lower-case letters, digits, dots and dashes, with at least one letter${proposal(name)}`,
  }
}

/** Returns why a text is not a valid group name, or undefined. */
export const groupNameProblem = (name: string): { readonly what: string; readonly fix: string } | undefined => {
  if (name === 'all') return { what: 'group name `all` is reserved', fix: 'move variables of all hosts to the top-level `vars`' }
  if (/^[a-z][a-z0-9_-]{0,62}$/.test(name)) return undefined
  return {
    what: `invalid group name \`${shownText(name)}\``,
    fix: 'start with a lower-case letter; use lower-case letters, digits, `_` and `-`',
  }
}

/** Whether a text is an IPv4 or IPv6 address, or a host name with a letter in its last label. */
export const isReachable = (address: string): boolean => isIP(address) !== 0 || isDnsName(address)

export const isIpAddress = (address: string): boolean => isIP(address) !== 0 && !address.includes('%')

/** Returns the canonical form of an address: `fd00::1` for `FD00:0::1`. */
export const canonicalAddress = (address: string): string =>
  isIPv6(address) && !address.includes('%') ? new URL(`http://[${address}]`).hostname.slice(1, -1) : address.toLowerCase()

/** Whether a text is an ssh destination: `[user@]host[:port]`, with IPv6 addresses in brackets. It becomes an argument, so it must not begin with a dash. */
export const isDestination = (text: string): boolean => {
  const match = /^(?:([A-Za-z_][A-Za-z0-9_.@\\-]*)@)?(\[[^\]]+\]|[^:@[\]]+)(?::([0-9]{1,5}))?$/.exec(text)
  const [, , host = '', port = '22'] = match ?? []
  const address = host.startsWith('[') ? host.slice(1, -1) : host
  return (
    match !== null && Number(port) >= 1 && Number(port) <= 65_535 && (isReachable(address) || /^[A-Za-z0-9][A-Za-z0-9_.-]*$/.test(address))
  )
}

const isDnsName = (name: string): boolean => {
  const labels = name.replace(/\.$/, '').split('.')
  return (
    name.length <= 253 &&
    labels.every((label) => /^[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$/.test(label)) &&
    /[A-Za-z]/.test(labels.at(-1) ?? '')
  )
}

const proposal = (name: string): string => {
  const proper = (punycodeOf(name) ?? name)
    .toLowerCase()
    .replaceAll(/[_ ]+/g, '-')
    .replaceAll(/[^a-z0-9.-]/g, '')
  return proper !== name && hostNameProblem(proper) === undefined ? `, for example \`${proper}\`` : ''
}
