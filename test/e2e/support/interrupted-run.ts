// Runs a playbook with the real engine and ends itself with SIGKILL at the first event whose text matches: `node interrupted-run.ts PATTERN`.
// An event comes before the next request is sent, so the position of the cut is exact. `node interrupted-run.ts PATTERN SIGSTOP` stops
// there until it gets SIGCONT, and then prints the problems of the run.
import './provision-loader.ts'
import type { Event } from '../../../src/engine/events.ts'

const { prepare } = await import('../../../src/engine/prepare.ts')
const { apply } = await import('../../../src/engine/apply/apply.ts')
const { plan } = await import('../../../src/engine/run.ts')

const pattern = new RegExp(process.argv[2] ?? '')
const blow = process.argv[3] === 'SIGSTOP' ? 'SIGSTOP' : 'SIGKILL'
let struck = false
const said = (event: Event): string => {
  if (event.type === 'doing') return `${event.host} doing ${event.what ?? ''}`
  return event.type === 'change' ? `${event.change.host} ${event.phase} ${event.change.resource}` : event.type
}
const listen = (event: Event): void => {
  if (struck || !pattern.test(said(event))) return
  struck = true
  process.kill(process.pid, blow)
}
const signal = new AbortController().signal
const lock = { user: 'test', machine: 'here', command: 'killed', since: new Date().toISOString() }
const planned = await plan(await prepare({ root: process.cwd(), env: process.env, allowDataLoss: process.argv.slice(4) }), {
  listen,
  signal,
  lock,
})
const { problems } = await apply(planned)
for (const { what } of problems) process.stdout.write(`${what}\n`)
await planned.close()
