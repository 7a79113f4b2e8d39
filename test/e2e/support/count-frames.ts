// Plans the playbook of this directory as a run would, and prints how many frames each host was sent: `lb-01 2`.
import './provision-loader.ts'

const { prepare } = await import('../../../src/engine/prepare.ts')
const { plan } = await import('../../../src/engine/run.ts')

const lock = { user: 'test', machine: 'here', command: 'frames', since: new Date().toISOString() }
const prepared = await prepare({ root: process.cwd(), env: process.env })
const run = await plan(prepared, { listen: () => undefined, signal: new AbortController().signal, lock })
for (const [host, { session }] of run.hosts) process.stdout.write(`${host} ${session.shell.frames}\n`)
await run.close()
