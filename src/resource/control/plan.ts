import { ABSENT, reasonUnreached } from '../kind/inode.ts'
import type { Change, Kind, KindQuery, PlanContext } from '../kind/kind.ts'
import { inodeAt } from '../kind/queries.ts'
import { HostRefusal } from '../kind/step.ts'
import { askScript, type Replies, type Reply, readReplies } from './ask.ts'
import type { RunSpec } from './options.ts'
import { causesOf, oweSteps, type Ran, readRecord, recordPath, recordQueries } from './record.ts'
import { dueBecause, triggers } from './when.ts'

export interface RunState extends Replies {
  /** Whether the path of `creates` is missing. */
  readonly missing?: boolean
  /** Returns the record of `when`. A function, so that a saved plan does not compare it: an interrupted run adds debts. */
  record?(): Ran
}

type Members = 'id' | 'observe' | 'plan' | 'forbids' | 'accounts' | 'directories' | 'triggers' | 'orphan'

/** The members of the kinds `command` and `script` that follow from their options. */
export const runMembers = <Spec extends RunSpec>(kind: string): Required<Pick<Kind<unknown, Spec, RunState>, Members>> => {
  const keyOf = (id: string): string => `${kind}:${id}`
  return {
    id: ({ name }) => name,
    observe: (specs): KindQuery<RunState> => observeRuns(kind, specs),
    plan: planRun,
    forbids: forbiddenRun,
    accounts: ({ user }: Spec) => (user === undefined ? {} : { users: [user] }),
    directories: ({ directory }) => (directory === undefined ? [] : [directory]),
    triggers: { ...triggers<Spec, RunState>(), owe: (owing) => oweSteps(kind, owing) },
    // The effects of a script are unknown.
    orphan: { forget: true, record: (id: string) => recordPath(keyOf(id)) },
  }
}

/** Observes commands. `creates` and `when` cost no process, and all conditions have one shell; each runs in a subshell. */
const observeRuns = (kind: string, specs: readonly RunSpec[]): KindQuery<RunState> => {
  const keyOf = ({ name }: RunSpec): string => `${kind}:${name}`
  const withRecord = specs.flatMap((spec) => (spec.triggers === undefined ? [] : [recordQueries(keyOf(spec), spec.triggers)]))
  const created = specs.flatMap(({ creates }) => creates ?? [])
  return {
    shared: {
      inodes: [...created, ...withRecord.flatMap(({ inodes }) => inodes)],
      digests: withRecord.flatMap(({ digests }) => digests),
      texts: withRecord.flatMap(({ texts }) => texts),
    },
    script: askScript(specs),
    parse: (stdout, answers) => {
      const replies = readReplies(stdout.toString(), specs)
      return new Map(
        specs.map((spec, i): [string, RunState] => {
          const { name, creates, triggers: named } = spec
          const record = named === undefined ? undefined : readRecord(keyOf(spec), named, answers)
          const inode = creates === undefined ? undefined : inodeAt(answers, creates)
          const missing = inode === ABSENT || reasonUnreached(inode ?? ABSENT) !== undefined
          return [name, { ...(creates !== undefined && { missing }), ...replies[i], ...(record !== undefined && { record: () => record }) }]
        }),
      )
    },
  }
}

const planRun = (
  { creates, triggers: named = [] }: RunSpec,
  { missing, unless, onlyIf, record }: RunState,
  context: PlanContext,
): Change | undefined => {
  const causes = record === undefined ? [] : causesOf(named, record(), context)
  const reasons = [
    ...(missing === true ? [`${creates} is missing`] : []),
    ...(unless === undefined ? [] : unless !== 'yes' ? ['not done yet'] : context.anyPackagesPending === true ? [ASKED_AGAIN] : []),
    ...causes.map(({ reason }) => reason),
  ]
  const due = dueBecause(reasons, causes)
  if (due === undefined || (onlyIf === 'no' && !mayChange(context))) return undefined
  const condition = onlyIf === undefined || onlyIf === 'yes' ? '' : ', if `onlyIf` succeeds then'
  return { ...due, action: 'run', certainty: 'opaque', reason: `${due.reason}${condition}`, differences: [] }
}

/** A package can bring what a condition asks for, such as a file to correct. */
const ASKED_AGAIN = '`unless` is asked again after the installation of packages'

/** Whether an earlier change of this run can change the answer of a condition, which is then asked again. */
const mayChange = ({ mayBringMore, opaquePending, packagesPending, changesBelow }: PlanContext): boolean =>
  mayBringMore === true || opaquePending === true || packagesPending || changesBelow?.('') === true

const forbiddenRun = ({ name }: RunSpec, state: RunState, context: PlanContext): HostRefusal | undefined => {
  if (mayChange(context)) return undefined
  const failed = (['unless', 'onlyIf'] as const).flatMap((condition) => {
    const reply: Reply | undefined = state[condition]
    return typeof reply === 'object' ? [{ condition, words: reply.failed }] : []
  })
  const [first] = failed
  if (first === undefined) return undefined
  return new HostRefusal(
    `condition \`${first.condition}\` of ${name} failed`,
    first.words,
    'correct the condition: exit status 0 is yes, 1 is no; a higher one with an error message is a failure',
  )
}
