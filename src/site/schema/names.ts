import { isIP, isIPv6 } from 'node:net'

/** Why a text cannot be the name of a host, or undefined when it can. Names reach shells, file names and nft sets, so few characters are let in. */
export const hostNameFault = (name: string): { readonly what: string; readonly fix: string } | undefined => {
  if (isIP(name) !== 0)
    return { what: `\`${name}\` is an address, not a name`, fix: `give the host a name, and write \`address: ${name}\` below it` }
  if (name === 'controller')
    return { what: '`controller` cannot be the name of a host', fix: 'choose another: in a plan it stands for this machine' }
  if (name === 'all') return { what: '`all` cannot be the name of a host', fix: 'choose another: as a pattern it means every host' }
  const labels = name.split('.')
  if (name.length <= 253 && /[a-z]/.test(name) && labels.every((label) => /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(label)))
    return undefined
  return {
    what: `\`${shortened(name)}\` cannot be the name of a host`,
    fix: `use small letters, digits, dots and dashes, at least one letter${proposal(name)}`,
  }
}

/** Why a text cannot be the name of a group. */
export const groupNameFault = (name: string): { readonly what: string; readonly fix: string } | undefined => {
  if (name === 'all')
    return { what: '`all` cannot be the name of a group', fix: 'write variables of all hosts under the `vars` at the top of the file' }
  if (/^[a-z][a-z0-9_-]{0,62}$/.test(name)) return undefined
  return {
    what: `\`${shortened(name)}\` cannot be the name of a group`,
    fix: 'begin with a small letter; use small letters, digits, `_` and `-`',
  }
}

/** Whether one could connect to this: an IPv4 or IPv6 address, or a host name with a letter in its last part. */
export const isReachable = (address: string): boolean => isIP(address) !== 0 || isDnsName(address)

export const isIpAddress = (address: string): boolean => isIP(address) !== 0 && !address.includes('%')

/** One spelling for each address: `FD00:0::1` and `fd00::1` are the same machine. */
export const canonicalAddress = (address: string): string =>
  isIPv6(address) && !address.includes('%') ? new URL(`http://[${address}]`).hostname.slice(1, -1) : address.toLowerCase()

/** An ssh destination: `[user@]host[:port]`, IPv6 addresses in brackets. It becomes an argument, so it cannot begin with a dash. */
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

const shortened = (name: string): string => (name.length > 60 ? `${name.slice(0, 60)}…` : name)

const proposal = (name: string): string => {
  const proper = name
    .toLowerCase()
    .replaceAll(/[_ ]+/g, '-')
    .replaceAll(/[^a-z0-9.-]/g, '')
  return proper !== name && hostNameFault(proper) === undefined ? `, for instance \`${proper}\`` : ''
}
