/** An IP address as URLs and `ADDRESS:PORT` have it: IPv6 in brackets. */
export const bracketed = (address: string): string => (address.includes(':') ? `[${address}]` : address)
