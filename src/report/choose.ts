import { humanReport } from './human.ts'
import { jsonReport } from './json.ts'
import { plainActivity } from './plain.ts'
import type { Format, Report } from './report.ts'
import { terminalActivity } from './terminal.ts'
import type { View } from './view.ts'

/** The destination of a report. */
export interface Screen {
  out(text: string): void
  readonly view: View
  /** Whether `out` is a terminal that can rewrite its lines. */
  readonly live: boolean
  rows(): number
}

/** Returns the report for a format. The default is `terminal` on a terminal, and `plain` elsewhere. */
export const chooseReport = (format: Format | undefined, { out, view, live, rows }: Screen): Report => {
  const selected = format ?? (live ? 'terminal' : 'plain')
  if (selected === 'json') return jsonReport(out)
  const activity = selected === 'terminal' && live ? terminalActivity(view, rows) : plainActivity(out)
  return humanReport(out, view, activity, () => performance.now())
}
