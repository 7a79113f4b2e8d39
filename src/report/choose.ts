import { humanReport } from './human.ts'
import { jsonReport } from './json.ts'
import { plainMotion } from './plain.ts'
import type { Format, Report } from './report.ts'
import { terminalMotion } from './terminal.ts'
import type { View } from './view.ts'

/** Where a report is written. */
export interface Stage {
  out(text: string): void
  readonly view: View
  readonly live: boolean
  rows(): number
}

/** The report for a format; without one, a terminal is watched and anything else is read later. */
export const chooseReport = (format: Format | undefined, { out, view, live, rows }: Stage): Report => {
  const chosen = format ?? (live ? 'terminal' : 'plain')
  if (chosen === 'json') return jsonReport(out)
  const motion = chosen === 'terminal' && live ? terminalMotion(view, rows) : plainMotion(out)
  return humanReport(out, view, motion, () => performance.now())
}
