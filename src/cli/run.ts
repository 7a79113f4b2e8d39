import { resolve } from 'node:path'
import type { Listener } from '../engine/event.ts'
import type { Outcome, Plan } from '../engine/plan.ts'
import type { Holder } from '../host/shell.ts'
import { type Problem, problemsIn } from '../problem.ts'
import { chooseReport } from '../report/choose.ts'
import { foretold } from '../report/foretold.ts'
import { jsonReport } from '../report/json.ts'
import { type Format, formats, type Report } from '../report/report.ts'
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
    login?: { user?: string; key?: string }
  }): Promise<Ready>
  plan(prepared: Ready, options: { listen: Listener; signal: AbortSignal; lock?: Holder; wait?: boolean }): Promise<Survey>
  apply(planned: Survey, options: { listen: Listener; signal: AbortSignal }): Promise<Outcome & { problems: readonly Problem[] }>
}

interface Prepared {
  readonly targets: readonly string[]
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
    if (values.json && values.output !== undefined && format !== values.output)
      throw wrong('run', `--json and --output ${values.output} are two ways of telling it`, 'choose one of them')
    const prepared = await engine.prepare({
      root: surroundings.directory,
      env: surroundings.env,
      ...(values.inventory === undefined ? {} : { inventory: values.inventory }),
      ...(positionals.length === 0 ? {} : { playbooks: positionals }),
      limit: values.limit ?? [],
      roles: values.role ?? [],
      login: {
        ...(values.user === undefined ? {} : { user: values.user }),
        ...(values.key === undefined ? {} : { key: resolve(surroundings.directory, values.key) }),
      },
    })
    signal.addEventListener('abort', () => report.interrupting())

    report.looking(prepared.targets)
    const lock = values['dry-run'] ? {} : { lock: holder(surroundings.env) }
    const planned = await engine.plan(prepared, { listen: report.listen, signal, wait: values.wait ?? false, ...lock })
    try {
      await report.settle()
      report.planned(
        planned.plan,
        prepared.site.plays.map(({ name }) => name),
      )
      return await carryOut(engine, prepared, planned, values, report, signal)
    } finally {
      await planned.close()
    }
  } catch (error) {
    await report.settle()
    report.broken(problemsIn(error) ?? [])
    throw error
  }
}

const carryOut = async <Ready extends Prepared, Survey extends Planned>(
  engine: Engine<Ready, Survey>,
  { targets }: Ready,
  planned: Survey,
  values: Arguments<typeof options>['values'],
  report: Report,
  signal: AbortSignal,
): Promise<Ended> => {
  const { plan, unreachable } = planned
  const dryRun = values['dry-run'] ?? false
  const touch = !dryRun && plan.changes.length > 0 && !signal.aborted
  if (touch) report.applying(plan)
  const { problems, ...outcome } = touch
    ? await engine.apply(planned, { listen: report.listen, signal })
    : { ...foretold(plan, targets, unreachable.length > 0, 0), problems: unreachable }
  await report.settle()
  // As long as it took whoever waited for it: since the process began.
  const durationMs = Math.round(performance.now())
  const interrupted = signal.aborted
  report.finished({ plan, outcome: { ...outcome, durationMs }, problems, dryRun, interrupted, narrowedTo: narrowedTo(values) })
  const status = statusOf(problems) || (outcome.result === 'failed' ? 1 : dryRun && plan.changes.length > 0 ? 2 : 0)
  return { status: interrupted ? INTERRUPTED : status, problems }
}

const narrowedTo = ({ limit = [], role = [] }: Arguments<typeof options>['values']): readonly string[] => [
  ...new Set([...limit.map((pattern) => `--limit ${pattern}`), ...role.map((name) => `--role ${name}`)]),
]
