import { stripVTControlCharacters } from 'node:util'
import type { HostOutcome, Outcome, PlannedChange } from '../engine/plan/plan.ts'
import { planHeadline } from './plan/headline.ts'
import type { Progress } from './progress.ts'
import type { Ending } from './report.ts'
import { count, duration, inLine, pad, truncate, width } from './text.ts'
import type { View } from './view.ts'

/** Returns a table of the hosts and one sentence about the run. */
export const summaryLines = (ending: Ending, progress: Progress, view: View): readonly string[] => {
  const isConverged = ending.outcome.hosts.every(
    ({ changed, failed, unreachable, unplanned }) => changed + failed === 0 && !unreachable && unplanned === undefined,
  )
  return [
    ...(isConverged ? [] : ['', ...table(ending, progress, view), '']),
    ...sentence(ending, progress, view).split('\n'),
    ...restriction(ending, view),
  ]
}

const table = ({ outcome, dryRun }: Ending, progress: Progress, { paint }: View): readonly string[] => {
  const head = ['host', 'resources', dryRun ? 'to change' : 'changed', 'failed', 'seconds', '']
  const rows = outcome.hosts.map((host) => cells(host, progress.durationOf(host.host)))
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
      const colour =
        host?.unreachable || host?.unplanned !== undefined || (host?.failed ?? 0) > 0
          ? paint.red
          : (host?.changed ?? 0) > 0
            ? paint.yellow
            : paint.green
      return `  ${colour(line(row))}`
    }),
  ]
}

const cells = ({ host, resources, changed, failed, unreachable, unplanned }: HostOutcome, time: number | undefined): readonly string[] => {
  const seconds = time === undefined ? '' : (time / 1000).toFixed(1)
  const missing = unplanned === undefined ? (unreachable && resources === 0 ? 'unreachable' : undefined) : UNPLANNED[unplanned]
  return missing !== undefined
    ? [inLine(host), '', '', '', '', missing]
    : [inLine(host), String(resources), String(changed), String(failed), seconds, unreachable ? 'connection lost' : '']
}

/** Words for a host that was reached and has no plan. */
const UNPLANNED = { busy: 'busy', failed: 'not planned' } as const

const sentence = ({ outcome, plan, dryRun, interrupted }: Ending, progress: Progress, view: View): string => {
  const { paint } = view
  const { hosts, result, durationMs } = outcome
  const time = paint.dim(`${predictionText(outcome)}${duration(durationMs)}`)
  // Includes changes of the controller, which has no row in the table.
  const changed = dryRun ? plan.changes.length : progress.applied
  const unreachable = hosts.filter((host) => host.unreachable).length
  const failures = [
    ...(total(hosts, ({ failed }) => failed) === 0 ? [] : [`${total(hosts, ({ failed }) => failed)} failed`]),
    ...(unreachable === 0 ? [] : [`${count(unreachable, 'host')} unreachable`]),
    ...(['busy', 'failed'] as const).flatMap((why) => {
      const number = hosts.filter(({ unplanned }) => unplanned === why).length
      return number === 0 ? [] : [`${count(number, 'host')} ${UNPLANNED[why]}`]
    }),
  ]
  const deferred = dryRun ? 0 : plan.changes.filter(({ host, resource }) => !progress.isSettled(host, resource)).length
  const applied = dryRun ? `${count(changed, 'change')} to apply` : `${count(changed, 'change')} applied`
  if (interrupted) return `${paint.yellow('■')} ${paint.bold('Interrupted')}: ${[applied, ...failures].join(', ')}  ${time}`
  if (result === 'failed' || failures.length > 0) return `${paint.red('✖')} ${paint.bold([...failures, applied].join(', '))}  ${time}`
  if (changed > 0 && dryRun) {
    const [headline, rest] = [`${paint.yellow('●')} ${planHeadline(plan, view)},`, `nothing was changed  ${time}`]
    return width(stripVTControlCharacters(`${headline} ${rest}`)) <= view.columns ? `${headline} ${rest}` : `${headline}\n  ${rest}`
  }
  if (deferred > 0) return `${paint.yellow('●')} ${paint.bold(`${applied}, ${deferred} deferred`)}  ${time}`
  if (changed > 0) return `${paint.green('✔')} ${paint.bold(applied)} and confirmed  ${time}`
  const resources = `${count(
    total(hosts, ({ resources }) => resources),
    'resource',
  )} on ${count(hosts.length, 'host')}`
  return `${paint.green('✔')} ${paint.bold('Nothing to do')}: ${resources} as declared  ${time}`
}

/** `predicted 212 of 212 changes  `: how many of the changes that were made or attempted went as planned. */
const predictionText = ({ prediction }: Outcome): string =>
  prediction === undefined || prediction.actual === 0 ? '' : `predicted ${prediction.predicted} of ${count(prediction.actual, 'change')}  `

const restriction = ({ restrictedBy }: Ending, { paint }: View): readonly string[] =>
  restrictedBy.length === 0 ? [] : [paint.dim(`  Restricted by ${restrictedBy.join(' ')}: nothing else was changed.`)]

/** Returns the planned changes that were neither applied nor failed, by host. */
export const unappliedLines = (unapplied: readonly PlannedChange[], { paint, columns }: View): readonly string[] =>
  unapplied.length === 0
    ? []
    : [
        '',
        `${paint.bold(count(unapplied.length, 'change'))} not applied; run the same command again to apply ${unapplied.length === 1 ? 'it' : 'them'}:`,
        ...[...Map.groupBy(unapplied, ({ host }) => host)].map(([host, changes]) => {
          const names = changes.slice(0, 5).map(({ resource }) => resource.replace(':', ' '))
          const more = changes.length - names.length
          const list = inLine([...names, ...(more > 0 ? [`${more} more`] : [])].join(', '))
          return `  ${inLine(host)}  ${paint.dim(truncate(list, columns - width(host) - 4))}`
        }),
      ]

const total = (hosts: readonly HostOutcome[], number: (host: HostOutcome) => number): number =>
  hosts.reduce((sum, host) => sum + number(host), 0)
