import type { Event } from '../engine/events.ts'
import type { PlannedChange } from '../engine/plan/plan.ts'
import { planHeadline, planLines } from './planned.ts'
import { Progress } from './progress.ts'
import type { Report } from './report.ts'
import { leftLines, summaryLines } from './summary.ts'
import { hanging, inLine } from './text.ts'
import type { View } from './view.ts'

/** What moves while a run is under way: lines that are rewritten on a terminal, lines that follow each other in a log. */
export interface Motion {
  start(title: string, progress: Progress): void
  changed(phase: 'applied' | 'failed', change: PlannedChange, durationMs: number | undefined): void
  doing(host: string, what: string | undefined): void
  rolling(event: Extract<Event, { type: 'rolling' }>): void
  title(title: string): void
  stop(): Promise<void>
}

/** A run as people read it: the plan, what is happening, the summary. `out` is written to only while nothing moves. */
export const humanReport = (out: (text: string) => void, view: View, motion: Motion, now: () => number): Report => {
  const print = (lines: readonly string[]): void => {
    if (lines.length > 0) out(`${lines.join('\n')}\n`)
  }
  const notes: string[] = []
  const warnings = new Map<string, Set<string>>()
  const warn = (host: string, text: string): unknown => warnings.set(text, (warnings.get(text) ?? new Set()).add(host))
  let progress = new Progress([], undefined, now())

  return {
    listen: (event) => {
      progress.listen(event, now())
      if (event.type === 'change' && event.phase !== 'planned') motion.changed(event.phase, event.change, event.durationMs)
      if (event.type === 'doing') motion.doing(event.host, event.what)
      if (event.type === 'rolling') motion.rolling(event)
      if (event.type === 'reverted')
        warn(event.change.host, `${event.change.resource.replace(':', ' ')} is again as it was before this run`)
      if (event.type === 'note') notes.push(event.what)
      if (event.type === 'warning') warn(event.host ?? '', [event.role, event.what].filter((part) => part !== undefined).join(': '))
    },
    looking: (names) => {
      progress = new Progress(names, undefined, now())
      motion.start(`Looking at ${names.length === 1 ? names[0] : `${names.length} hosts`}`, progress)
    },
    planned: (plan, playNames) => {
      if (plan.changes.length > 0) print(planLines(plan, playNames, view))
      if (plan.changes.length > 0 && warnings.size > 0) print([''])
      print(warningLines(warnings, view))
      warnings.clear()
    },
    applying: (plan) => {
      print(['', planHeadline(plan, view)])
      progress = new Progress([], plan, now())
      motion.start('Applying', progress)
    },
    interrupting: () => motion.title('Finishing the step at hand (Ctrl-C again stops at once)'),
    settle: () => motion.stop(),
    // The cards of the problems say it all.
    broken: () => {},
    finished: (ending) => {
      print(notes.map((what) => `${view.paint.green('✔')} ${hanging(what)}`))
      print(warningLines(warnings, view))
      const left = ending.dryRun ? [] : ending.plan.changes.filter(({ host, resource }) => !progress.isSettled(host, resource))
      print([...summaryLines(ending, progress, view), ...leftLines(left, view)])
    },
  }
}

const warningLines = (warnings: ReadonlyMap<string, ReadonlySet<string>>, { paint }: View): readonly string[] =>
  [...warnings].map(([what, hosts]) => {
    const names = [...hosts]
      .filter((host) => host !== '')
      .sort()
      .join(' ')
    return `${paint.yellow('!')} ${hanging(what)}${names === '' ? '' : paint.dim(`  ${inLine(names)}`)}`
  })
