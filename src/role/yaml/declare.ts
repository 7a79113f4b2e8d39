import { isDeepStrictEqual } from 'node:util'
import { distinctProblems, type Problem, Problems, placeOf, problemsIn } from '../../problem.ts'
import { comparable } from '../../resource/kind/compare/comparable.ts'
import { keyOf, type Resource } from '../../resource/kind/kind.ts'
import { isSecret } from '../../secret/secret.ts'
import { inFileOrder, inputProblem, type Place } from '../../site/source/input-problem.ts'
import { entryOf, type SourceNode } from '../../site/source/source-map.ts'
import { readsFact } from '../no-facts.ts'
import { holds } from './condition.ts'
import { type Entry, notAMap } from './entries.ts'
import { makeResources, SKIPPED } from './make-resource.ts'
import { misspelt } from './option-problems.ts'
import type { Files } from './project-source.ts'
import { resolve, type Scope } from './scope.ts'

/** More resources than any host has: a list of lists was meant. */
const MAX_ITEMS = 10_000

/** Problems that are reported together. `each` over a long list can repeat one for every item. */
const MAX_PROBLEMS = 100

interface Declared {
  readonly resource: Resource
  readonly where: Place
}

/**
 * Returns the resources of entries on a host. Throws all their problems together. While facts are unknown, entries that read one are
 * checked for misspelt options only.
 */
export const declare = (entries: readonly Entry[], scope: Scope, files: Files): readonly Resource[] => {
  const problems: Problem[] = []
  const declared = new Map<string, Declared>()
  const earlier = new Map<string, Resource>()
  let isIncomplete = false
  const attempt = (entry: Entry, act: () => void): void => {
    try {
      act()
    } catch (error) {
      const isSkipped = readsFact(error) || error === SKIPPED
      const found = isSkipped ? misspelt(entry.kind, entry.options) : problemsIn(error)
      if (found === undefined) throw error
      isIncomplete ||= isSkipped
      problems.push(...found)
    }
  }
  for (const entry of entries)
    attempt(entry, () => {
      for (const item of itemsOf(entry, scope))
        attempt(entry, () => {
          const inner = item === undefined ? scope : { ...scope, item: () => item }
          if (entry.condition !== undefined && !holds(entry.condition, inner)) return
          const options = resolvedOptions(entry, inner)
          if (options.is !== 'map') throw notAMap(entry.kind, entry.options)
          for (const resource of makeResources(entry.kind, options, { ...files, scope: inner, earlier, isIncomplete })) {
            const key = keyOf(resource)
            const first = declared.get(key)
            if (first !== undefined && !isDeepStrictEqual(comparable(first.resource.spec), comparable(resource.spec)))
              throw inputProblem(
                entry.where,
                `${key} is declared twice, with different values`,
                'declare it once',
                `the first is at ${placeOf(first.where)}`,
              )
            places.set(resource, entryOf(options, 'when')?.node.place ?? entry.where)
            earlier.set(key, resource)
            if (first === undefined) declared.set(key, { resource, where: entry.where })
          }
        })
    })
  if (problems.length > 0) throw new Problems(distinctProblems(problems).slice(0, MAX_PROBLEMS))
  return [...declared.values()].map(({ resource }) => resource)
}

/** Returns the problems of entries that are visible without a host. `declare` finds them too, and more. */
export const misspeltIn = (entries: readonly Entry[]): readonly Problem[] => entries.flatMap(({ kind, options }) => misspelt(kind, options))

/** Resolves the options of an entry. Throws the problems of its references together with those of misspelt options. */
const resolvedOptions = ({ kind, options }: Entry, scope: Scope): SourceNode => {
  try {
    return resolve(options, scope)
  } catch (error) {
    if (!(error instanceof Problems)) throw error
    throw new Problems(inFileOrder([...error.problems, ...misspelt(kind, options)]))
  }
}

const places = new WeakMap<Resource, Place>()

/** Returns the place where YAML names other resources in `when` of this one, or declares it; undefined for a resource of a role in TypeScript. */
export const whereNamed = (resource: Resource): Place | undefined => places.get(resource)

/** Returns the items of `each`; one undefined item without it. An item of a map has `key` and `value`. */
export const itemsOf = ({ each }: Entry, scope: Scope): readonly (SourceNode | undefined)[] => {
  if (each === undefined) return [undefined]
  const node = resolve(each, scope)
  const items =
    node.is === 'list'
      ? node.items
      : node.is === 'map'
        ? [...node.entries].map(([key, entry]): SourceNode => {
            const name: SourceNode = { is: 'scalar', value: key, place: entry.key }
            return {
              is: 'map',
              place: entry.key,
              entries: new Map([
                ['key', { key: entry.key, node: name }],
                ['value', entry],
              ]),
            }
          })
        : undefined
  if (items === undefined) {
    const what =
      node.is === 'scalar' && isSecret(node.value) ? 'a secret' : node.is === 'scalar' && node.value === null ? 'empty' : 'a single value'
    throw inputProblem(each.place, `\`each\` is neither a list nor a map, but ${what}`, 'name a list or a map')
  }
  if (items.length > MAX_ITEMS) throw inputProblem(each.place, `\`each\` has more than ${MAX_ITEMS} items`, 'split the list')
  return items
}
