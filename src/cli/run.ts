import { resolve } from 'node:path'
import type { Listener } from '../engine/events.ts'
import type { Outcome, Plan } from '../engine/plan/plan.ts'
import type { SavedPlan, Scope } from '../engine/plan/saved.ts'
import { person } from '../host/openssh/person.ts'
import type { Holder } from '../host/shell/shell.ts'
import { lineOf, type Problem, Problems, problemsIn } from '../problem.ts'
import { chooseReport } from '../report/choose.ts'
import { jsonReport } from '../report/json.ts'
import { predictedOutcome } from '../report/predicted-outcome.ts'
import type { Format, Report } from '../report/report.ts'
import { quote } from '../shell/quote.ts'
import { type Arguments, type CommandContext, type CommandResult, defineCommand } from './command.ts'
import { holder } from './holder.ts'
import { confirmation } from './run/confirmation.ts'
import { conflictingOptions, options, restrictions, scopeOf } from './run/options.ts'
import { requireOwnPaths } from './run/saved-paths.ts'
import { INTERRUPTED, statusOf, unlessInterrupted } from './status.ts'

/** The functions of the engine that the command uses. Tests pass their own. */
export interface Engine<Ready extends Prepared = Prepared, Planned extends PlannedRun = PlannedRun> {
  prepare(options: {
    root: string
    env: CommandContext['env']
    inventory?: string
    playbooks?: readonly string[]
    limit?: readonly string[]
    roles?: readonly string[]
    allowDataLoss?: readonly string[]
    retire?: readonly string[]
    login?: { user?: string; key?: string }
  }): Promise<Ready>
  plan(
    prepared: Ready,
    options: { listen: Listener; signal: AbortSignal; lock?: Holder; wait?: boolean; prune?: boolean },
  ): Promise<Planned>
  apply(planned: Planned, options: { listen: Listener; signal: AbortSignal }): Promise<Outcome & { problems: readonly Problem[] }>
  /** Returns the plan as the text of a plan file. */
  savePlan(planned: Planned, scope: Scope, now: Date): string
  /** Returns why a saved plan cannot be applied any more. */
  stalenessOf(saved: SavedPlan, planned: Planned): readonly Problem[]
}

export interface Prepared {
  readonly targets: readonly string[]
  readonly warnings: readonly Problem[]
  readonly site: { readonly plays: readonly { readonly name: string }[] }
}

interface PlannedRun {
  readonly plan: Plan
  readonly unreachable: readonly Problem[]
  close(): Promise<void>
}

/** `provision run`: plans, then applies exactly the plan. */
export const command = defineCommand({
  usage: ['run [PLAYBOOK...] [OPTIONS]'],
  options,
  notes: ['The default playbook is playbooks/site.yaml, the default inventory is inventory/.'],
  run: async (given, context) => runSite(await import('../engine/run.ts'), given, context),
  reportInvalid: (argv, problems, { out }) => {
    if (argv.includes('--json') || argv.includes('--output=json')) jsonReport(out).broken(problems)
  },
})

