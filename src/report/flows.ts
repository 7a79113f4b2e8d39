import type { Flow } from '../role/role.ts'
import { wayOf } from '../role/way.ts'
import { list } from '../site/source/suggest.ts'
import { table, tableWidth } from './table.ts'
import { count } from './text.ts'
import type { View } from './view.ts'

/** The hosts of every group, by its name. */
type Groups = ReadonlyMap<string, readonly string[]>

const HEAD = ['from', 'to', 'port', 'service', 'role', 'encrypted'] as const

/** Who may come to which port of which hosts, and what that leaves out: hosts on which no firewall sees to it. */
export const flowTable = (flows: readonly Flow[], unfiltered: readonly string[], groups: Groups, view: View): string => {
  const ways = flows.length === 0 ? 'No role of the playbook listens on anything.\n' : waysTable(flows, groups, view)
  if (unfiltered.length === 0) return ways
  const hosts = list(shortly(unfiltered, groups))
  return `${ways}\n${view.paint.yellow('!')} no role firewall for ${hosts}: whatever listens there is open to anyone\n`
}

/** What is the same on several hosts stands there once; a group stands for its hosts where they are many. */
const waysTable = (flows: readonly Flow[], groups: Groups, { paint, columns }: View): string => {
  const same = Map.groupBy(flows, (flow) => JSON.stringify([namesOf(flow).toSorted(), ...wordsOf(flow)]))
  const ways = [...same.values()].flatMap((each) =>
    each.slice(0, 1).map((first) => {
      const hosts = each.map(({ host }) => host)
      return {
        from: isForItself(first, hosts) ? ['itself'] : shortly(namesOf(first), groups),
        to: shortly(hosts, groups),
        words: wordsOf(first),
      }
    }),
  )
  const rows = ways.map(({ from, to, words }) => [from.join(', '), to.join(', '), ...words])
  if (tableWidth(HEAD, rows) <= columns) return table(HEAD, rows, paint)
  // Too wide for this screen: the names stand below each other.
  const narrow = ways.flatMap(({ from, to, words }) =>
    Array.from({ length: Math.max(from.length, to.length) }, (_, i) => [from[i] ?? '', to[i] ?? '', ...(i === 0 ? words : [])]),
  )
  return table(HEAD, narrow, paint)
}

const wordsOf = (flow: Flow): readonly string[] => [wayOf(flow), flow.service, flow.role, flow.encrypted ? 'yes' : 'no']

const namesOf = ({ from }: Flow): readonly string[] => (from === 'anyone' ? ['anyone'] : from.map(({ name }) => name))

/** Over the loopback interface, which is never closed. */
const isForItself = (flow: Flow, hosts: readonly string[]): boolean => hosts.length === 1 && namesOf(flow).join() === hosts[0]

/** A few names as they are, many as the group that they make up, else as many as one cares to read. */
const shortly = (names: readonly string[], groups: Groups): readonly string[] => {
  if (names.length <= 3) return names
  const set = new Set(names)
  const group = [...groups].find(([, members]) => members.length === set.size && members.every((name) => set.has(name)))?.[0]
  return group === undefined ? [...names.slice(0, 2), `${names.length - 2} more`] : [`${group} (${count(names.length, 'host')})`]
}
