import { randomBytes } from 'node:crypto'
import { Problem } from '../../problem.ts'
import { type AnyKind, keyOf } from '../../resource/kind/kind.ts'
import { pathQueries } from '../../resource/kind/path-queries.ts'
import { type Answers, mergeQueries, unitQuery } from '../../resource/kind/queries.ts'
import { HostRefusal } from '../../resource/kind/step.ts'
import { type Script, scriptOf } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'
import { authorLine, calling } from '../failure.ts'
import type { DeclaredResource } from '../plan/declared.ts'
import { ACCOUNTS, accountsQuery } from './accounts.ts'

/** The state of each resource of a host, by `kind:identity`. */
export type Observation = ReadonlyMap<string, unknown>

/** One request about all resources of a host: a script with one fragment per kind, and a parser for the answer. */
export interface HostQuery {
  readonly script: string
  read(stdout: Buffer): Observation
}

/** Number of sections before those of the kinds. */
const SHARED = 5

/**
 * Builds one request about all resources of a host: first the queries that several kinds share, then each kind's own fragment. A shell
 * builtin prints a random mark before each section. Framing therefore costs no process, and no output can be mistaken for a mark.
 */
export const queryHost = (host: string, resources: readonly DeclaredResource[]): HostQuery => {
  const probes = [...byKind(resources)].map(([kind, specs]) => ({
    name: kind.name,
    probe: calling({ call: `observation of kind ${kind.name}` }, () => kind.observe(specs)),
  }))
  const asked = mergeQueries(probes.map(({ probe }) => probe.shared))
  const { inodes, digests, texts } = pathQueries(asked)
  const units = unitQuery(asked.units)
  const accounts = accountsQuery(resources)
  const { script, cut } = fenced([inodes, digests, texts, units, accounts, ...probes.map(({ probe }) => probe)].map((part) => part.script))
  return {
    script,
    read: (stdout) => {
      const sections = cut(stdout)
      if (sections.length !== probes.length + SHARED) throw unreadable(host, `${sections.length} of ${probes.length + SHARED} answers`)
      const section = (i: number): Buffer => sections[i] ?? Buffer.alloc(0)
      const shared: Answers = reading(host, 'shared queries', () => ({
        ...inodes.read(section(0)),
        digests: digests.read(section(1)),
        texts: texts.read(section(2)),
        units: units.read(section(3)),
      }))
      const states = new Map<string, unknown>([[ACCOUNTS, reading(host, 'accounts', () => accounts.read(section(4)))]])
      for (const [i, { name, probe }] of probes.entries())
        for (const [id, state] of reading(host, name, () => probe.parse(section(i + SHARED), shared))) states.set(`${name}:${id}`, state)
      const missing = resources.find(({ resource }) => !states.has(keyOf(resource)))
      if (missing !== undefined) throw unreadable(host, `no answer for ${keyOf(missing.resource)}`)
      return states
    },
  }
}

/** Joins several scripts into one with a mark before each, and returns a function that splits the answer at the marks. */
export const fenced = (scripts: readonly Script[]): { script: string; cut(stdout: Buffer): readonly Buffer[] } => {
  const mark = randomBytes(16).toString('hex')
  return {
    script: String(
      sh`${scripts.map((one) => sh`{ printf '%s' ${mark}\n${scriptOf(one)}\n} 2>/dev/null </dev/null`)}\nprintf '%s' ${mark}\n`,
    ),
    cut: (stdout) => cutAt(mark, stdout),
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

const reading = <T>(host: string, what: string, read: () => T): T => {
  try {
    return read()
  } catch (error) {
    const source = authorLine(error)
    const text = error instanceof Error ? error.message : String(error)
    throw unreadable(host, `${what}: ${text}${source === undefined ? '' : ` (${source})`}`, error)
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
