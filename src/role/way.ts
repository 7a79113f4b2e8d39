import type { Protocol } from './role.ts'

/** Port and protocol as text: `443/tcp`, or `vrrp`, which has no ports. */
export const portText = ({ port, protocol }: { readonly port: number; readonly protocol: Protocol }): string =>
  hasPorts(protocol) ? `${port}/${protocol}` : protocol

export const hasPorts = (protocol: Protocol): boolean => protocol !== 'vrrp'
