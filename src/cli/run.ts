import { resolve } from 'node:path'
import type { Listener } from '../engine/events.ts'
import type { Outcome, Plan } from '../engine/plan/plan.ts'
import type { SavedPlan, Scope } from '../engine/plan/saved.ts'
import type { Holder } from '../host/shell/shell.ts'
import { lineOf, type Problem, Problems, problemsIn } from '../problem.ts'
import { chooseReport } from '../report/choose.ts'
import { jsonReport } from '../report/json.ts'
import { predictedOutcome } from '../report/predicted-outcome.ts'
import { type Format, formats, type Report } from '../report/report.ts'
import { quote } from '../shell/quote.ts'
import { type Arguments, defineCommand, type Ended, type Options, type Surroundings } from './command.ts'
import { holder } from './holder.ts'
import { inventoryOption } from './options.ts'
import { wrong } from './parse.ts'
import { INTERRUPTED, statusOf } from './status.ts'

const options = {
  ...inventoryOption,
  'dry-run': { type: 'boolean', help: 'show what would be changed, and change nothing' },
  role: { type: 'string', multiple: true, value: 'NAME', help: 'change only what this role declares' },
  limit: { type: 'string', short: 'l', multiple: true, value: 'PATTERN', help: 'change only hosts that match: web-01, web:!web-02, lb-*' },
  user: { type: 'string', value: 'NAME', help: 'log in with this account, whatever the inventory says' },
  key: { type: 'string', value: 'FILE', help: 'log in with this private key only' },
  json: { type: 'boolean', help: 'one JSON object a line, for programs' },
  output: { type: 'string', value: 'FORMAT', choices: formats, help: 'how to tell it' },
  verbose: { type: 'boolean', short: 'v', help: 'show long diffs whole' },
  prune: { type: 'boolean', help: 'delete what is left over on the hosts: what we made, and no role declares any more' },
  'allow-data-loss': {
    type: 'string',
    multiple: true,
    value: 'HOST',
    help: 'replace its data, or let another server take over while it is away',
  },
  save: { type: 'string', value: 'FILE', help: 'with --dry-run: keep the plan, to carry out exactly it later' },
  plan: { type: 'string', value: 'FILE', help: 'carry out exactly the plan of this file, or nothing where it no longer holds' },
  wait: { type: 'boolean', help: 'where another run holds a host, wait for it to end' },
} as const satisfies Options

/** What the command asks of the engine; a test hands in one made of values. */
export interface Engine<Ready extends Prepared = Prepared, Survey extends Planned = Planned> {
  prepare(options: {
    root: string
    env: Surroundings['env']
    inventory?: string
    playbooks?: readonly string[]
    limit?: readonly string[]
    roles?: readonly string[]
    allowDataLoss?: readonly string[]
    login?: { user?: string; key?: string }
  }): Promise<Ready>
  plan(prepared: Ready, options: { listen: Listener; signal: AbortSignal; lock?: Holder; wait?: boolean; prune?: boolean }): Promise<Survey>
  apply(planned: Survey, options: { listen: Listener; signal: AbortSignal }): Promise<Outcome & { problems: readonly Problem[] }>
  /** The plan as the text of a file. */
  savePlan(planned: Survey, scope: Scope, now: Date): string
  /** What keeps a saved plan from being carried out. */
  stalenessOf(saved: SavedPlan, planned: Survey): readonly Problem[]
}

export interface Prepared {
  readonly targets: readonly string[]
  readonly warnings: readonly Problem[]
  readonly site: { readonly plays: readonly { readonly name: string }[] }
}

interface Planned {
  readonly plan: Plan
  readonly unreachable: readonly Problem[]
  close(): Promise<void>
}

/** `provision run`: the plan, then exactly the plan. */
export const command = defineCommand({
  usage: ['run [PLAYBOOK...] [OPTIONS]'],
  options,
  notes: ['Without a playbook, playbooks/site.yaml; without an inventory, inventory/.'],
  run: async (given, surroundings) => runSite(await import('../engine/run.ts'), given, surroundings),
  refused: (argv, problems, { out }) => {
    if (argv.includes('--json') || argv.includes('--output=json')) jsonReport(out).broken(problems)
  },
})

