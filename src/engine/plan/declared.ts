import { isDeepStrictEqual } from 'node:util'
import { Problem } from '../../problem.ts'
import { keyOf, type Resource } from '../../resource/kind/kind.ts'
import { isSecret } from '../../secret/secret.ts'

/** A resource, and which role of which play asked for it. */
export interface DeclaredResource {
  readonly play: number
  readonly role: string
  readonly resource: Resource
}

/**
 * One list without repetitions. Declared twice and identically, a resource is shared and keeps its first place; declared
 * differently, it is an input error, because the last writer would win on every run.
 */
export const mergeDeclared = (host: string, placed: readonly DeclaredResource[]): readonly DeclaredResource[] => {
  const united = new Map<string, DeclaredResource>()
  for (const one of placed) {
    const key = keyOf(one.resource)
    const first = united.get(key)
    if (first === undefined) united.set(key, one)
    else if (!isDeepStrictEqual(comparable(first.resource.spec), comparable(one.resource.spec))) throw contradiction(host, first, one)
  }
  return [...united.values()]
}

const contradiction = (host: string, first: DeclaredResource, second: DeclaredResource): Problem =>
  new Problem({
    class: 'input',
    where: { host, resource: keyOf(first.resource) },
    what:
      first.role === second.role
        ? `role ${first.role} declares it twice, differently`
        : `roles ${first.role} and ${second.role} declare it differently`,
    fix: 'let one role declare it, or make both declarations the same',
  })

// Functions (openers, getters of later values) say nothing about what is wanted; secrets compare by value.
const comparable = (value: unknown): unknown => {
  if (isSecret(value)) return { secret: value.reveal() }
  if (Array.isArray(value)) return value.map(comparable)
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(
      Object.entries(value)
        .filter(([, inner]) => typeof inner !== 'function')
        .map(([key, inner]) => [key, comparable(inner)]),
    )
  return value
}
