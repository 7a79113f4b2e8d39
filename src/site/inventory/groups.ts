import type { Problem } from '../../problem.ts'
import { complaint } from '../source/complaint.ts'
import { suggestion } from '../source/suggest.ts'
import type { GroupDraft, Inventory, Mention } from './inventory.ts'

/** Which hosts belong to which groups, nesting resolved. */
export interface Membership {
  /** Hosts by group, in inventory order. */
  readonly groups: ReadonlyMap<string, readonly string[]>
  /**
   * The groups of a host in the order in which their variables are laid over one another: from the outermost to the most
   * nested, and among those nested equally deep in the order of the inventory.
   */
  layersOf(host: string): readonly string[]
}

export const resolveGroups = (inventory: Inventory, problems: Problem[]): Membership => {
  const children = new Map([...inventory.groups].map(([name, group]) => [name, checkedChildren(group, inventory, problems)]))
  breakCycles(children, problems)
  const depths = depthsOf(children)
  const membersOf = (name: string): ReadonlySet<string> => {
    const own = inventory.groups.get(name)?.hosts.filter((host) => inventory.hosts.has(host.name)) ?? []
    return new Set([...own.map((host) => host.name), ...(children.get(name) ?? []).flatMap((child) => [...membersOf(child.name)])])
  }
  for (const group of inventory.groups.values()) problems.push(...unknownHosts(group, inventory))
  const members = new Map([...inventory.groups.keys()].map((name) => [name, membersOf(name)]))
  const order = [...inventory.groups.keys()].toSorted((a, b) => (depths.get(a) ?? 0) - (depths.get(b) ?? 0))
  return {
    groups: new Map([...members].map(([name, hosts]) => [name, [...inventory.hosts.keys()].filter((host) => hosts.has(host))])),
    layersOf: (host) => order.filter((name) => members.get(name)?.has(host)),
  }
}

const unknownHosts = ({ name, hosts }: GroupDraft, inventory: Inventory): readonly Problem[] =>
  hosts.flatMap((host) => {
    if (inventory.hosts.has(host.name)) return []
    const fix = inventory.groups.has(host.name)
      ? `\`${host.name}\` is a group: put it under \`children\``
      : suggestion(host.name, inventory.hosts.keys(), 'write the host under `hosts`')
    return [complaint(host.place, `group ${name} names the unknown host \`${host.name}\``, fix)]
  })

const checkedChildren = ({ name, children }: GroupDraft, inventory: Inventory, problems: Problem[]): Mention[] =>
  children.filter((child) => {
    if (inventory.groups.has(child.name)) return true
    const fix = inventory.hosts.has(child.name)
      ? `\`${child.name}\` is a host: put it under \`hosts\``
      : suggestion(child.name, inventory.groups.keys(), 'write the group under `groups`')
    problems.push(complaint(child.place, `group ${name} names the unknown group \`${child.name}\``, fix))
    return false
  })

/** Reports every edge that closes a circle, and removes it. */
const breakCycles = (children: Map<string, Mention[]>, problems: Problem[]): void => {
  const done = new Set<string>()
  const visit = (name: string, above: readonly string[]): void => {
    if (done.has(name)) return
    const path = [...above, name]
    const kept = (children.get(name) ?? []).filter((child) => {
      if (!path.includes(child.name)) return true
      const circle = [...path.slice(path.indexOf(child.name)), child.name].join(' › ')
      problems.push(
        complaint(
          child.place,
          `group ${child.name} contains itself`,
          'remove one of these groups from the `children` of the one before it',
          circle,
        ),
      )
      return false
    })
    children.set(name, kept)
    for (const child of kept) visit(child.name, path)
    done.add(name)
  }
  for (const name of children.keys()) visit(name, [])
}

/** How deep a group is nested: the longest way down to it. */
const depthsOf = (children: ReadonlyMap<string, readonly Mention[]>): ReadonlyMap<string, number> => {
  const depths = new Map<string, number>()
  const visit = (name: string, depth: number): void => {
    if ((depths.get(name) ?? -1) >= depth) return
    depths.set(name, depth)
    for (const child of children.get(name) ?? []) visit(child.name, depth + 1)
  }
  for (const name of children.keys()) visit(name, 0)
  return depths
}
