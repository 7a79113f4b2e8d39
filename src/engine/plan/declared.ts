import { isDeepStrictEqual } from 'node:util'
import { Problem, throwProblems } from '../../problem.ts'
import { comparable } from '../../resource/kind/compare/comparable.ts'
import { keyOf, type Resource, type Trigger } from '../../resource/kind/kind.ts'
import { whereNamed } from '../../role/yaml/declare.ts'
import { inFileOrder } from '../../site/source/input-problem.ts'
import { suggestion } from '../../site/source/suggest.ts'
import { calling } from '../failure.ts'

/** A resource with the play and the role that declare it. */
export interface DeclaredResource {
  readonly play: number
  readonly role: string
  readonly resource: Resource
}

/**
 * Removes repetitions. A resource that is declared twice identically keeps its first place. Different declarations of one resource throw
 * input errors, because the last one would win on every run.
 */
export const mergeDeclared = (host: string, resources: readonly DeclaredResource[]): readonly DeclaredResource[] => {
  const merged = new Map<string, DeclaredResource>()
  const problems: Problem[] = []
  for (const declared of resources) {
    const key = keyOf(declared.resource)
    const first = merged.get(key)
    if (first === undefined) merged.set(key, declared)
    else if (!isDeepStrictEqual(comparable(first.resource.spec), comparable(declared.resource.spec)))
      problems.push(conflictingDeclarations(host, first, declared))
  }
  const all = [...merged.values()]
  throwProblems(inFileOrder([...problems, ...sharedFiles(host, all), ...sharedPermissions(host, all)]))
  return all
}

/** Problems of parts of a file that another resource declares as a whole: each run would write it twice. */
const sharedFiles = (host: string, resources: readonly DeclaredResource[]): readonly Problem[] => {
  const parts = resources.filter(({ resource }) => resource.kind.family !== undefined)
  if (parts.length === 0) return []
  const whole = new Map(
    resources.flatMap((one) => (one.resource.kind.family === undefined ? filesOf(one.resource).map((path) => [path, one] as const) : [])),
  )
  return parts.flatMap((part) =>
    filesOf(part.resource).flatMap((path) => {
      const other = whole.get(path)
      return other === undefined ? [] : [sharedFile(host, part, { path, other })]
    }),
  )
}

/** Problems of permissions of a path that another resource declares with others: each run would set both. */
const sharedPermissions = (host: string, resources: readonly DeclaredResource[]): readonly Problem[] => {
  const effects = resources.flatMap((one) => permissionsOf(one.resource).map((effect) => ({ ...effect, one })))
  const alone = effects.filter(({ becomes: { type } }) => type === undefined)
  const byPath = Map.groupBy(effects, ({ path }) => path)
  return alone.flatMap(({ path, becomes, one }) => {
    const isOther = (key: 'mode' | 'owner' | 'group', value: unknown): boolean => value !== undefined && value !== becomes[key]
    const conflict = byPath
      .get(path)
      ?.find((other) => other.one !== one && KEYS.some((key) => becomes[key] !== undefined && isOther(key, other.becomes[key])))
    return conflict === undefined ? [] : [otherPermissions(host, one, { path, other: conflict.one })]
  })
}

const KEYS = ['mode', 'owner', 'group'] as const

const permissionsOf = ({ kind, spec }: Resource) =>
  (kind.effects?.(spec) ?? []).flatMap((effect) =>
    'path' in effect && effect.becomes !== 'absent' ? [{ path: effect.path, becomes: effect.becomes }] : [],
  )

const filesOf = ({ kind, spec }: Resource): readonly string[] => (kind.files?.(spec) ?? []).map(({ path }) => path)

interface Shared {
  readonly path: string
  readonly other: DeclaredResource
}

const otherPermissions = (host: string, { resource }: DeclaredResource, { path, other }: Shared): Problem =>
  new Problem({
    class: 'input',
    where: whereNamed(resource) ?? { host, resource: keyOf(resource) },
    what: `${path} is declared with different permissions`,
    why: `role ${other.role} declares ${keyOf(other.resource)} with its own mode and owner`,
    fix: 'declare mode and owner in that resource only',
  })

const sharedFile = (host: string, part: DeclaredResource, { path, other }: Shared): Problem =>
  new Problem({
    class: 'input',
    where: whereNamed(part.resource) ?? { host, resource: keyOf(part.resource) },
    what: `${path} is declared as a whole and in part`,
    why: `role ${other.role} declares ${keyOf(other.resource)}, which has the whole content, and role ${part.role} declares a part of it`,
    fix: 'write the part into the content of that resource, or declare only parts',
  })

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

/**
 * Replaces the names of earlier resources in specs (`when`) by the resources. A path names every resource there and below. A name that leads
 * to no earlier resource of the host is an input error. Throws all of them together.
 */
export const withTriggers = (host: string, declared: readonly DeclaredResource[]): readonly DeclaredResource[] => {
  const earlier: Resource[] = []
  const problems: Problem[] = []
  const resolved = declared.map((one) => {
    const { role, resource } = one
    const { triggers } = resource.kind
    const names =
      triggers === undefined ? [] : calling({ call: `names of kind ${resource.kind.name}`, role }, () => triggers.names(resource.spec))
    const found = names.flatMap((name) => {
      const named = earlier.filter((other) => isNamed(other, name))
      if (named.length === 0) problems.push(unknownName(host, one, { name, earlier, all: declared }))
      return named.map(triggerOf)
    })
    earlier.push(resource)
    if (triggers === undefined || names.length === 0) return one
    const distinct = [...new Map(found.map((trigger) => [trigger.key, trigger])).values()]
    return { ...one, resource: { ...resource, spec: triggers.resolve(resource.spec, distinct) } }
  })
  throwProblems(inFileOrder(problems))
  return resolved
}

const triggerOf = (resource: Resource): Trigger => ({ key: keyOf(resource), files: resource.kind.files?.(resource.spec) ?? [] })

const isNamed = (resource: Resource, name: string): boolean =>
  resource.kind.bookkeeping !== true &&
  (name.startsWith('/') ? pathsOf(resource).some((path) => path === name || path.startsWith(`${name}/`)) : keyOf(resource) === name)

/** The path that is the identity of a file, directory or link, and the files of other resources. */
const pathsOf = ({ kind, id, spec }: Resource): readonly string[] => [...(id.startsWith('/') ? [id] : []), ...filesOf({ kind, id, spec })]

interface UnknownName {
  readonly name: string
  readonly earlier: readonly Resource[]
  readonly all: readonly DeclaredResource[]
}

const unknownName = (host: string, { role, resource }: DeclaredResource, { name, earlier, all }: UnknownName): Problem => {
  const isLater = all.some((other) => other.resource !== resource && isNamed(other.resource, name))
  const known = earlier.flatMap((other) => (name.startsWith('/') ? pathsOf(other) : [keyOf(other)]))
  const near = suggestion(name, known.length > MANY ? [] : known, 'declare the resource before this one, or correct the name')
  return new Problem({
    class: 'input',
    where: whereNamed(resource) ?? { host, role, resource: keyOf(resource) },
    what: `\`when\` names ${name}, which ${isLater ? 'is declared after this resource' : 'this host does not declare'}`,
    fix: isLater ? `move ${name} before this resource` : near,
  })
}

/** A host with more resources gets no list of them, and no search for a similar name. */
const MANY = 2000
