import type { Flow } from '../role/role.ts'
import { wayText } from '../role/way.ts'
import { list } from '../site/source/suggest.ts'
import { table, tableWidth } from './table.ts'
import { count } from './text.ts'
import type { View } from './view.ts'

/** Hosts by group name. */
type Groups = ReadonlyMap<string, readonly string[]>

const HEAD = ['from', 'to', 'port', 'service', 'role', 'encrypted'] as const

/** Returns the table of permitted flows, followed by the hosts that have no firewall. */
export const flowTable = (flows: readonly Flow[], unfiltered: readonly string[], groups: Groups, view: View): string => {
  const rows = flows.length === 0 ? 'No role of the playbook listens on a port.\n' : flowRows(flows, groups, view)
  if (unfiltered.length === 0) return rows
  const hosts = list(shorten(unfiltered, groups))
  return `${rows}\n${view.paint.yellow('!')} no role firewall for ${hosts}: every listening port is open to anyone\n`
}

/** Flows that are the same on several hosts share a row. A group name replaces a long list of hosts. */
const flowRows = (flows: readonly Flow[], groups: Groups, { paint, columns }: View): string => {
  const same = Map.groupBy(flows, (flow) => JSON.stringify([namesOf(flow).toSorted(), ...cellsOf(flow)]))
  const merged = [...same.values()].flatMap((each) =>
    each.slice(0, 1).map((first) => {
      const hosts = each.map(({ host }) => host)
      return {
        from: isLoopback(first, hosts) ? ['itself'] : shorten(namesOf(first), groups),
        to: shorten(hosts, groups),
        cells: cellsOf(first),
      }
    }),
  )
  // Most sites need no reasons.
  const head = flows.some(({ why }) => why !== undefined) ? [...HEAD, 'why'] : HEAD
  const rows = merged.map(({ from, to, cells }) => [from.join(', '), to.join(', '), ...cells])
  if (tableWidth(head, rows) <= columns) return table(head, rows, paint)
  // Too wide for the screen: one name per line.
  const narrow = merged.flatMap(({ from, to, cells }) =>
    Array.from({ length: Math.max(from.length, to.length) }, (_, i) => [from[i] ?? '', to[i] ?? '', ...(i === 0 ? cells : [])]),
  )
  return table(head, narrow, paint)
}

const cellsOf = (flow: Flow): readonly string[] => [
  ...[wayText(flow), flow.service, flow.role, flow.encrypted ? 'yes' : 'no'],
  ...(flow.why === undefined ? [] : [flow.why]),
]

const namesOf = ({ from }: Flow): readonly string[] => (from === 'anyone' ? ['anyone'] : from.map(({ name }) => name))

/** Whether the flow uses the loopback interface, which firewalls never close. */
const isLoopback = (flow: Flow, hosts: readonly string[]): boolean => hosts.length === 1 && namesOf(flow).join() === hosts[0]

/** Returns up to three names, the group that has exactly these members, or two names and the number of others. */
const shorten = (names: readonly string[], groups: Groups): readonly string[] => {
  if (names.length <= 3) return names
  const set = new Set(names)
  const group = [...groups].find(([, members]) => members.length === set.size && members.every((name) => set.has(name)))?.[0]
  return group === undefined ? [...names.slice(0, 2), `${names.length - 2} more`] : [`${group} (${count(names.length, 'host')})`]
}
