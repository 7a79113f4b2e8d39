import type { Problem } from '../../problem.ts'
import { shownText } from '../../shown-name.ts'
import { inputProblem } from '../source/input-problem.ts'
import { suggestion } from '../source/suggest.ts'
import type { GroupDraft, Inventory, NameReference } from './inventory.ts'

/** Hosts of each group, including nested groups. */
export interface Membership {
  /** Hosts by group, in inventory order. */
  readonly groups: ReadonlyMap<string, readonly string[]>
  /**
   * Returns the groups of a host in the order of precedence of their variables, lowest first: from the outermost group to the most nested,
   * and in inventory order at the same depth.
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
      ? `move \`${shownText(host.name)}\` to \`children\`, because it is a group`
      : suggestion(host.name, inventory.hosts.keys(), 'add the host under `hosts`')
    return [inputProblem(host.place, `group ${shownText(name)} contains the unknown host \`${shownText(host.name)}\``, fix)]
  })

const checkedChildren = ({ name, children }: GroupDraft, inventory: Inventory, problems: Problem[]): NameReference[] =>
  children.filter((child) => {
    if (inventory.groups.has(child.name)) return true
    const fix = inventory.hosts.has(child.name)
      ? `move \`${shownText(child.name)}\` to \`hosts\`, because it is a host`
      : suggestion(child.name, inventory.groups.keys(), 'add the group under `groups`')
    problems.push(inputProblem(child.place, `group ${shownText(name)} contains the unknown group \`${shownText(child.name)}\``, fix))
    return false
  })

/** Reports and removes every edge that closes a cycle. */
const breakCycles = (children: Map<string, NameReference[]>, problems: Problem[]): void => {
  const done = new Set<string>()
  const visit = (name: string, above: readonly string[]): void => {
    if (done.has(name)) return
    const path = [...above, name]
    const acyclic = (children.get(name) ?? []).filter((child) => {
      if (!path.includes(child.name)) return true
      const cycle = [...path.slice(path.indexOf(child.name)), child.name].map((name) => shownText(name)).join(' › ')
      problems.push(
        inputProblem(
          child.place,
          `group ${shownText(child.name)} contains itself`,
          'remove one of these groups from the `children` of the group before it',
          cycle,
        ),
      )
      return false
    })
    children.set(name, acyclic)
    for (const child of acyclic) visit(child.name, path)
    done.add(name)
  }
  for (const name of children.keys()) visit(name, [])
}

/** Returns the depth of each group: its longest path from a top-level group. */
const depthsOf = (children: ReadonlyMap<string, readonly NameReference[]>): ReadonlyMap<string, number> => {
  const depths = new Map<string, number>()
  const visit = (name: string, depth: number): void => {
    if ((depths.get(name) ?? -1) >= depth) return
    depths.set(name, depth)
    for (const child of children.get(name) ?? []) visit(child.name, depth + 1)
  }
  for (const name of children.keys()) visit(name, 0)
  return depths
}
