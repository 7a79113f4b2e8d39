import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { SAFE_TO_BOOTSTRAP } from '../../../../src/resource/galera/apply.ts'
import { galera } from '../../../../src/resource/galera/galera.ts'
import type { GaleraState } from '../../../../src/resource/galera/observe.ts'
import type { Answer, ShellStep } from '../../../../src/resource/kind/step.ts'
import type { ServiceState } from '../../../../src/resource/service/observe.ts'
import { service } from '../../../../src/resource/service/service.ts'
import type { Script } from '../../../../src/shell/script.ts'

let place = ''
beforeEach(() => {
  place = mkdtempSync(join(tmpdir(), 'galera-'))
  for (const name of ['data', 'bin', 'session']) mkdirSync(join(place, name))
  program('setpriv', 'while [ "$1" != sh ] && [ "$1" != galera_recovery ]; do shift; done; exec "$@"')
  program('sleep', ':')
})
afterEach(() => rmSync(place, { recursive: true }))
const program = (name: string, script: string): void => writeFileSync(join(place, 'bin', name), `#!/bin/sh\n${script}\n`, { mode: 0o755 })
const data = (name: string): string => join(place, 'data', name)
const FLAG = '/run/mariadb-wsrep-new-cluster'

const run = (script: Script | string, env: Record<string, string> = {}) => {
  const text = String(script).replaceAll('/var/lib/mysql', join(place, 'data')).replaceAll(FLAG, join(place, 'flag'))
  const { status, stdout, stderr } = spawnSync('sh', ['-c', text], {
    env: { PATH: `${join(place, 'bin')}:${process.env.PATH}`, PLACE: place, T: join(place, 'session'), ...env },
    encoding: 'utf8',
    timeout: 20_000,
  })
  return { status, stdout, stderr }
}

describe('the state of a server that bootstraps', () => {
  const STATE = '# GALERA saved state\nversion: 2.1\nuuid:    61e2345f-e7f5-11f1-a02e-df21708565af\nseqno:   -1\nsafe_to_bootstrap: 0\n'

  it('is marked as safe, and changes in nothing else', () => {
    writeFileSync(data('grastate.dat'), STATE)
    writeFileSync(data('.provision-grastate'), 'the remains of an interrupted run')
    expect(run(SAFE_TO_BOOTSTRAP)).toMatchObject({ status: 0, stderr: '' })
    expect(readFileSync(data('grastate.dat'), 'utf8')).toBe(STATE.replace('safe_to_bootstrap: 0', 'safe_to_bootstrap: 1'))
    expect(readdirSync(join(place, 'data'))).toEqual(['grastate.dat'])
  })

  it('is left alone if there is none', () => {
    expect(run(SAFE_TO_BOOTSTRAP)).toMatchObject({ status: 0, stderr: '' })
    expect(readdirSync(join(place, 'data'))).toEqual([])
  })

  it('is not waited for at a named pipe, and not read from a directory', () => {
    spawnSync('mkfifo', [data('grastate.dat')])
    expect(run(SAFE_TO_BOOTSTRAP).status).not.toBeNull()
    rmSync(data('grastate.dat'))
    mkdirSync(data('grastate.dat'))
    expect(run(SAFE_TO_BOOTSTRAP).status).toBe(1)
    expect(readdirSync(join(place, 'data'))).toEqual(['grastate.dat'])
  })

  it('is read up to 4096 bytes, and written with its end on the disk', () => {
    const line = `${'x'.repeat(63)}\n`
    writeFileSync(data('grastate.dat'), line.repeat(100))
    program('dd', 'echo "$*" >>"$PLACE/dd"; exec /bin/dd "$@"')
    expect(run(SAFE_TO_BOOTSTRAP)).toMatchObject({ status: 0, stderr: '' })
    expect(readFileSync(data('grastate.dat'), 'utf8')).toBe(line.repeat(64))
    expect(readFileSync(join(place, 'dd'), 'utf8').split('\n')[1]).toContain('conv=excl,fsync')
  })

  it('is an error without a data directory, or if it cannot be written', () => {
    program('mv', 'exit 1')
    writeFileSync(data('grastate.dat'), STATE)
    expect(run(SAFE_TO_BOOTSTRAP).status).toBe(1)
    expect(readFileSync(data('grastate.dat'), 'utf8')).toBe(STATE)
    rmSync(data('.provision-grastate'))
    mkdirSync(data('.provision-grastate'))
    expect(run(SAFE_TO_BOOTSTRAP).status).toBe(1)
    rmSync(join(place, 'data'), { recursive: true })
    expect(run(SAFE_TO_BOOTSTRAP).status).toBe(1)
  })

  it('is not read through a link', () => {
    writeFileSync(join(place, 'elsewhere'), STATE)
    symlinkSync(join(place, 'elsewhere'), data('grastate.dat'))
    expect(run(SAFE_TO_BOOTSTRAP).status).not.toBe(0)
    expect(readFileSync(join(place, 'elsewhere'), 'utf8')).toBe(STATE)
  })
})

