import type { HostOutcome, Outcome, PlannedChange } from '../engine/plan/plan.ts'
import { planHeadline } from './planned.ts'
import type { Progress } from './progress.ts'
import type { Ending } from './report.ts'
import { count, cut, duration, inLine, pad, width } from './text.ts'
import type { View } from './view.ts'

/** How a run ended, host by host, and in one sentence. */
export const summaryLines = (ending: Ending, progress: Progress, view: View): readonly string[] => {
  const quiet = ending.outcome.hosts.every(({ changed, failed, unreachable }) => changed + failed === 0 && !unreachable)
  return [...(quiet ? [] : ['', ...table(ending, progress, view), '']), sentence(ending, progress, view), ...narrowed(ending, view)]
}

const table = ({ outcome, dryRun }: Ending, progress: Progress, { paint }: View): readonly string[] => {
  const head = ['host', 'resources', dryRun ? 'to change' : 'changed', 'failed', 'seconds', '']
  const rows = outcome.hosts.map((host) => cells(host, progress.timeOf(host.host)))
  const widths = head.map((_, i) => Math.max(...[head, ...rows].map((row) => width(row[i] ?? ''))))
  const line = (row: readonly string[]): string =>
    row
      .map((cell, i) => (i === 0 || i === 5 ? pad(cell, widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
      .join('  ')
      .trimEnd()
  return [
    `  ${paint.dim(line(head))}`,
    ...rows.map((row, i) => {
      const host = outcome.hosts[i]
      const colour = host?.unreachable || (host?.failed ?? 0) > 0 ? paint.red : (host?.changed ?? 0) > 0 ? paint.yellow : paint.green
      return `  ${colour(line(row))}`
    }),
  ]
}

const cells = ({ host, resources, changed, failed, unreachable }: HostOutcome, time: number | undefined): readonly string[] => {
  const seconds = time === undefined ? '' : (time / 1000).toFixed(1)
  return unreachable && resources === 0
    ? [inLine(host), '', '', '', '', 'not reached']
    : [inLine(host), String(resources), String(changed), String(failed), seconds, unreachable ? 'lost' : '']
}

const sentence = ({ outcome, plan, dryRun, interrupted }: Ending, progress: Progress, view: View): string => {
  const { paint } = view
  const { hosts, result, durationMs } = outcome
  const time = paint.dim(`${foretoldWords(outcome)}${duration(durationMs)}`)
  // The controller's own changes count too; it has no line in the table.
  const changed = dryRun ? plan.changes.length : progress.applied
  const lost = hosts.filter(({ unreachable }) => unreachable).length
  const failures = [
    ...(total(hosts, ({ failed }) => failed) === 0 ? [] : [`${total(hosts, ({ failed }) => failed)} failed`]),
    ...(lost === 0 ? [] : [`${count(lost, 'host')} not reached`]),
  ]
  const putOff = dryRun ? 0 : plan.changes.filter(({ host, resource }) => !progress.isSettled(host, resource)).length
  const made = dryRun ? `${count(changed, 'change')} to make` : `${count(changed, 'change')} made`
  if (interrupted) return `${paint.yellow('■')} ${paint.bold('Interrupted')}: ${[made, ...failures].join(', ')}  ${time}`
  if (result === 'failed' || failures.length > 0) return `${paint.red('✖')} ${paint.bold([...failures, made].join(', '))}  ${time}`
  if (changed > 0 && dryRun) return `${paint.yellow('●')} ${planHeadline(plan, view)}, nothing was touched  ${time}`
  if (putOff > 0) return `${paint.yellow('●')} ${paint.bold(`${made}, ${putOff} put off`)}  ${time}`
  if (changed > 0) return `${paint.green('✔')} ${paint.bold(made)} and proved  ${time}`
  const resources = `${count(
    total(hosts, ({ resources }) => resources),
    'resource',
  )} on ${count(hosts.length, 'host')}`
  return `${paint.green('✔')} ${paint.bold('Nothing to do')}: ${resources} as described  ${time}`
}

/** `foretold 212 of 212 changes  `: the prediction, compared with what happened. */
const foretoldWords = ({ prediction: foretold }: Outcome): string =>
  foretold === undefined || foretold.actual === 0 ? '' : `foretold ${foretold.predicted} of ${count(foretold.actual, 'change')}  `

const narrowed = ({ narrowedTo }: Ending, { paint }: View): readonly string[] =>
  narrowedTo.length === 0 ? [] : [paint.dim(`  Narrowed by ${narrowedTo.join(' ')}: nothing else was touched.`)]

/** What was planned and not come to, host by host. */
export const leftLines = (left: readonly PlannedChange[], { paint, columns }: View): readonly string[] =>
  left.length === 0
    ? []
    : [
        '',
        `${paint.bold(count(left.length, 'change'))} left; the next run takes them up:`,
        ...[...Map.groupBy(left, ({ host }) => host)].map(([host, changes]) => {
          const names = changes.slice(0, 5).map(({ resource }) => resource.replace(':', ' '))
          const more = changes.length - names.length
          const list = inLine([...names, ...(more > 0 ? [`${more} more`] : [])].join(', '))
          return `  ${inLine(host)}  ${paint.dim(cut(list, columns - width(host) - 4))}`
        }),
      ]

const total = (hosts: readonly HostOutcome[], number: (host: HostOutcome) => number): number =>
  hosts.reduce((sum, host) => sum + number(host), 0)
