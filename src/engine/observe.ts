import { randomBytes } from 'node:crypto'
import { Problem } from '../problem.ts'
import { type Kind, keyOf, type Probe } from '../resource/kind.ts'
import type { Placed } from './place.ts'

/** What a host said of each resource, by `kind:identity`. */
export type Observation = ReadonlyMap<string, unknown>

/** Everything to ask one host: a script made of one fragment a kind, and how to read the answer. */
export interface Look {
  readonly script: string
  read(stdout: Buffer): Observation
}

/**
 * One question about all resources of a host. Each kind's fragment is fenced by a random mark that a shell builtin prints,
 * so that framing costs no process and no output can be mistaken for a mark.
 */
export const lookAt = (host: string, placed: readonly Placed[]): Look => {
  const mark = randomBytes(16).toString('hex')
  const probes = [...byKind(placed)].map(([kind, specs]) => ({ kind, probe: kind.observe(specs as never[]) as Probe<unknown> }))
  return {
    script: `${probes.map(({ probe }) => `{ printf '%s' ${mark}; ${'\n'}${probe.script}\n} 2>/dev/null </dev/null\n`).join('')}printf '%s' ${mark}\n`,
    read: (stdout) => {
      const sections = cut(stdout, mark)
      if (sections.length !== probes.length) throw unreadable(host, `${sections.length} of ${probes.length} answers`)
      const seen = new Map<string, unknown>()
      for (const [i, { kind, probe }] of probes.entries()) {
        for (const [id, state] of parsed(host, kind.name, probe, sections[i] ?? Buffer.alloc(0))) seen.set(`${kind.name}:${id}`, state)
      }
      const unsaid = placed.find(({ resource }) => !seen.has(keyOf(resource)))
      if (unsaid !== undefined) throw unreadable(host, `nothing about ${keyOf(unsaid.resource)}`)
      return seen
    },
  }
}

/** The same question put to one probe alone, for what only some resources need: texts for diffs. */
export const askProbes = <Seen>(
  probes: readonly Probe<Seen>[],
): { script: string; read(stdout: Buffer): readonly ReadonlyMap<string, Seen>[] } => {
  const mark = randomBytes(16).toString('hex')
  return {
    script: `${probes.map(({ script }) => `{ printf '%s' ${mark}\n${script}\n} 2>/dev/null </dev/null\n`).join('')}printf '%s' ${mark}\n`,
    read: (stdout) => cut(stdout, mark).map((section, i) => probes[i]?.parse(section) ?? new Map()),
  }
}

const byKind = (placed: readonly Placed[]): ReadonlyMap<Kind<never, unknown, unknown>, readonly unknown[]> => {
  const kinds = new Map<string, { kind: Kind<never, unknown, unknown>; specs: unknown[] }>()
  for (const { resource } of placed) {
    const known = kinds.get(resource.kind.name) ?? { kind: resource.kind, specs: [] }
    known.specs.push(resource.spec)
    kinds.set(resource.kind.name, known)
  }
  return new Map([...kinds.values()].map(({ kind, specs }) => [kind, specs]))
}

const cut = (stdout: Buffer, mark: string): readonly Buffer[] => {
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

const parsed = (host: string, kind: string, probe: Probe<unknown>, section: Buffer): ReadonlyMap<string, unknown> => {
  try {
    return probe.parse(section)
  } catch (error) {
    throw unreadable(host, `${kind}: ${error instanceof Error ? error.message : String(error)}`, error)
  }
}

const unreadable = (host: string, why: string, cause?: unknown): Problem =>
  new Problem(
    {
      class: 'task',
      where: { host },
      what: 'did not answer what was asked about its state',
      why,
      fix: 'look at the host; nothing was changed on the strength of this answer',
    },
    { cause },
  )
