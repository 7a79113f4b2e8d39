import { type HostView, Problem } from 'provision'
import type { Cast } from './options.ts'

const familyOf = (address: string): 4 | 6 | undefined => (address.includes(':') ? 6 : /^[\d.]+$/.test(address) ? 4 : undefined)

/** Where the other servers find this one: its first address of a family that all of them have. */
export const addressOf = (host: HostView, { servers, arbitrators }: Pick<Cast, 'servers' | 'arbitrators'>): string => {
  const all = [...servers, ...arbitrators]
  const family = ([4, 6] as const).find((one) => all.every(({ addresses }) => addresses.some((address) => familyOf(address) === one)))
  const address = host.addresses.find((one) => familyOf(one) !== undefined && familyOf(one) === family)
  if (address !== undefined) return address
  throw new Problem({
    class: 'input',
    where: { host: host.name, role: 'mysql' },
    what: `the servers of the database have no addresses of one family: ${all.map(({ name, addresses }) => `${name} has ${addresses.join(', ')}`).join('; ')}`,
    fix: 'write IP addresses of one family as internal: of each in the inventory',
  })
}
