import { createTwoFilesPatch } from 'diff'
import type { Shell } from '../../host/shell/shell.ts'
import { Problem } from '../../problem.ts'
import type { AnyKind, DiffTexts, Work } from '../../resource/kind/kind.ts'
import { keyOf } from '../../resource/kind/kind.ts'
import { calling } from '../failure.ts'
import { type Fenced, fenced } from '../observe/host-query.ts'
import type { PendingChange } from './plan-host.ts'

/** Unified diffs of one resource. Where `diff` is a summary, `fullDiff` has the whole text. */
export interface Diffs {
  readonly diff?: string
  readonly fullDiff?: string
}

/** The diffs of a host's pending changes, by resource. Reads all old texts in one request, or none if no diff needs them. */
export const diffsOf = async (shell: Shell, pending: readonly PendingChange[]): Promise<ReadonlyMap<string, Diffs>> => {
  const groups = groupByKind(pending).filter(([kind]) => kind.diff !== undefined)
  const queries = groups
    .flatMap(([kind, work]) => {
      const probe = calling({ call: `diff of kind ${kind.name}` }, () => kind.before?.(work))
      return probe === undefined ? [] : [{ kind, probe }]
    })
    .filter(({ probe }) => String(probe.script).trim() !== '')
  const request = fenced(queries.map(({ kind, probe }) => ({ name: kind.name, script: probe.script })))
  const answers = queries.length === 0 ? [] : await answersTo(request, shell)
  const before = new Map(
    queries.map(({ kind, probe }, i) => [
      kind,
      calling({ call: `diff of kind ${kind.name}` }, () => probe.read(answers[i] ?? Buffer.alloc(0))),
    ]),
  )
  return new Map(
    groups.flatMap(([kind, work]) =>
      work.map((one): [string, Diffs] => {
        const shown = calling({ call: `diff of kind ${kind.name}`, resource: keyOf({ kind, id: one.id }) }, () =>
          kind.diff?.(one, before.get(kind)?.get(one.id)),
        )
        const [diff, fullDiff] = [shown && [shown, ...(shown.more ?? [])], shown?.full && [shown.full]].map((texts) =>
          joined(one.id, texts),
        )
        return [keyOf({ kind, id: one.id }), { ...(diff === undefined ? {} : { diff }), ...(fullDiff === undefined ? {} : { fullDiff }) }]
      }),
    ),
  )
}

const answersTo = async ({ script, cut }: Fenced, shell: Shell): Promise<readonly Buffer[]> => {
  const { stdout, code } = await shell.request(script)
  try {
    return cut(stdout, code)
  } catch (error) {
    const parts = {
      what: 'host did not report the present texts of its resources',
      why: error instanceof Error ? error.message : String(error),
    }
    throw new Problem({
      class: 'task',
      where: { host: shell.host },
      ...parts,
      fix: 'check the host, then run again; nothing was changed on it',
    })
  }
}

const joined = (id: string, texts: readonly DiffTexts[] = []): string | undefined => {
  const diffs = texts.flatMap((one) => unified(one.name ?? id, one) ?? [])
  return diffs.length === 0 ? undefined : diffs.join('')
}

/** A unified diff, or undefined if the texts are the same or differ too much. `maxEditLength` bounds the time: 20,000 changed lines took 0.7 s. */
const unified = (name: string, { before, after }: DiffTexts): string | undefined => {
  const patch = createTwoFilesPatch(
    before === '' ? '/dev/null' : name,
    after === '' ? '/dev/null' : name,
    before,
    after,
    undefined,
    undefined,
    {
      context: 3,
      maxEditLength: 2000,
    },
  )
  const hunks = patch?.split('\n').slice(1).join('\n')
  return hunks?.includes('\n@@ ') ? hunks : undefined
}

const groupByKind = (pending: readonly PendingChange[]): readonly (readonly [AnyKind, readonly Work<unknown, unknown>[]])[] => {
  const groups = new Map<unknown, { kind: AnyKind; work: Work<unknown, unknown>[] }>()
  for (const { resource, state, change } of pending) {
    const group = groups.get(resource.kind) ?? { kind: resource.kind, work: [] }
    group.work.push({ id: resource.id, spec: resource.spec, state, change })
    groups.set(resource.kind, group)
  }
  return [...groups.values()].map(({ kind, work }) => [kind, work])
}
