import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import packageJson from '../../../package.json' with { type: 'json' }
import { escapeHidden } from '../../hidden.ts'
import { Problem } from '../../problem.ts'
import { shownName, shownText } from '../../shown-name.ts'
import { withKey } from '../by-key.ts'
import type { Run } from '../run-state.ts'
import { type Digests, differingFields, digestsOf, isGuarded } from './digest.ts'
import type { PlannedChange } from './plan.ts'

const digests = z.record(z.string(), z.string())

const scope = z.strictObject({
  inventory: z.string().optional(),
  playbooks: z.array(z.string()),
  limit: z.array(z.string()),
  roles: z.array(z.string()),
  prune: z.boolean(),
  allowDataLoss: z.array(z.string()).default([]),
  retire: z.array(z.string()).default([]),
})

const savedChange = z.strictObject({
  host: z.string(),
  role: z.string(),
  resource: z.string(),
  action: z.enum(['create', 'update', 'delete', 'run']),
  certainty: z.enum(['exact', 'dependent', 'opaque']),
  play: z.int(),
  /** Digests of the desired and of the observed state; no content, no commands. An identity of the controller has neither. */
  wanted: digests.optional(),
  seen: digests.optional(),
  /** Digests of what the plan showed of the change. */
  shown: digests.optional(),
})

const manner = z.strictObject({
  play: z.int(),
  serial: z.array(z.int()),
  at: z.array(z.string()),
  maxFailures: z.int(),
})

/** Version of the file format. A change of its syntax or its meaning increments it. */
const FORMAT = 3

const schema = z.strictObject({
  format: z.literal(FORMAT),
  provision: z.string(),
  saved: z.string(),
  scope,
  salt: z.string().regex(/^[0-9a-f]{32}$/),
  /** All selected hosts that were reached, with or without changes. */
  hosts: z.array(z.string()),
  manners: z.array(manner),
  changes: z.array(savedChange),
})

/** A saved plan: its changes, and digests that show whether it is stale. */
export type SavedPlan = z.output<typeof schema>
export type SavedChange = z.output<typeof savedChange>
/** The command-line options of the plan. The plan is made again from the same options. */
export type Scope = z.output<typeof scope>

const VERSION = packageJson.version

/** The text of a saved plan. */
export const savePlan = (run: Run, asked: Scope, now: Date): string => {
  const salt = randomBytes(16).toString('hex')
  const plan: SavedPlan = {
    format: FORMAT,
    provision: VERSION,
    saved: now.toISOString(),
    scope: asked,
    salt,
    hosts: [...run.hosts.keys()],
    manners: (run.plan.rollouts ?? []).map(({ play, serial, at, maxFailures }) => ({
      play,
      serial: [...serial],
      at: [...at],
      maxFailures,
    })),
    changes: run.plan.changes.map((change) => savedOf(change, run, salt)),
  }
  return `${escapeHidden(JSON.stringify(plan, null, 1))}\n`
}

/** A change as the saved plan stores it. */
export const savedOf = (
  { host, role, resource, action, certainty, play, differences, diff, fullDiff }: PlannedChange,
  { hosts }: Pick<Run, 'hosts'>,
  salt: string,
): SavedChange => {
  const pending = withKey(hosts.get(host)?.pending ?? [], resource)
  const shown = { differences, diff: fullDiff ?? diff }
  const digests = pending === undefined ? {} : stateOf({ wanted: pending.resource.spec, seen: pending.state, shown }, salt)
  return { host, role, resource, action, certainty, play, ...digests }
}

// A guarded value must not be deduced from the digests of the other side.
const stateOf = (
  { wanted, seen, shown }: Readonly<Record<'wanted' | 'seen' | 'shown', unknown>>,
  salt: string,
): Readonly<Record<'wanted' | 'seen' | 'shown', Digests>> => {
  const guarded = isGuarded(wanted) || isGuarded(seen)
  return {
    wanted: digestsOf(wanted, salt, { guarded }),
    seen: digestsOf(seen, salt, { guarded }),
    shown: digestsOf(shown, salt, { guarded }),
  }
}

/** Whether a desired state is that of a saved change. Values that were made since the plan was saved count as equal. */
export const isWanted = ({ wanted = {} }: SavedChange, spec: unknown, salt: string): boolean =>
  [true, false].some(
    (made) => differingFields(wanted, digestsOf(spec, salt, { guarded: Object.keys(wanted).join() === 'state', made })).length === 0,
  )

/** Reads a saved plan. Throws a `Problem` if the text is no plan, is damaged, or was saved by another version of provision. */
export const readPlan = (file: string, text: string): SavedPlan => {
  const given = parsed(text)
  if (typeof given !== 'object' || given === null || !('format' in given) || !('provision' in given))
    throw unusable(file, 'file is not a plan saved by provision', undefined)
  const { format, provision } = given
  if (format !== FORMAT || provision !== VERSION)
    throw unusable(
      file,
      `plan was saved by provision ${shownText(String(provision))} (format ${shownText(String(format))})`,
      `this is provision ${VERSION} (format ${FORMAT}), which might apply the same plan differently`,
    )
  const read = schema.safeParse(given)
  if (read.success) return read.data
  const [issue] = read.error.issues
  throw unusable(
    file,
    'plan is damaged',
    `${issue?.path.map((step) => shownName(String(step))).join('.') ?? ''}: ${issue?.code === 'unrecognized_keys' ? `unknown option \`${shownName(issue.keys[0] ?? '')}\`` : (issue?.message ?? '')}`,
  )
}

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const unusable = (file: string, what: string, why: string | undefined): Problem =>
  new Problem({
    class: 'input',
    where: { file },
    what,
    ...(why !== undefined && { why }),
    fix: 'save a new plan: provision run --dry-run --save FILE',
  })
