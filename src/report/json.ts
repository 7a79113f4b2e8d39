import type { PlannedChange } from '../engine/plan/plan.ts'
import { type Problem, placeOf } from '../problem.ts'
import { busyHosts } from './busy.ts'
import { jsonLine } from './json-line.ts'
import type { Ending, Report } from './report.ts'

/** One JSON object a line; the last one is the summary. The names in it are promised to others (DESIGN section 6). */
export const jsonReport = (out: (text: string) => void): Report => {
  const line = (value: unknown): void => out(jsonLine(value))
  const busy = busyHosts((host, what, lasted) =>
    line({ type: 'doing', host, what, ...(lasted === undefined ? {} : { durationMs: Math.round(lasted) }) }),
  )
  return {
    listen: (event) => {
      if (event.type === 'doing') busy.doing(event.host, event.what)
      if (event.type === 'rolling') busy.heard(event.host)
      // What was planned stands in the plan already, each change once.
      if (event.type === 'change' && event.phase !== 'planned') {
        busy.heard(event.change.host)
        line(changeLine(event.phase, event.change))
      }
      if (event.type === 'reverted') line({ type: 'reverted', host: event.change.host, resource: event.change.resource })
      if (event.type === 'warning' || event.type === 'note' || event.type === 'rolling') line(event)
    },
    looking: () => {},
    planned: ({ changes, rollouts: manners = [], withheld: leftovers = [] }, playNames) => {
      for (const { play, serial, at } of manners) line({ type: 'rolling', phase: 'planned', play: playNames[play], serial, at })
      for (const change of changes) line(changeLine('planned', change))
      for (const leftover of leftovers) line({ type: 'leftover', ...leftover, withheld: '--prune' })
    },
    applying: () => {},
    interrupting: () => {},
    settle: async () => busy.stop(),
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

export const problemLine = ({ class: sort, where, what, why, fix }: Problem) => ({
  type: 'problem',
  class: sort,
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
