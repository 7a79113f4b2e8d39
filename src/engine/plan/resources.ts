import { ZodError } from 'zod'
import { distinctProblems, Problem, problemsIn, throwProblems, type Where } from '../../problem.ts'
import type { Resource } from '../../resource/kind/kind.ts'
import { declarationOf } from '../../resource/kind/unusable.ts'
import { drained } from '../../resource/ownership/drained.ts'
import type { Bindings, Bound } from '../../role/bind.ts'
import type { projectFiles } from '../../role/files.ts'
import { refuseUndeclared } from '../../role/flow/undeclared.ts'
import { placeIn } from '../../role/guarded-role.ts'
import { noFacts, readsFact } from '../../role/no-facts.ts'
import type { Facts, HostContext } from '../../role/role.ts'
import { pathsTo } from '../../role/written.ts'
import { zodProblems } from '../../site/schema/zod.ts'
import type { Listener } from '../events.ts'
import { type DeclaredResource, mergeDeclared, withTriggers } from './declared.ts'
import type { Declaring } from './identities.ts'
import type { OwnedRecords } from './orphans.ts'
import { ownedBy } from './owned.ts'

/** The input of roles apart from the host's facts. */
export interface Surroundings {
  readonly bindings: Bindings
  files(directory: string, name?: string): ReturnType<typeof projectFiles>
  readonly identities: Declaring
  readonly listen: Listener
  /** What the host answered to the questions of its roles. Undefined before it was contacted. */
  readonly own?: ReadonlyMap<string, unknown>
  /** The host's records. Undefined before it was contacted. */
  readonly owned?: OwnedRecords
  /** Whether hosts record the resources of each role. Default: they do. */
  readonly isRecorded?: boolean
}

/**
 * All resources of a host in the order in which they are applied: for each role its ownership record, then its resources. Throws the
 * problems of all roles together.
 */
export const resourcesOf = (host: string, facts: Facts, surroundings: Surroundings): readonly DeclaredResource[] => {
  const declared: DeclaredResource[] = []
  const problems = boundOn(host, surroundings.bindings).flatMap((bound) =>
    problemsOf(() => declared.push(...declaredBy(bound, facts, surroundings))),
  )
  throwProblems(problems)
  return withTriggers(host, mergeDeclared(host, declared))
}

/** The roles of a host. Grouped once: a site of thousands of hosts would otherwise be searched for each of them. */
const boundOn = (host: string, bindings: Bindings): readonly Bound[] => {
  const hosts = grouped.get(bindings) ?? Map.groupBy(bindings.bound, (bound) => bound.host)
  grouped.set(bindings, hosts)
  return hosts.get(host) ?? []
}

const grouped = new WeakMap<Bindings, ReadonlyMap<string, readonly Bound[]>>()

const declaredBy = (bound: Bound, facts: Facts, surroundings: Surroundings): readonly DeclaredResource[] => {
  const resources = declared(bound, contextOf(bound, facts, surroundings))
  const outs = bound.role.drains === undefined ? [] : [drained({ role: bound.role.name })]
  const record = surroundings.isRecorded === false ? [] : [ownedBy(bound.role.name, playbooksOf(bound, surroundings), resources)]
  return [...outs, ...record, ...resources].map((resource) => ({
    play: bound.play,
    role: bound.role.name,
    resource,
  }))
}

/** All playbooks of this run that bind the role to the host. */
const playbooksOf = ({ host, role }: Bound, { bindings }: Surroundings): readonly string[] => {
  const same = boundOn(host, bindings).filter((one) => one.role === role)
  return [...new Set(same.flatMap(({ where }) => ('file' in where ? [where.file] : [])))].sort()
}

/**
 * The input errors in these hosts' resources that can be found without facts, before any packet is sent. A role that reads a fact is
 * skipped here and checked once the facts are known.
 */
export const faultsAhead = (hosts: readonly string[], surroundings: Surroundings): readonly Problem[] => {
  const silent = { ...surroundings, listen: () => {} }
  const problems = hosts.flatMap((host) => {
    // Without the resources that need a fact, one of them may be what another resource names.
    let isWhole = true
    const facts = noFacts(() => {
      isWhole = false
    })
    const mine = boundOn(host, surroundings.bindings)
    const all: DeclaredResource[] = []
    const each = mine.flatMap((bound) => problemsOf(() => all.push(...declaredBy(bound, facts, silent))))
    if (each.length > 0) return each
    return problemsOf(() => {
      const merged = mergeDeclared(host, all)
      if (isWhole) withTriggers(host, merged)
    })
  })
  return distinctProblems(problems)
}

const problemsOf = (act: () => unknown): readonly Problem[] => {
  try {
    act()
    return []
  } catch (error) {
    const found = problemsIn(error)
    if (found === undefined) throw error
    return found
  }
}

/** The facts with what the role itself asked. */
const withOwn = (facts: Facts, own: unknown): Facts & { readonly own: unknown } => ({ ...facts, own })

const contextOf = (
  { context, host, role }: Bound,
  facts: Facts,
  { bindings, files, identities, listen, own, owned }: Surroundings,
): HostContext<unknown> => ({
  ...context,
  facts: own === undefined ? facts : withOwn(facts, own.get(role.name)),
  flows: bindings.flows,
  exposed: bindings.exposed,
  // Only a firewall asks for them.
  get connections() {
    return boundOn(host, bindings).flatMap((one) =>
      (one.role.connects?.(one.context) ?? []).map((connection) => ({ ...connection, role: one.role.name })),
    )
  },
  files,
  acmeAccount: (options) => identities.acmeAccount(role.name, options),
  authority: (options) => identities.authority(role.name, options),
  // As a fact of the host, it is unknown before the host was contacted.
  wasDeclared: (key) => facts.codename !== '' && owned?.get(role.name)?.lines.some((one) => one.key === key) === true,
  warn: (what) => listen({ type: 'warning', host, role: role.name, what }),
})

const declared = (bound: Bound, context: HostContext<unknown>): readonly Resource[] => {
  const { role, host } = bound
  try {
    const resources = role.resources(context)
    refuseUndeclared(bound, resources, context.flows)
    return resources
  } catch (error) {
    if (readsFact(error)) return []
    if (error instanceof Problem) throw atOption(error, bound)
    if (!(error instanceof ZodError)) throw error
    throwProblems(invalidResource(error, role.name, placeIn(error) ?? { host, role: role.name }))
    throw error
  }
}

/** The problems of a resource whose options its schema refuses. */
const invalidResource = (error: ZodError, role: string, where: Where): readonly Problem[] => {
  const problem = (what: string, fix: string): Problem =>
    new Problem({ class: 'input', where, what: `role ${role} declares an invalid resource: ${what}`, fix }, { cause: error })
  const declaration = declarationOf(error)
  if (declaration === undefined)
    return error.issues.map(({ path, message }) =>
      problem(`${path.join('.')} ${message}`, 'correct the role, or the option that it uses there'),
    )
  const { name, schema, options } = declaration
  return zodProblems(error, { value: options, whereOf: () => where }, name, schema).map(({ what, fix }) => problem(what, fix))
}

/** Moves a problem with a file of the project to the option that names the file. */
const atOption = (problem: Problem, { written }: Bound): Problem => {
  const { class: sort, where, what, why, fix } = problem
  const path = 'file' in where && where.line === undefined ? pathsTo(where.file, written.value)[0] : undefined
  if (path === undefined || !('file' in where)) return problem
  const parts = { class: sort, where: written.whereOf(path), what: `${where.file}: ${what}`, fix }
  return new Problem(why === undefined ? parts : { ...parts, why }, { cause: problem })
}
