import { spawnSync } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { down, up } from './support/lab.ts'
import { renewalSite } from './support/renewal-site.ts'

const { project, lab, configure, serial } = renewalSite('t-renew', '10.79.41', 24)

beforeAll(() => up(lab), 300_000)
afterAll(async () => {
  await down(lab)
  project.remove()
})

it('a scheduled run renews with its own keys, twice in a row, and cannot log in to another host', async () => {
  const first = project.provision('run')
  expect(first.status, first.stdout + first.stderr).toBe(0)

  const { status, stdout, stderr } = project.provision('schedule', 'print')
  expect(status, stdout + stderr).toBe(0)
  expect(stdout).toMatch(/^The inventory uses inventory\/secrets\.yaml, so \S+\/age\.txt decrypts every secret in it\./m)
  const [, sshKey = '', ageKey = ''] = /The keys are (\S+) and (\S+)\.\n/.exec(stdout) ?? []
  const [, entry = ''] = /- (\{"name":"provision-renewal".*\})\n/.exec(stdout) ?? []
  configure(entry)
  expect(project.provision('run', '--role', 'base', '--limit', 'load_balancers').status).toBe(0)

  const own = project.env.PROVISION_AGE_KEY_FILE
  const renew = (...words: readonly string[]) => {
    project.env.PROVISION_AGE_KEY_FILE = ageKey
    const run = project.provision('run', '--user', 'provision-renewal', '--key', sshKey, ...words)
    project.env.PROVISION_AGE_KEY_FILE = own
    return run
  }
  const serials = new Set([serial()])
  for (let time = 1; time <= 2; time++) {
    await sleep(17_000)
    const run = renew('--role', 'haproxy-tls', '--limit', 'load_balancers')
    expect(run.status, run.stdout + run.stderr).toBe(0)
    serials.add(serial())
    expect(serials.size).toBe(time + 1)
  }

  const elsewhere = renew('--role', 'nginx', '--limit', 'web')
  expect(elsewhere.status).toBe(4)
  expect(elsewhere.stderr).toContain('web-01')
  // Its key decrypts the account and the edge authority only. The administrator's key is elsewhere and still decrypts both.
  expect(project.provision('run', '--dry-run', '--role', 'haproxy-tls').status).not.toBe(3)
  expect(spawnSync('stat', ['-c', '%a', ageKey, sshKey], { encoding: 'utf8' }).stdout).toBe('600\n600\n')
}, 300_000)
