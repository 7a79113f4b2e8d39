import type { Event } from '../engine/events.ts'
import type { PlannedChange } from '../engine/plan/plan.ts'
import { attentionLines } from './plan/attention.ts'
import { placeLines, planHeadline } from './plan/headline.ts'
import { planLines } from './plan/lines.ts'
import { nextSteps } from './plan/next-steps.ts'
import { Progress } from './progress.ts'
import type { Report } from './report.ts'
import { summaryLines, unappliedLines } from './summary.ts'
import { bullet } from './text.ts'
import type { View } from './view.ts'

/** Shows what hosts are doing during a run: lines that are rewritten on a terminal, consecutive lines in a log. */
export interface ActivityDisplay {
  start(title: string, progress: Progress): void
  changed(phase: 'applied' | 'failed', change: PlannedChange, durationMs: number | undefined): void
  doing(host: string, what: string | undefined): void
  rolling(event: Extract<Event, { type: 'rolling' }>): void
  title(title: string): void
  paused<T>(work: () => Promise<T>): Promise<T>
  stop(): Promise<void>
}

/** Prints the plan, the activity and the summary of a run. `out` is used only while the activity display is stopped. */
export const humanReport = (out: (text: string) => void, view: View, activity: ActivityDisplay, now: () => number): Report => {
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
      if (event.type === 'change' && event.phase !== 'planned') activity.changed(event.phase, event.change, event.durationMs)
      if (event.type === 'doing') activity.doing(event.host, event.what)
      if (event.type === 'rolling') activity.rolling(event)
      if (event.type === 'reverted')
        warn(event.change.host, `${event.change.resource.replace(':', ' ')} was restored to its state before this run`)
      if (event.type === 'note' && (view.verbose || event.isDetail !== true)) notes.push(event.what)
      if (event.type === 'warning') warn(event.host ?? '', [event.role, event.what].filter((part) => part !== undefined).join(': '))
    },
    observing: (names) => {
      progress = new Progress(names, undefined, now())
      activity.start(`Observing ${names.length === 1 ? names[0] : `${names.length} hosts`}`, progress)
    },
    planned: (plan, playNames) => {
      const attention = [...attentionLines(plan, view), ...warningLines(warnings, view)]
      warnings.clear()
      if (plan.changes.length === 0) print(attention)
      else
        print([
          planHeadline(plan, view),
          ...placeLines(plan, view),
          ...(attention.length === 0 ? [] : ['', ...attention]),
          ...planLines(plan, playNames, view),
        ])
    },
    applying: (plan) => {
      print(['', planHeadline(plan, view)])
      progress = new Progress([], plan, now())
      activity.start('Applying', progress)
    },
    interrupting: () => activity.title('Finishing the current step (press Ctrl-C again to stop immediately)'),
    paused: (work) => activity.paused(work),
    settle: () => activity.stop(),
    // The error cards are printed by `main`.
    broken: () => {},
    finished: (ending) => {
      print(notes.flatMap((note) => bullet(view.paint.green('✔'), note, [], view)))
      print(warningLines(warnings, view))
      const unapplied = ending.dryRun ? [] : ending.plan.changes.filter(({ host, resource }) => !progress.isSettled(host, resource))
      print([...summaryLines(ending, progress, view), ...unappliedLines(unapplied, view)])
      print(nextSteps(ending, (change) => progress.isSettled(change.host, change.resource), view))
    },
  }
}

const warningLines = (warnings: ReadonlyMap<string, ReadonlySet<string>>, view: View): readonly string[] =>
  [...warnings].flatMap(([text, hosts]) => bullet(view.paint.yellow('!'), text, [...hosts].filter((host) => host !== '').sort(), view))
