import { expect, test } from 'vitest'
import { humanReport } from '../../../src/report/human.ts'
import { plainActivity } from '../../../src/report/plain.ts'
import type { Ending } from '../../../src/report/report.ts'
import { change, outcomeOf, plainView, planOf } from '../report/values.ts'
import { blocks, read } from './pages.ts'

const [transcript = ''] = blocks(read('README.md'), '').filter((block) => block.startsWith('$ '))
/** Output of each command of the transcript. `…` replaces omitted lines. */
const commands = transcript
  .split(/^\$ /m)
  .slice(1)
  .map((text) => ({
    command: text.slice(0, text.indexOf('\n')),
    pieces: text
      .slice(text.indexOf('\n') + 1)
      .trimEnd()
      .split(/^\s*…\n/m),
  }))

const PAGE = `@@ -10,7 +10,7 @@
   <body>
     <main>
       <img src="icon.svg" alt="" width="96" height="96">
-      <h1>It runs</h1>
+      <h1>It works</h1>
       <p>
`
const deployment = {
  action: 'update',
  reason: '1 file changed',
  differences: [
    { key: 'release', from: '828db57334ec', to: '594d52b03faa' },
    { key: 'changed', to: 'index.html' },
  ],
  diff: PAGE,
} as const
const plan = planOf(
  change('web-01', 'release:/var/www/provision/site', deployment),
  change('web-02', 'release:/var/www/provision/site', deployment),
  change('web-02', 'service:nginx.service', {
    action: 'update',
    reason: 'not running',
    differences: [{ key: 'running', from: 'no', to: 'yes' }],
  }),
)
const hosts = [
  ['lb-01', 119],
  ['web-01', 109],
  ['web-02', 109],
].map(([host, resources]) => ({ host: String(host), resources: Number(resources), changed: 0, failed: 0, unreachable: false }))

/** Output of a run to a pipe, without durations. */
const printed = (ending: Pick<Ending, 'plan' | 'dryRun' | 'outcome'>): string => {
  let text = ''
  const out = (more: string): void => {
    text += more
  }
  const report = humanReport(out, plainView, plainActivity(out), () => 0)
  report.observing(hosts.map(({ host }) => host))
  report.planned(ending.plan, ['web servers'])
  if (!ending.dryRun && ending.plan.changes.length > 0) report.applying(ending.plan)
  for (const one of ending.dryRun ? [] : ending.plan.changes)
    report.listen({ type: 'change', phase: 'applied', change: one, durationMs: 1 })
  report.finished({ ...ending, problems: [], interrupted: false, restrictedBy: [] })
  return withoutDurations(text)
}
const withoutDurations = (text: string): string => text.replaceAll(/\d+(\.\d+)? s$/gm, 'DURATION')

test('the transcript in the README shows what these commands print', () => {
  const converged = planOf()
  const changed = { ...outcomeOf('changed', ...hosts), prediction: { predicted: 3, actual: 3 } }
  const all = [
    { command: 'npx provision run --dry-run', text: printed({ plan, dryRun: true, outcome: outcomeOf('changed', ...hosts) }) },
    { command: 'npx provision run', text: printed({ plan, dryRun: false, outcome: changed }) },
    { command: 'npx provision run', text: printed({ plan: converged, dryRun: false, outcome: outcomeOf('converged', ...hosts) }) },
  ]
  expect(commands.map(({ command }) => command)).toEqual(all.map(({ command }) => command))
  for (const [i, { pieces }] of commands.entries()) {
    let rest = all[i]?.text ?? ''
    for (const piece of pieces.map((one) => withoutDurations(one)).filter((one) => one !== '')) {
      expect(rest).toContain(piece)
      rest = rest.slice(rest.indexOf(piece) + piece.length)
    }
  }
})