const { spec } = galera({
  cluster: 'database',
  me: 'a',
  servers: ['a', 'b'],
  arbitrators: [],
  service: service({ unit: 'mariadb.service' }),
})
const stopped: GaleraState = {
  service: { load: 'loaded', active: 'inactive', sub: 'dead', result: 'success', enabled: 'enabled' } as ServiceState,
  status: undefined,
  position: { uuid: undefined, seqno: -1, databases: [] },
  otherRuns: false,
}
const ok = (text = ''): Answer => ({ code: 0, stdout: Buffer.from(text), stderr: '' })

/** The steps of a server that finds all members stopped. */
const stepsOfStopped = () => {
  const members = () =>
    new Map([
      ['a', stopped],
      ['b', stopped],
    ])
  const change = { action: 'create', certainty: 'exact', reason: '', differences: [] } as const
  return galera.kind.apply([{ id: 'database', spec, state: stopped, change, members }])
}

/** The scripts of a server that bootstraps a new cluster: the bootstrap, and the wait until it is synced. */
const scripts = (): readonly ShellStep[] => {
  const steps = stepsOfStopped()
  const found: ShellStep[] = []
  for (let next = steps.next(); next.done !== true; ) {
    const step = next.value as ShellStep
    if (step.doing !== undefined) found.push(step)
    next = steps.next(ok(String(step.script).includes("SELECT 'end'") ? 'down\n' : ''))
  }
  return found
}

describe('a bootstrap', () => {
  const bootstrap = (): ShellStep => scripts()[0] ?? expect.fail('no bootstrap')

  it('has its flag while the unit starts, and never longer', () => {
    program(
      'systemctl',
      'case "$*" in *UnitFileState*) echo enabled ;; *ActiveState*) printf "ActiveState=%s\\nType=notify\\n" "$(cat "$PLACE/state" 2>/dev/null || echo inactive)" ;; start*) cp "$PLACE/flag" "$PLACE/seen"; [ -z "$FAILS" ] || exit 1; echo active >"$PLACE/state" ;; esac',
    )
    program('mariadb', 'echo Primary,Synced')
    program('journalctl', ':')
    const started = run(bootstrap().script)
    expect(started).toMatchObject({ status: 0, stdout: expect.stringContaining('provision-done mariadb.service') })
    expect(readFileSync(join(place, 'seen'), 'utf8')).toBe('_WSREP_NEW_CLUSTER=--wsrep-new-cluster\n')
    expect(existsSync(join(place, 'flag'))).toBe(false)
    rmSync(join(place, 'state'))
    expect(run(bootstrap().script, { FAILS: '1' })).toMatchObject({
      status: 1,
      stdout: expect.stringContaining('provision-refused mariadb.service start'),
    })
    expect(existsSync(join(place, 'flag'))).toBe(false)
  })

  it('is not begun if its data cannot be marked as safe', () => {
    program('setpriv', 'echo denied; exit 1')
    program('systemctl', ': >"$PLACE/called"')
    expect(run(bootstrap().script)).toMatchObject({ status: 1, stderr: 'denied\n' })
    program('setpriv', ':')
    mkdirSync(join(place, 'flag'))
    expect(run(bootstrap().script).status).not.toBe(0)
    expect(existsSync(join(place, 'called'))).toBe(false)
  })
})

