import { type Problem, Problems, problemsIn } from '../../problem.ts'
import type { AnyPublishes } from '../../resource/published/published.ts'
import { inputProblem } from '../../site/source/input-problem.ts'
import { entriesOf, entryOf, type SourceMap, type SourceNode } from '../../site/source/source-map.ts'
import { listenOf } from '../flow/published.ts'
import { readsFact } from '../no-facts.ts'
import type { Listen } from '../role.ts'
import { holds } from './condition.ts'
import { itemsOf } from './declare.ts'
import type { Entry } from './entries.ts'
import { resolve, type Scope } from './scope.ts'

/**
 * Returns the ports that entries publish on a host, before the host is contacted. Invalid options are left to `declare`.
 * @throws Problems if what a resource publishes depends on facts
 */
export const publishedBy = (entries: readonly Entry[], scope: Scope): readonly Listen[] => {
  const problems: Problem[] = []
  const listens = entries.flatMap((entry): readonly Listen[] => {
    const { publishes } = entry.kind
    if (publishes === undefined) return []
    try {
      return itemsOf(entry, scope).flatMap((item) => {
        const inner = item === undefined ? scope : { ...scope, item: () => item }
        return isExcluded(entry, inner) ? [] : portsOf(entry, publishes, inner)
      })
    } catch (error) {
      if (readsFact(error)) problems.push(dependsOnFacts(entry))
      else if (problemsIn(error) === undefined) throw error
      return []
    }
  })
  if (problems.length > 0) throw new Problems(problems)
  return listens
}

/** A condition about facts is not known yet. A port whose container does not exist on the host leads nowhere, so it may be open. */
const isExcluded = ({ condition }: Entry, scope: Scope): boolean => {
  if (condition === undefined) return false
  try {
    return !holds(condition, scope)
  } catch (error) {
    if (readsFact(error)) return false
    throw error
  }
}

const portsOf = ({ options }: Entry, publishes: AnyPublishes, scope: Scope): readonly Listen[] => {
  const whole = options.is === 'map' ? options : resolve(options, scope)
  if (whole.is !== 'map' || !mayPublish(entryOf(whole, 'ports')?.node)) return []
  const picked = publishes.schema.safeParse(plain(resolve(pick(whole, publishes.options), scope)))
  return picked.success ? publishes.ports(picked.data).map(listenOf) : []
}

/** Whether a list of ports may have one that the firewall opens: references are not resolved yet. */
const mayPublish = (ports: SourceNode | undefined): boolean =>
  ports?.is === 'list' ? ports.items.some((item) => item.is !== 'map' || entryOf(item, 'from') !== undefined) : ports !== undefined

const pick = (map: SourceMap, names: readonly string[]): SourceMap => ({
  ...map,
  entries: new Map([...map.entries].filter(([name]) => names.includes(name))),
})

const plain = (node: SourceNode): unknown => {
  if (node.is === 'scalar') return node.value
  return node.is === 'list' ? node.items.map(plain) : Object.fromEntries(entriesOf(node).map(([key, entry]) => [key, plain(entry.node)]))
}

const dependsOnFacts = ({ kind, where, options }: Entry): Problem =>
  inputProblem(
    entryOf(options, 'ports')?.node.place ?? where,
    `published ports of this ${kind.name} depend on facts`,
    'use variables of the inventory in `each`, `name` and `ports` instead of facts',
    'the firewall must know the ports before any host is contacted',
  )
