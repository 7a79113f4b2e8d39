import { sh } from '../../shell/sh.ts'
import { file } from '../file/file.ts'
import { ABSENT, type InodeState } from '../kind/inode.ts'
import type { Kind, Resource } from '../kind/kind.ts'
import { type Answers, inodeAt } from '../kind/queries.ts'
import type { Steps } from '../kind/step.ts'
import { type OwnedRecord, type OwnedResource, readRecord, recordHead, recordPath } from './record.ts'

/** The record of a role on a host where some of its changes were not applied. */
export interface SettlingSpec {
  readonly role: string
  /** Lines of the record before this run. */
  readonly before: readonly OwnedResource[]
  /** Keys of the resources that were to be changed and were not. */
  readonly unapplied: readonly string[]
  /** Paths of these resources. */
  readonly paths: readonly string[]
}

interface SettlingState {
  readonly inode: InodeState
  readonly record: OwnedRecord
  /** Whether the path is as the line describes it. */
  isTrue(line: OwnedResource): boolean
}

/**
 * Makes a record true again after changes failed: it was written before the resources, and lists what they would have become. A line of a
 * file that is not there becomes what it was before this run, or is dropped. Without that, the file would seem to be deleted or changed by
 * somebody else.
 */
export const settling = (spec: SettlingSpec): Resource<SettlingSpec> => ({ kind, id: spec.role, spec })

const kind: Kind<never, SettlingSpec, SettlingState> = {
  name: 'record',
  schema: undefined as never,
  id: ({ role }) => role,
  bookkeeping: true,

  observe: (specs) => {
    const records = specs.map(({ role }) => recordPath(role))
    const paths = specs.flatMap((spec) => spec.paths)
    return {
      shared: { inodes: [...records, ...paths], digests: paths, texts: records },
      script: sh``,
      parse: (_, answers) =>
        new Map(
          specs.map(({ role }): [string, SettlingState] => {
            const path = recordPath(role)
            const record = readRecord(answers.texts.get(path) ?? [])
            return [role, { inode: inodeAt(answers, path), record, isTrue: (line) => isTrue(line, answers) }]
          }),
        ),
    }
  },

  plan: (spec, state) =>
    state.inode === ABSENT || linesOf(spec, state).join('\n') === state.record.lines.map(({ text }) => text).join('\n')
      ? undefined
      : { action: 'update', certainty: 'exact', reason: 'lists changes that were not applied', differences: [] },

  *apply(work): Steps {
    yield* file.kind.apply(
      work.map(({ spec, state, change }) => {
        const path = recordPath(spec.role)
        const content = `${recordHead(state.record.playbooks)}${linesOf(spec, state)
          .map((line) => `${line}\n`)
          .join('')}`
        return { id: path, spec: file({ path, mode: '600', content }).spec, state: state.inode, change }
      }),
    )
  },
}

const linesOf = ({ before, unapplied }: SettlingSpec, { record, isTrue: holds }: SettlingState): readonly string[] =>
  record.lines.flatMap((line) => {
    if (!unapplied.includes(line.key) || holds(line)) return [line.text]
    return before.filter(({ key, path }) => key === line.key && path === line.path).map(({ text }) => text)
  })

/** Whether a path is as its line describes it. A line without a digest describes no path. */
const isTrue = ({ path, digest }: OwnedResource, answers: Answers): boolean => {
  if (path === undefined || digest === undefined || !answers.inodes.has(path)) return true
  const inode = inodeAt(answers, path)
  if (digest.startsWith('->')) return inode !== ABSENT && inode.type === 'l' && `->${inode.target}` === digest
  if (digest === 'absent') return inode === ABSENT
  return /^[0-9a-f]{64}$/.test(digest) ? answers.digests.get(path) === digest : inode !== ABSENT
}
