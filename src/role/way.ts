import type { Protocol } from './role.ts'

/** A way in as one says it: `443/tcp`; `vrrp`, which has no ports. */
export const wayOf = ({ port, protocol }: { readonly port: number; readonly protocol: Protocol }): string =>
  hasPorts(protocol) ? `${port}/${protocol}` : protocol

export const hasPorts = (protocol: Protocol): boolean => protocol !== 'vrrp'
