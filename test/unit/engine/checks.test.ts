import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type RoleCheck, runChecks } from '../../../src/engine/checks.ts'
import { Secret } from '../../../src/secret/secret.ts'
import { localShell } from './local-shell.ts'

let scratch = ''
beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'provision-checks-'))
})
afterEach(() => rmSync(scratch, { recursive: true, force: true }))

const check = (name: string, script: string, more: Partial<RoleCheck> = {}): RoleCheck => ({ role: 'nginx', name, script, ...more })
const NEEDS = { units: ['nginx.service'] }

/** Runs checks on a host whose `systemctl show` prints this. Returns the lines of the report, and the problems. */
const run = async (checks: readonly RoleCheck[], units = '', secrets: readonly Secret[] = []) => {
  writeFileSync(join(scratch, 'systemctl'), `#!/bin/sh\necho "$*" >>${scratch}/asked\ncat <<'END'\n${units}\nEND\n`, { mode: 0o755 })
  const shell = localShell('web-01', (script) => script.replaceAll('systemctl', join(scratch, 'systemctl')))
  const { checked, stopped, problems: others } = await runChecks(shell, checks, secrets)
  const problems = [...stopped, ...others]
  const lines = checked.map(
    ({ role, name, passed, because }) =>
      `${passed ? 'passed' : 'failed'} ${role} ${name}${because === undefined ? '' : ` because ${because}`}`,
  )
  return { lines, problems: problems.map(({ what, why, fix }) => ({ what, why, fix })), wheres: problems.map(({ where }) => where) }
}
const STATE = {
  active: 'LoadState=loaded\nActiveState=active\nSubState=running\nResult=success',
  stopped: 'LoadState=loaded\nActiveState=inactive\nSubState=dead\nResult=success',
}

describe('checks of a host', () => {
  it('run only if their units do, and the unit is the only failure otherwise', async () => {
    const all = [check('a', `touch ${scratch}/ran`, NEEDS), check('b', 'exit 1', NEEDS), check('c', 'exit 0')]
    const { lines, problems, wheres } = await run(all, STATE.stopped)
    expect(lines).toEqual([
      'failed nginx nginx.service runs',
      'failed nginx a because nginx.service runs',
      'failed nginx b because nginx.service runs',
      'passed nginx c',
    ])
    expect(wheres).toEqual([{ host: 'web-01', role: 'role nginx' }])
    expect(problems).toEqual([
      {
        what: 'check failed: nginx.service runs',
        why: 'nginx.service is not running: it is inactive (dead)',
        fix: 'run provision run --limit web-01, which starts it; if it stops again, read journalctl -u nginx.service -n 50 on web-01',
      },
    ])
    expect((await run(all, STATE.active)).lines).toEqual(['passed nginx a', 'failed nginx b', 'passed nginx c'])
  })

  it.each([
    [
      'LoadState=loaded\nActiveState=failed\nSubState=failed\nResult=exit-code',
      'nginx.service is not running: it is failed (failed), last result: exit-code',
    ],
    ['LoadState=not-found\nActiveState=inactive\nSubState=dead\nResult=success', 'nginx.service is not installed'],
    [
      'LoadState=loaded\nActiveState=activating\nSubState=auto-restart\nResult=signal',
      'nginx.service is not running: it is activating (auto-restart), last result: signal',
    ],
  ])('name the state of a unit: %j', async (state, why) => {
    expect((await run([check('a', 'exit 0', NEEDS)], state)).problems.map((problem) => problem.why)).toEqual([why])
  })

  it('ask for all units of a host at once, and for none without units', async () => {
    await run(
      [check('a', 'exit 0', NEEDS), check('b', 'exit 0', { units: ['nginx.service', 'app.service'] })],
      `${STATE.active}\n\n${STATE.active}`,
    )
    const asked = (await run([check('c', `cat ${scratch}/asked; exit 1`)])).problems[0]?.why
    expect(asked?.split('\n')).toEqual([expect.stringMatching(/^show .* -- nginx\.service app\.service$/)])
  })

  it('fail as a whole if the host does not report all units', async () => {
    const two = { units: ['nginx.service', 'app.service'] }
    await expect(run([check('a', 'exit 0', two)], STATE.active)).rejects.toMatchObject({
      ...{ class: 'task', where: { host: 'web-01' }, what: 'host did not report the state of its units' },
      fix: 'run systemctl status nginx.service app.service there',
    })
  })

  it('are a consequence of another check if both fail, and are listed below it', async () => {
    const all = [
      check('page', 'echo 503; exit 1', { follows: 'servers' }),
      check('other', 'exit 0'),
      check('servers', 'echo web-02 is DOWN; exit 1'),
    ]
    const { lines, problems } = await run(all)
    expect(lines).toEqual(['passed nginx other', 'failed nginx servers', 'failed nginx page because servers'])
    expect(problems.map(({ why }) => why)).toEqual(['web-02 is DOWN\npage: 503'])
    expect(
      (await run([check('page', 'echo wrong; exit 1', { follows: 'servers' }), check('servers', 'exit 0')])).problems.map(({ why }) => why),
    ).toEqual(['wrong'])
    // A check of another role with that name is no cause.
    expect(
      (await run([check('page', 'echo wrong; exit 1', { follows: 'servers' }), check('servers', 'exit 1', { role: 'mysql' })])).problems,
    ).toHaveLength(2)
  })

  it('have one problem for each role, and a separate one for each fix of their own', async () => {
    const { problems } = await run([
      check('a', 'echo one; exit 1'),
      check('b', 'echo two; echo lines; exit 1'),
      check('c', 'echo three; exit 1', { role: 'mysql', fix: 'do this' }),
      check('d', 'exit 3', { role: 'mysql' }),
    ])
    const compare = 'run provision run --dry-run to see whether its configuration differs; if it does not, read the service’s own log'
    expect(problems).toEqual([
      { what: 'check failed: c', why: 'three', fix: 'do this' },
      { what: '2 checks failed', why: 'a:\n  one\nb:\n  two\n  lines', fix: compare },
      { what: 'check failed: d', why: 'the check ended with exit status 3 and printed nothing', fix: compare },
    ])
  })

  it('are left out if they do not apply, and print no secret and not everything', async () => {
    const { lines, problems } = await run(
      [check('a', 'exit 77'), check('b', `echo hunter2-secret; head -c 5000 /dev/zero | tr '\\0' x; exit 1`)],
      '',
      [new Secret('hunter2-secret')],
    )
    expect(lines).toEqual(['failed nginx b'])
    expect(problems[0]?.why).toMatch(/^•••\nx+$/)
    expect(problems[0]?.why?.length).toBe(2000)
  })
})
