import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { down, up } from '../e2e/support/lab.ts'
import { phaseLine, startLoad } from '../e2e/support/load/load.ts'
import { renewalSite } from '../e2e/support/renewal-site.ts'

// The long form of test/e2e/scheduled-renewal.test.ts: visitors send requests all the time and verify the certificate.
/** A minute and a half; renewed from the sixtieth second on. */
const LIFE_SECONDS = 90
const { project, lab, configure, serial } = renewalSite('t-renewals', '10.79.85', LIFE_SECONDS)

beforeAll(() => up(lab), 300_000)
afterAll(async () => {
  await down(lab)
  project.remove()
})

it('a scheduled run renews a certificate of minutes three times in a row, and no visitor notices', async () => {
  const first = project.provision('run')
  expect(first.status, first.stdout + first.stderr).toBe(0)
  const issued = performance.now()

  const { stdout } = project.provision('schedule', 'print')
  const [, sshKey = '', ageKey = ''] = /The keys are (\S+) and (\S+)\.\n/.exec(stdout) ?? []
  const [, entry = ''] = /- (\{"name":"provision-renewal".*\})\n/.exec(stdout) ?? []
  configure(entry)
  expect(project.provision('run', '--role', 'base', '--limit', 'load_balancers').status).toBe(0)
  project.env.PROVISION_AGE_KEY_FILE = ageKey

  const digest = createHash('sha256')
    .update(readFileSync(join(project.root, 'playbooks/site/index.html')))
    .digest('hex')
  const load = await startLoad(
    {
      address: '10.79.85.11',
      ca: readFileSync(join(project.root, '.provision/lab/t-renewals/roots.pem'), 'utf8'),
      pages: { name: 'www.example.test', paths: { '/': [digest] } },
    },
    'renewals',
  )
  const serials = [serial()]
  let due = issued + LIFE_SECONDS * 700
  for (let time = 1; time <= 3; time++) {
    await sleep(Math.max(0, due - performance.now()))
    const run = project.provision(
      'run',
      '--user',
      'provision-renewal',
      '--key',
      sshKey,
      '--role',
      'haproxy-tls',
      '--limit',
      'load_balancers',
    )
    expect(run.status, run.stdout + run.stderr).toBe(0)
    due = performance.now() + LIFE_SECONDS * 700
    serials.push(serial())
  }
  const { phase } = await load.stop()
  process.stdout.write(`${phaseLine(phase)}\n`)
  expect(new Set(serials).size).toBe(4)
  expect(phase.failures).toEqual([])
})
