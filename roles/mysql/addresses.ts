import { type HostView, Problem } from 'provision'
import type { Members } from './options.ts'

const familyOf = (address: string): 4 | 6 | undefined => (address.includes(':') ? 6 : /^[\d.]+$/.test(address) ? 4 : undefined)

/** Address of a server for the others: its first one of an address family that all servers have. */
export const addressOf = (host: HostView, { servers, arbitrators }: Pick<Members, 'servers' | 'arbitrators'>): string => {
  const all = [...servers, ...arbitrators]
  const family = ([4, 6] as const).find((one) => all.every(({ addresses }) => addresses.some((address) => familyOf(address) === one)))
  const address = host.addresses.find((one) => familyOf(one) !== undefined && familyOf(one) === family)
  if (address !== undefined) return address
  throw new Problem({
    class: 'input',
    where: { host: host.name, role: 'mysql' },
    what: `database servers have no common address family: ${all.map(({ name, addresses }) => `${name} has ${addresses.join(', ')}`).join('; ')}`,
    fix: 'set `internal` of each server to an IP address of the same family in the inventory',
  })
}

/** IP addresses of a host, without host names. */
export const ipAddresses = ({ addresses }: Pick<HostView, 'addresses'>): readonly string[] =>
  addresses.filter((address) => familyOf(address) !== undefined)

/**
 * Addresses in the certificate of a server. Servers call each other by address, applications call 127.0.0.1, where the proxy listens.
 * Clients of MariaDB 11.4 and later always verify that the certificate has the address or name that they called.
 */
export const certifiedAddresses = (host: Pick<HostView, 'addresses'>): string[] => [...ipAddresses(host), '127.0.0.1']