/** Prepares, observes, plans, applies and confirms. Reports each step and always releases the hosts. */
export const runSite = async <Ready extends Prepared, Planned extends PlannedRun>(
  engine: Engine<Ready, Planned>,
  { positionals, values }: Arguments<typeof options>,
  context: CommandContext,
): Promise<CommandResult> => {
  const { signal, view } = context
  const format = values.json ? 'json' : (values.output as Format | undefined)
  const report = chooseReport(format, { ...context, view: { ...view, verbose: values.verbose ?? false } })
  const { askSecret } = context
  if (askSecret !== undefined)
    person.present = {
      ask: (question) => report.paused(() => askSecret(question)),
      show: (line) => report.paused(async () => context.err(`${line}\n`)),
    }
  try {
    const conflicts = conflictingOptions(values, positionals)
    if (conflicts.length > 0) throw new Problems(conflicts)
    const saved = values.plan === undefined ? undefined : (await import('./plan-file.ts')).loadPlan(context.directory, values.plan)
    const scope = saved?.scope ?? scopeOf(values, positionals)
    const kept = values.plan ?? values.save
    if (kept !== undefined) requireOwnPaths(context.directory, kept, scope)
    const { inventory, playbooks, limit, roles, prune, allowDataLoss, retire } = scope
    // Nothing is written before the plan is shown, so that an interruption ends the run at once.
    const preparing = engine.prepare({
      root: context.directory,
      env: context.env,
      ...(inventory === undefined ? {} : { inventory }),
      ...(playbooks.length === 0 ? {} : { playbooks }),
      limit,
      roles,
      allowDataLoss,
      retire,
      login: {
        ...(values.user === undefined ? {} : { user: values.user }),
        ...(values.key === undefined ? {} : { key: resolve(context.directory, values.key) }),
      },
    })
    const prepared = await unlessInterrupted(signal, preparing)

    for (const warning of prepared.warnings) report.listen({ type: 'warning', what: lineOf(warning) })
    report.observing(prepared.targets)
    const lock = values['dry-run'] ? {} : { lock: holder(context.env) }
    const planning = engine.plan(prepared, { listen: report.listen, signal, wait: values.wait ?? false, prune, ...lock })
    const planned = await unlessInterrupted(signal, planning)
    try {
      await report.settle()
      report.planned(
        planned.plan,
        prepared.site.plays.map(({ name }) => name),
      )
      const stale = saved === undefined || signal.aborted ? [] : engine.stalenessOf(saved, planned)
      if (stale.length > 0) throw new Problems(stale)
      const saveMessage = await savePlan(engine, planned, { save: values.save, scope }, context)
      const result = await applyOrPredict(
        engine,
        planned,
        {
          targets: prepared.targets,
          dryRun: values['dry-run'] ?? false,
          scope,
          signal,
          confirm: () => confirmation(values, planned.plan, context),
        },
        report,
      )
      if (saveMessage !== undefined && values.json !== true) context.err(saveMessage)
      return result
    } finally {
      await planned.close()
    }
  } catch (error) {
    await report.settle()
    report.broken(problemsIn(error) ?? [])
    throw error
  }
}

interface ApplyOptions {
  readonly targets: readonly string[]
  readonly dryRun: boolean
  readonly scope: Scope
  readonly signal: AbortSignal
  /** Whether the person at the terminal, if there is one, wants the changes. */
  confirm(): Promise<boolean>
}

/** Applies the plan, or predicts its outcome in a dry run, and reports the result. */
const applyOrPredict = async <Ready extends Prepared, Planned extends PlannedRun>(
  engine: Engine<Ready, Planned>,
  planned: Planned,
  { targets, dryRun: isDryRun, scope, signal, confirm }: ApplyOptions,
  report: Report,
): Promise<CommandResult> => {
  const { plan, unreachable } = planned
  const isDue = !isDryRun && plan.changes.length > 0 && !signal.aborted
  const applies = isDue && (await confirm())
  // A run that the person refused ends as a dry run.
  const dryRun = isDryRun || (isDue && !applies)
  if (applies) {
    signal.addEventListener('abort', () => report.interrupting())
    report.applying(plan)
  }
  const { problems, ...outcome } = applies
    ? await engine.apply(planned, { listen: report.listen, signal })
    : { ...predictedOutcome(plan, targets, unreachable, 0), problems: unreachable }
  await report.settle()
  // Since the start of the process, as the user experiences it.
  const durationMs = Math.round(performance.now())
  const interrupted = signal.aborted
  report.finished({ plan, outcome: { ...outcome, durationMs }, problems, dryRun, interrupted, restrictedBy: restrictions(scope) })
  const status = statusOf(problems) || (outcome.result === 'failed' ? 1 : dryRun && plan.changes.length > 0 ? 2 : 0)
  return { status: interrupted ? INTERRUPTED : status, problems }
}

/** Writes the plan file if `--save` is given, and returns a message. A plan without one of the hosts is not written: it would leave this host out. */
const savePlan = async <Ready extends Prepared, Planned extends PlannedRun>(
  engine: Engine<Ready, Planned>,
  planned: Planned,
  { save, scope }: { readonly save: string | undefined; readonly scope: Scope },
  { directory, signal }: CommandContext,
): Promise<string | undefined> => {
  if (save === undefined || signal.aborted) return undefined
  if (planned.unreachable.length > 0) return `${save} was not written, because a host has no plan.\n`
  const text = engine.savePlan(planned, scope, new Date())
  ;(await import('./plan-file.ts')).storePlan(directory, save, text)
  return `Plan saved to ${save}. Apply it: provision run --plan ${quote(save)}\n`
}
