import type { z } from 'zod'
import { type Change, defineKind, type Kind, type NeededAccounts, type PlanContext, type Work } from '../kind/kind.ts'
import type { OrphanPolicy } from '../kind/orphan-policy.ts'
import type { Query } from '../kind/queries.ts'
import { HostRefusal, type Steps } from '../kind/step.ts'
import { file } from './file.ts'
import type { FileSpec, FileState } from './spec.ts'

/** A kind whose resources are one file each, at a path of root's. */
export interface FileKind<Input, Spec> {
  readonly name: string
  readonly summary?: string
  readonly schema: z.ZodType<Spec, Input>
  id(spec: Spec): string
  /** The file, by the schema of the kind `file`. Its path depends on the identity alone. */
  fileOf(spec: Spec): FileSpec
  /** Checks new contents before the first file is written. */
  check?(specs: readonly Spec[]): Steps
  forbids?(spec: Spec, state: FileState, context: PlanContext): HostRefusal | undefined
  notices?(spec: Spec, state: FileState, context: PlanContext): readonly string[]
  /** Accounts that the content needs. */
  accounts?(spec: Spec): NeededAccounts
  readonly orphan?: OrphanPolicy
}

/** Defines such a kind. Observation, plan, diff and writing are those of the kind `file`. */
export const defineFileKind = <Input, Spec>(kind: FileKind<Input, Spec>): ReturnType<typeof defineKind<Input, Spec, FileState>> =>
  defineKind(fileKind(kind))

/** Returns the definition of such a kind. */
export const fileKind = <Input, Spec>(kind: FileKind<Input, Spec>): Kind<Input, Spec, FileState> => {
  const { fileOf } = kind
  const asFile = ({ spec, state, change }: Work<Spec, FileState>): Work<FileSpec, FileState> => {
    const wanted = fileOf(spec)
    return { id: wanted.path, spec: wanted, state, change }
  }
  return {
    name: kind.name,
    ...(kind.summary !== undefined && { summary: kind.summary }),
    schema: kind.schema,
    id: (spec) => kind.id(spec),

    observe: (specs) => {
      const query = file.kind.observe(specs.map(fileOf))
      return {
        ...query,
        parse: (stdout, answers) => {
          const states = query.parse(stdout, answers)
          return new Map(
            specs.flatMap((spec): readonly (readonly [string, FileState])[] => {
              const state = states.get(fileOf(spec).path)
              return state === undefined ? [] : [[kind.id(spec), state]]
            }),
          )
        },
      }
    },
    plan: (spec, state, context): Change | undefined => file.kind.plan(fileOf(spec), state, context),
    forbids: (spec, state, context) => kind.forbids?.(spec, state, context) ?? file.kind.forbids?.(fileOf(spec), state, context),
    ...(kind.notices !== undefined && { notices: kind.notices }),
    ...(kind.accounts !== undefined && { accounts: kind.accounts }),
    directories: (spec) => file.kind.directories?.(fileOf(spec)) ?? [],
    effects: (spec) => file.kind.effects?.(fileOf(spec)) ?? [],
    contained: true,

    *apply(work) {
      const written = work.filter(({ change }) => change.action !== 'delete').map(({ spec }) => spec)
      if (kind.check !== undefined && written.length > 0) yield* kind.check(written)
      yield* namedByResource(
        work.map(({ id, spec }) => ({ id, paths: [fileOf(spec).path] })),
        file.kind.apply(work.map(asFile)),
      )
    },

    before: (work) =>
      textsBefore(
        work.map(asFile),
        work.map(({ id }) => id),
      ),
    diff: (work, before) => file.kind.diff?.(asFile(work), before),
    orphan: kind.orphan ?? { delete: 'file' },
    content: (spec) => fileOf(spec).content,
    files: (spec) => file.kind.files?.(fileOf(spec)) ?? [],
  }
}

/** Asks for the texts of files before their change, and returns them by the identities of the resources that have these files. */
export const textsBefore = (
  files: readonly Work<FileSpec, FileState>[],
  ids: readonly string[],
): Query<ReadonlyMap<string, Uint8Array>> => {
  const query = file.kind.before?.(files)
  if (query === undefined) throw new Error('the kind file shows no texts')
  const names = new Map(files.map(({ id }, i) => [id, ids[i]]))
  return {
    script: query.script,
    read: (stdout) => new Map([...query.read(stdout)].map(([path, bytes]) => [names.get(path) ?? path, bytes])),
  }
}

/** Names resources in a refusal of the kind `file`, which names their files. A resource is done with its last file, or if it has none to write. */
export function* namedByResource(resources: readonly { readonly id: string; readonly paths: readonly string[] }[], steps: Steps): Steps {
  try {
    yield* steps
  } catch (error) {
    if (!(error instanceof HostRefusal)) throw error
    const done = resources.filter(({ paths }) => paths.length === 0 || error.done.includes(paths.at(-1) ?? '')).map(({ id }) => id)
    const culprit = resources.find(({ paths }) => error.culprit !== undefined && paths.includes(error.culprit))?.id
    throw new HostRefusal(error.what, error.why, error.fix, { done, culprit, othersToo: error.othersToo, account: error.account })
  }
}
