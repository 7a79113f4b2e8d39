import { isIP } from 'node:net'

/** Returns the canonical form of an IP address: IPv6 compressed and in lower case. Undefined for any other text. */
export const canonicalAddress = (address: string): string | undefined => {
  if (isIP(address) === 4) return address
  // The parser of URLs knows no zone (`fe80::1%eth0`), which is no part of an address in a certificate.
  return isIP(address) === 6 && !address.includes('%') ? new URL(`http://[${address}]`).hostname.slice(1, -1) : undefined
}
