import type { Problem } from '../../problem.ts'
import { canonicalAddress } from '../schema/names.ts'
import { inputProblem, type Place } from '../source/input-problem.ts'
import { entryOf, type SourceNode } from '../source/source-map.ts'
import type { Host } from './host.ts'
import type { Inventory } from './inventory.ts'

/** Reports hosts with the same address and port, or the same internal address. */
export const sameAddresses = (inventory: Inventory, hosts: ReadonlyMap<string, Host>): readonly Problem[] => [
  ...duplicatesBy(hosts, inventory, 'address', ({ connection: { address, port, jump, viaSshConfig } }) =>
    // The same address behind another jump host is another machine. Addresses from the ssh configuration are not known here.
    viaSshConfig ? [] : [{ key: `${canonicalAddress(address)} ${port} ${jump.join(',')}`, label: `address ${address} and port ${port}` }],
  ),
  ...duplicatesBy(hosts, inventory, 'internal', ({ name, addresses }) =>
    entryOf(inventory.hosts.get(name)?.where, 'internal') === undefined
      ? []
      : [...new Set(addresses.map(canonicalAddress))].map((address) => ({ key: address, label: `internal address ${address}` })),
  ),
]

interface AddressKey {
  readonly key: string
  readonly label: string
}

const duplicatesBy = (
  hosts: ReadonlyMap<string, Host>,
  inventory: Inventory,
  setting: string,
  keysOf: (host: Host) => readonly AddressKey[],
): readonly Problem[] => {
  const first = new Map<string, string>()
  return [...hosts.values()].flatMap((host) =>
    keysOf(host).flatMap(({ key, label }) => {
      const other = first.get(key)
      first.set(key, other ?? host.name)
      if (other === undefined) return []
      const place = placeOf(inventory.hosts.get(host.name)?.where, setting) ?? inventory.hosts.get(host.name)?.place ?? { file: '' }
      return [inputProblem(place, `${other} and ${host.name} have the same ${label}`, 'correct one address, or remove one host')]
    }),
  )
}

const placeOf = (node: SourceNode | undefined, setting: string): Place | undefined => entryOf(node, setting)?.node.place
