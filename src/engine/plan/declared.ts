import { isDeepStrictEqual } from 'node:util'
import { Problem } from '../../problem.ts'
import { comparable } from '../../resource/kind/compare/comparable.ts'
import { keyOf, type Resource } from '../../resource/kind/kind.ts'

/** A resource with the play and the role that declare it. */
export interface DeclaredResource {
  readonly play: number
  readonly role: string
  readonly resource: Resource
}

/**
 * Removes repetitions. A resource that is declared twice identically keeps its first place. Different declarations of one resource throw
 * an input error, because the last one would win on every run.
 */
export const mergeDeclared = (host: string, resources: readonly DeclaredResource[]): readonly DeclaredResource[] => {
  const merged = new Map<string, DeclaredResource>()
  for (const declared of resources) {
    const key = keyOf(declared.resource)
    const first = merged.get(key)
    if (first === undefined) merged.set(key, declared)
    else if (!isDeepStrictEqual(comparable(first.resource.spec), comparable(declared.resource.spec)))
      throw conflictingDeclarations(host, first, declared)
  }
  return [...merged.values()]
}

const conflictingDeclarations = (host: string, first: DeclaredResource, second: DeclaredResource): Problem =>
  new Problem({
    class: 'input',
    where: { host, resource: keyOf(first.resource) },
    what:
      first.role === second.role
        ? `role ${first.role} declares this resource twice, with different values`
        : `roles ${first.role} and ${second.role} declare this resource with different values`,
    fix: 'declare the resource in one role, or make both declarations identical',
  })
