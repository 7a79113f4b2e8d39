import { randomBytes } from 'node:crypto'
import { Problem } from '../../problem.ts'
import { type AnyKind, keyOf } from '../../resource/kind/kind.ts'
import { pathQueries } from '../../resource/kind/path-queries.ts'
import { type Answers, inodeAt, mergeQueries, unitQuery } from '../../resource/kind/queries.ts'
import { HostRefusal, outputExcerpt } from '../../resource/kind/step.ts'
import { type Script, scriptOf } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'
import { authorLine, calling } from '../failure.ts'
import type { DeclaredResource } from '../plan/declared.ts'
import { ACCOUNTS, accountsQuery } from './accounts.ts'
import { DIRECTORIES, directoriesOf, OTHERS } from './directories.ts'
import { LOGIN_ACCESS, loginAccessQuery } from './login-access.ts'

/** The state of each resource of a host, by `kind:identity`. */
export type Observation = ReadonlyMap<string, unknown>

/** One request about all resources of a host: a script with one fragment per kind, and a parser for the answer. */
export interface HostQuery {
  readonly script: string
  /** Throws a `Problem` if the exit status is not 0, or the answer is incomplete. */
  read(stdout: Buffer, code?: number): Observation
}

/** Number of sections before those of the kinds. */
const SHARED = 6

/**
 * Builds one request about all resources of a host: first the queries that several kinds share, then each kind's own fragment. A shell
 * builtin prints a random mark before each section. Framing therefore costs no process, and no output can be mistaken for a mark.
 */
export const queryHost = (host: string, resources: readonly DeclaredResource[]): HostQuery => {
  const probes = [...byKind(resources)].map(([kind, specs]) => ({
    name: kind.name,
    probe: calling({ call: `observation of kind ${kind.name}` }, () => kind.observe(specs)),
  }))
  const needed = resources.flatMap(({ resource }) =>
    calling({ call: `directories of kind ${resource.kind.name}` }, () => directoriesOf(resource)),
  )
  const directories = [...new Set(needed)]
  const access = loginAccessQuery(resources)
  const asked = mergeQueries([...probes.map(({ probe }) => probe.shared), { inodes: directories }, access.shared])
  const { inodes, digests, texts } = pathQueries(asked)
  const units = unitQuery(asked.units)
  const accounts = accountsQuery(resources)
  const { script, cut } = fenced([
    { name: 'paths', script: inodes.script },
    { name: 'digests', script: digests.script },
    { name: 'texts', script: texts.script },
    { name: 'units', script: units.script },
    { name: 'accounts', script: accounts.script },
    { name: 'login', script: access.script },
    ...probes.map(({ name, probe }) => ({ name, script: probe.script })),
  ])
  return {
    script,
    read: (stdout, code = 0) => {
      const sections = reading(host, undefined, () => cut(stdout, code))
      const section = (i: number): Buffer => sections[i] ?? Buffer.alloc(0)
      const shared: Answers = reading(host, 'shared queries', () => ({
        ...inodes.read(section(0)),
        digests: digests.read(section(1)),
        texts: texts.read(section(2)),
        units: units.read(section(3)),
      }))
      const states = new Map<string, unknown>([
        [ACCOUNTS, reading(host, 'accounts', () => accounts.read(section(4)))],
        [LOGIN_ACCESS, reading(host, 'login', () => access.read(section(5), shared))],
        [DIRECTORIES, new Map(directories.map((path) => [path, inodeAt(shared, path)]))],
        [OTHERS, shared.others],
      ])
      for (const [i, { name, probe }] of probes.entries())
        for (const [id, state] of reading(host, name, () => probe.parse(section(i + SHARED), shared))) states.set(`${name}:${id}`, state)
      const missing = resources.find(({ resource }) => !states.has(keyOf(resource)))
      if (missing !== undefined) throw unreadable(host, `no answer for ${keyOf(missing.resource)}`)
      return states
    },
  }
}

/** A part of a request, with a name for errors. */
export interface Fragment {
  readonly name: string
  readonly script: Script
}

/** Several fragments as one script, and a function that splits the answer. */
export interface Fenced {
  readonly script: string
  /** Returns the output of each fragment. Throws if a command failed, or if the answer is incomplete. */
  cut(stdout: Buffer, code: number): readonly Buffer[]
}

/**
 * Joins fragments into one script. `set -e` ends it at the first command that fails, unless the fragment handles the status: a program that
 * could not be started, or that was killed, is never read as an empty answer. A shell builtin prints a random mark before each fragment. If
 * one fails, the words of its programs follow another mark.
 */
export const fenced = (fragments: readonly Fragment[]): Fenced => {
  const mark = randomBytes(16).toString('hex')
  const failed = sh`printf '%s' ${mark}; tail -c 2000 "$T/stderr"; printf '%s' ${mark}`
  return {
    script: String(
      sh`set -e; trap ${String(failed)} EXIT
${fragments.map(({ script }) => sh`{ printf '%s' ${mark}\n${scriptOf(script)}\n} 2>"$T/stderr" </dev/null`)}
trap - EXIT; printf '%s' ${mark}\n`,
    ),
    cut: (stdout, code) => {
      const sections = cutAt(mark, stdout)
      if (code !== 0) {
        const { name } = fragments[sections.length - 2] ?? { name: 'the request' }
        throw new Error(`${name}: exit ${code}: ${outputExcerpt(String(sections.at(-1) ?? ''))}`)
      }
      if (sections.length !== fragments.length) throw new Error(`${sections.length} of ${fragments.length} answers`)
      return sections
    },
  }
}

const byKind = (resources: readonly DeclaredResource[]): ReadonlyMap<AnyKind, readonly unknown[]> => {
  const kinds = new Map<unknown, { kind: AnyKind; specs: unknown[] }>()
  for (const { resource } of resources) {
    const known = kinds.get(resource.kind) ?? { kind: resource.kind, specs: [] }
    known.specs.push(resource.spec)
    kinds.set(resource.kind, known)
  }
  return new Map([...kinds.values()].map(({ kind, specs }) => [kind, specs]))
}

const cutAt = (mark: string, stdout: Buffer): readonly Buffer[] => {
  const sections: Buffer[] = []
  let start = stdout.indexOf(mark)
  while (start >= 0) {
    const end = stdout.indexOf(mark, start + mark.length)
    if (end < 0) break
    sections.push(stdout.subarray(start + mark.length, end))
    start = end
  }
  return sections
}

const reading = <T>(host: string, what: string | undefined, read: () => T): T => {
  try {
    return read()
  } catch (error) {
    const source = authorLine(error)
    const text = error instanceof Error ? error.message : String(error)
    throw unreadable(host, `${what === undefined ? '' : `${what}: `}${text}${source === undefined ? '' : ` (${source})`}`, error)
  }
}

const unreadable = (host: string, why: string, cause?: unknown): Problem =>
  new Problem(
    {
      class: 'task',
      where: { host },
      what: 'host did not report the state of all resources',
      why,
      fix: (cause instanceof HostRefusal ? cause.fix : undefined) ?? 'check the host, then run again; nothing was changed on it',
    },
    { cause },
  )
