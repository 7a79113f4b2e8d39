import type { PlannedChange } from '../engine/plan/plan.ts'
import { type Problem, placeOf } from '../problem.ts'
import { jsonLine } from './json-line.ts'
import { reportLongActivities } from './long-activities.ts'
import type { Ending, Report } from './report.ts'

/** Prints one JSON object per line; the last one is the summary. Its field names are a public contract. */
export const jsonReport = (out: (text: string) => void): Report => {
  const line = (value: unknown): void => out(jsonLine(value))
  const activities = reportLongActivities((host, what, lastedMs) =>
    line({ type: 'doing', host, what, ...(lastedMs === undefined ? {} : { durationMs: Math.round(lastedMs) }) }),
  )
  return {
    listen: (event) => {
      if (event.type === 'doing') activities.doing(event.host, event.what)
      if (event.type === 'rolling') activities.printed(event.host)
      // `planned` prints the planned changes.
      if (event.type === 'change' && event.phase !== 'planned') {
        activities.printed(event.change.host)
        line(changeLine(event.phase, event.change))
      }
      if (event.type === 'reverted') line({ type: 'reverted', host: event.change.host, resource: event.change.resource })
      if (event.type === 'warning' || event.type === 'note' || event.type === 'rolling') line(event)
    },
    observing: () => {},
    planned: ({ changes, rollouts = [], withheld: orphans = [] }, playNames) => {
      for (const { play, serial, at } of rollouts) line({ type: 'rolling', phase: 'planned', play: playNames[play], serial, at })
      for (const change of changes) line(changeLine('planned', change))
      for (const orphan of orphans) line({ type: 'orphan', ...orphan, withheld: '--prune' })
    },
    applying: () => {},
    interrupting: () => {},
    paused: (work) => work(),
    settle: async () => activities.stop(),
    finished: ({ outcome, problems }: Ending) => {
      for (const problem of problems) line(problemLine(problem))
      line(summaryLine(outcome))
    },
    broken: (problems) => {
      for (const problem of problems) line(problemLine(problem))
      line(summaryLine({ result: 'failed', durationMs: Math.round(performance.now()), hosts: [] }))
    },
  }
}

const changeLine = (
  phase: 'planned' | 'applied' | 'failed',
  { host, role, resource, action, certainty, diff, fullDiff }: PlannedChange,
) => ({
  type: 'change',
  phase,
  host,
  role,
  resource,
  action,
  certainty,
  ...(diff === undefined ? {} : { diff }),
  ...(fullDiff === undefined ? {} : { fullDiff }),
})

export const problemLine = ({ class: problemClass, where, what, why, fix }: Problem) => ({
  type: 'problem',
  class: problemClass,
  place: placeOf(where),
  where,
  what,
  ...(why === undefined ? {} : { why }),
  fix,
})

export const summaryLine = ({ result, durationMs, hosts, prediction }: Ending['outcome']) => ({
  type: 'summary',
  result,
  durationMs,
  ...(prediction === undefined ? {} : { prediction }),
  hosts: Object.fromEntries(hosts.map(({ host, ...counts }) => [host, counts])),
})
