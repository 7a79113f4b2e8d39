import { z } from 'zod'
import { sh } from '../../shell/sh.ts'
import { file } from '../file/file.ts'
import type { TextPart } from '../kind/content.ts'
import { ABSENT, type InodeState } from '../kind/inode.ts'
import { defineKind } from '../kind/kind.ts'
import { inodeAt } from '../kind/queries.ts'
import type { Steps } from '../kind/step.ts'
import { type OwnedRecord, readRecord, recordHead, recordPath } from './record.ts'

/** One line of the record, in parts while a digest is unknown. */
export interface OwnedLine {
  readonly key: string
  readonly parts: readonly TextPart[]
}

const schema = z.strictObject({
  role: z.string(),
  /** The playbooks of this run that bind the role to the host. */
  playbooks: z.array(z.string()),
  lines: z.custom<readonly OwnedLine[]>(Array.isArray),
})

type OwnedSpec = z.output<typeof schema>

interface OwnedState {
  readonly inode: InodeState
  readonly record: OwnedRecord
}

/**
 * The record of a role's resources on a host: one line per resource, with its digest if it has one. It is written before the resources, so
 * an interrupted run leaves nothing unrecorded. Orphans stay in it until they are deleted (see `orphan`).
 */
export const owned = defineKind({
  name: 'owned',
  schema,
  id: ({ role }) => role,

  observe: (specs: readonly OwnedSpec[]) => {
    const paths = specs.map(({ role }) => recordPath(role))
    return {
      shared: { inodes: paths, texts: paths },
      script: sh``,
      parse: (_, answers) =>
        new Map(
          specs.map(({ role }): [string, OwnedState] => {
            const path = recordPath(role)
            return [role, { inode: inodeAt(answers, path), record: readRecord(answers.texts.get(path) ?? []) }]
          }),
        ),
    }
  },

  plan: (spec, { inode, record }) => {
    const certainty = spec.lines.every(({ parts }) => textOf(parts) !== undefined) ? 'exact' : 'dependent'
    // The record goes with its last line (see `forgetLines`): a role without resources has none.
    if (inode === ABSENT) return spec.lines.length === 0 ? undefined : { action: 'create', certainty, reason: 'missing', differences: [] }
    const known = new Set(record.lines.map(({ text }) => text))
    const isWhole = spec.lines.every(({ parts }) => known.has(textOf(parts) ?? ''))
    const isOurs = record.format === 'this' && spec.playbooks.every((one) => record.playbooks.includes(one))
    return isWhole && isOurs ? undefined : { action: 'update', certainty, reason: 'content differs', differences: [] }
  },

  bookkeeping: true,
  contained: true,
  orphan: { forget: true },

  *apply(work): Steps {
    yield* file.kind.apply(
      work.map(({ spec, state, change }) => {
        const path = recordPath(spec.role)
        const content = { type: 'text' as const, parts: partsOf(spec, state.record) }
        return { id: path, spec: file({ path, mode: '600', content }).spec, state: state.inode, change }
      }),
    )
  },
})

const partsOf = ({ playbooks, lines }: OwnedSpec, record: OwnedRecord): readonly TextPart[] => {
  const declared = new Set(lines.map(({ key }) => key))
  const left = record.lines.filter(({ key }) => !declared.has(key))
  return [
    recordHead([...new Set([...record.playbooks, ...playbooks])].sort()),
    ...lines.flatMap(({ parts }) => [...parts, '\n']),
    ...left.map(({ text }) => `${text}\n`),
  ]
}

/** The text of a line; undefined while a part is unknown. */
const textOf = (parts: readonly TextPart[]): string | undefined => {
  const known = parts.map((part) => (typeof part === 'string' ? part : 'later' in part ? part.get() : undefined))
  return known.some((part) => part === undefined) ? undefined : known.join('')
}