/** Prepare, look, show, change, prove: each step is told as it happens, and whatever happens the hosts are let go. */
export const runSite = async <Ready extends Prepared, Survey extends Planned>(
  engine: Engine<Ready, Survey>,
  { positionals, values }: Arguments<typeof options>,
  surroundings: Surroundings,
): Promise<Ended> => {
  const { signal, view } = surroundings
  const format = values.json ? 'json' : (values.output as Format | undefined)
  const report = chooseReport(format, { ...surroundings, view: { ...view, verbose: values.verbose ?? false } })
  try {
    const faults = contradictions(values, positionals)
    if (faults.length > 0) throw new Problems(faults)
    const saved = values.plan === undefined ? undefined : (await import('./plan-file.ts')).loadPlan(surroundings.directory, values.plan)
    const scope = saved?.scope ?? scopeOf(values, positionals)
    const { inventory, playbooks, limit, roles, prune, allowDataLoss } = scope
    const prepared = await engine.prepare({
      root: surroundings.directory,
      env: surroundings.env,
      ...(inventory === undefined ? {} : { inventory }),
      ...(playbooks.length === 0 ? {} : { playbooks }),
      limit,
      roles,
      allowDataLoss,
      login: {
        ...(values.user === undefined ? {} : { user: values.user }),
        ...(values.key === undefined ? {} : { key: resolve(surroundings.directory, values.key) }),
      },
    })
    signal.addEventListener('abort', () => report.interrupting())

    for (const warning of prepared.warnings) report.listen({ type: 'warning', what: lineOf(warning) })
    report.observing(prepared.targets)
    const lock = values['dry-run'] ? {} : { lock: holder(surroundings.env) }
    const planned = await engine.plan(prepared, { listen: report.listen, signal, wait: values.wait ?? false, prune, ...lock })
    try {
      await report.settle()
      report.planned(
        planned.plan,
        prepared.site.plays.map(({ name }) => name),
      )
      const stale = saved === undefined || signal.aborted ? [] : engine.stalenessOf(saved, planned)
      if (stale.length > 0) throw new Problems(stale)
      const kept = await storePlanOf(engine, planned, { save: values.save, scope }, surroundings)
      const ended = await applyOrPredict(
        engine,
        planned,
        { targets: prepared.targets, dryRun: values['dry-run'] ?? false, scope, signal },
        report,
      )
      if (kept !== undefined && values.json !== true) surroundings.err(kept)
      return ended
    } finally {
      await planned.close()
    }
  } catch (error) {
    await report.settle()
    report.broken(problemsIn(error) ?? [])
    throw error
  }
}

interface Course {
  readonly targets: readonly string[]
  readonly dryRun: boolean
  readonly scope: Scope
  readonly signal: AbortSignal
}

/** Applies the plan, or only predicts its outcome in a dry run, and reports which it was. */
const applyOrPredict = async <Ready extends Prepared, Survey extends Planned>(
  engine: Engine<Ready, Survey>,
  planned: Survey,
  { targets, dryRun, scope, signal }: Course,
  report: Report,
): Promise<Ended> => {
  const { plan, unreachable } = planned
  const touch = !dryRun && plan.changes.length > 0 && !signal.aborted
  if (touch) report.applying(plan)
  const { problems, ...outcome } = touch
    ? await engine.apply(planned, { listen: report.listen, signal })
    : { ...predictedOutcome(plan, targets, unreachable.length > 0, 0), problems: unreachable }
  await report.settle()
  // As long as it took whoever waited for it: since the process began.
  const durationMs = Math.round(performance.now())
  const interrupted = signal.aborted
  report.finished({ plan, outcome: { ...outcome, durationMs }, problems, dryRun, interrupted, restrictedBy: restrictions(scope) })
  const status = statusOf(problems) || (outcome.result === 'failed' ? 1 : dryRun && plan.changes.length > 0 ? 2 : 0)
  return { status: interrupted ? INTERRUPTED : status, problems }
}

/** Keeps the plan where that was asked for; what to say of it. A plan that does not know all its hosts could not be carried out. */
const storePlanOf = async <Ready extends Prepared, Survey extends Planned>(
  engine: Engine<Ready, Survey>,
  planned: Survey,
  { save, scope }: { readonly save: string | undefined; readonly scope: Scope },
  { directory, signal }: Surroundings,
): Promise<string | undefined> => {
  if (save === undefined || signal.aborted) return undefined
  if (planned.unreachable.length > 0) return `${save} was not written: a plan must know all its hosts.\n`
  const text = engine.savePlan(planned, scope, new Date())
  ;(await import('./plan-file.ts')).storePlan(directory, save, text)
  return `The plan is kept in ${save}: provision run --plan ${quote(save)} carries out exactly it.\n`
}

const scopeOf = (
  { inventory, limit = [], role = [], prune = false, 'allow-data-loss': allowDataLoss = [] }: Arguments<typeof options>['values'],
  playbooks: readonly string[],
): Scope => ({
  ...(inventory === undefined ? {} : { inventory }),
  playbooks: [...playbooks],
  limit: [...limit],
  roles: [...role],
  prune,
  allowDataLoss: [...allowDataLoss],
})

const contradictions = (values: Arguments<typeof options>['values'], positionals: readonly string[]): readonly Problem[] => {
  const { plan, save, json, output } = values
  const scoped = (['inventory', 'role', 'limit', 'prune', 'allow-data-loss'] as const)
    .filter((name) => values[name] !== undefined)
    .map((name) => `--${name}`)
  const beside = plan === undefined ? [] : [...positionals, ...scoped, ...(save === undefined ? [] : ['--save'])]
  return [
    ...(json && output !== undefined && output !== 'json'
      ? [wrong('run', `--json and --output ${output} are two ways of telling it`, 'choose one of them')]
      : []),
    ...(save !== undefined && plan === undefined && !values['dry-run']
      ? [wrong('run', '--save keeps a plan, and this run would carry it out', 'write --dry-run beside it')]
      : []),
    ...(beside.length > 0
      ? [wrong('run', `--plan already says what ${beside.join(' ')} would`, 'leave that out, or save another plan')]
      : []),
  ]
}

const restrictions = ({ limit, roles }: Scope): readonly string[] => [
  ...new Set([...limit.map((pattern) => `--limit ${pattern}`), ...roles.map((name) => `--role ${name}`)]),
]