describe('the recovery of a position', () => {
  const recovery = (): Script => {
    const steps = stepsOfStopped()
    for (let next = steps.next(); next.done !== true; ) {
      const step = next.value as ShellStep
      if (step.doing?.startsWith('recovering') === true) return step.script
      const isStatus = String(step.script).includes("SELECT 'end'")
      next = steps.next(ok(isStatus ? 'down\n' : 'uuid: 61e2345f-e7f5-11f1-a02e-df21708565af\nseqno: -1\n'))
    }
    return expect.fail('no recovery')
  }

  it('is done by the account mysql, for as long as a start may take', () => {
    program('timeout', 'echo "$*" | head -n 1 >"$PLACE/as"; shift 3; exec "$@"')
    program('galera_recovery', 'echo "--wsrep_start_position=61e2345f-e7f5-11f1-a02e-df21708565af:77"')
    expect(run(recovery())).toEqual({
      ...{ status: 0, stderr: '', stdout: '--wsrep_start_position=61e2345f-e7f5-11f1-a02e-df21708565af:77\n' },
    })
    expect(readFileSync(join(place, 'as'), 'utf8')).toMatch(/^-k 5 1500 setpriv --reuid=mysql --regid=mysql /)
  })

  it('fails with the message of the server', () => {
    program('galera_recovery', 'echo "cannot lock the data"; exit 2')
    expect(run(recovery())).toEqual({ status: 1, stdout: '', stderr: 'cannot lock the data\n' })
  })
})

describe('the wait for a server to be synced', () => {
  const wait = (): Script => scripts().find(({ doing }) => doing === 'waiting until it is synced')?.script ?? expect.fail('no wait')

  it.each(['Primary,Synced', 'Primary,Donor/Desynced'])('ends at %s', (state) => {
    program('sleep', 'echo "$*" >>"$PLACE/slept"')
    program(
      'mariadb',
      `echo x >>"$PLACE/asked"; echo "$*" >"$PLACE/words"; [ "$(wc -l <"$PLACE/asked")" -lt 3 ] && echo Primary,Joining || echo ${state}`,
    )
    expect(run(wait())).toMatchObject({ status: 0 })
    expect(readFileSync(join(place, 'asked'), 'utf8')).toBe('x\nx\nx\n')
    expect(readFileSync(join(place, 'slept'), 'utf8')).toBe('0.2\n0.2\n')
    expect(readFileSync(join(place, 'words'), 'utf8')).toMatch(/ -e SELECT GROUP_CONCAT\(VARIABLE_VALUE ORDER BY VARIABLE_NAME\) FROM /)
  })

  it.each(['non-Primary,Initialized', 'Primary,Joined', 'Disconnected,Synced'])('does not end at %s', (state) => {
    program('mariadb', `echo ${state}`)
    program('sleep', ':')
    expect(run(String(wait()).replace('-lt 1800', '-lt 3'))).toMatchObject({ status: 1, stdout: `it is ${state}\n` })
  })

  it('ends with the error of a client after six minutes', () => {
    program('mariadb', 'echo x >>"$PLACE/asked"; echo "ERROR 2002" >&2; exit 1')
    program('sleep', ':')
    expect(String(wait())).toContain('-lt 1800')
    expect(run(String(wait()).replace('-lt 1800', '-lt 3'))).toMatchObject({ status: 1, stdout: 'it is ERROR 2002\n', stderr: '' })
    expect(readFileSync(join(place, 'asked'), 'utf8')).toBe('x\nx\nx\nx\n')
  })
})
