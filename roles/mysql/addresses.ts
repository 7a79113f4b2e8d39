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
