import type { Protocol } from './role.ts'

/** Port and protocol as text: `443/tcp`, or `vrrp`, which has no ports. */
export const portText = ({ port, protocol }: { readonly port: number; readonly protocol: Protocol }): string =>
  hasPorts(protocol) ? `${port}/${protocol}` : protocol

/** Port, protocol and the interface on which it is open, if it is open on one only: `53/udp on wg0`. */
export const wayText = (way: { readonly port: number; readonly protocol: Protocol; readonly interface?: string }): string =>
  way.interface === undefined ? portText(way) : `${portText(way)} on ${way.interface}`

export const hasPorts = (protocol: Protocol): boolean => protocol !== 'vrrp'
