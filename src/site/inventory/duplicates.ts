import type { Problem } from '../../problem.ts'
import { canonicalAddress } from '../schema/names.ts'
import { complaint, type Place } from '../source/complaint.ts'
import { entryOf, type Written } from '../source/source-map.ts'
import type { Host } from './host.ts'
import type { Inventory } from './inventory.ts'

/** Two hosts that would be one machine: the same address and port, or the same internal address. */
export const sameAddresses = (inventory: Inventory, hosts: ReadonlyMap<string, Host>): readonly Problem[] => [
  ...clashes(hosts, inventory, 'address', ({ connection: { address, port, jump, viaSshConfig } }) =>
    // Behind different jump hosts the same address is a different machine, and what ssh config says of a name is not known here.
    viaSshConfig ? [] : [{ key: `${canonicalAddress(address)} ${port} ${jump.join(',')}`, shown: `address ${address} and port ${port}` }],
  ),
  ...clashes(hosts, inventory, 'internal', ({ name, addresses }) =>
    entryOf(inventory.hosts.get(name)?.where, 'internal') === undefined
      ? []
      : [...new Set(addresses.map(canonicalAddress))].map((address) => ({ key: address, shown: `internal address ${address}` })),
  ),
]

interface Mark {
  readonly key: string
  readonly shown: string
}

const clashes = (
  hosts: ReadonlyMap<string, Host>,
  inventory: Inventory,
  setting: string,
  marksOf: (host: Host) => readonly Mark[],
): readonly Problem[] => {
  const first = new Map<string, string>()
  return [...hosts.values()].flatMap((host) =>
    marksOf(host).flatMap(({ key, shown }) => {
      const other = first.get(key)
      first.set(key, other ?? host.name)
      if (other === undefined) return []
      const place = placeOf(inventory.hosts.get(host.name)?.where, setting) ?? inventory.hosts.get(host.name)?.place ?? { file: '' }
      return [complaint(place, `${other} and ${host.name} have the same ${shown}`, 'correct one of them, or remove one of the two hosts')]
    }),
  )
}

const placeOf = (node: Written | undefined, setting: string): Place | undefined => entryOf(node, setting)?.node.place
