import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Answer, HostRefusal, type ShellStep } from '../../../../src/resource/kind/step.ts'
import { replication } from '../../../../src/resource/replication/replication.ts'
import { seed } from '../../../../src/resource/replication/seed.ts'
import { service } from '../../../../src/resource/service/service.ts'

const servers = ['one', 'two'].map((host, i) => ({ host, address: `10.0.0.${i + 1}`, certificate: `${host}.internal` }))
const { spec } = replication({
  ...{ name: 'database', me: 'two', primary: 'one', servers, pair: '/p', trusted: '/t', seedPort: 4444, opener: 'opener.service' },
  service: service({ unit: 'mariadb.service' }),
})

let place = ''
beforeEach(() => {
  place = mkdtempSync(join(tmpdir(), 'seed-'))
  for (const name of ['data', 'session', 'bin']) mkdirSync(join(place, name))
  // Every program runs as this account, and says as whom it should.
  program('setpriv', 'echo "$*" >>"$PLACE/setpriv"; while [ "$1" != sh ]; do shift; done; exec "$@"')
  program('systemctl', `echo "$*" >>"$PLACE/systemctl"; case $* in *SubState*) echo "\${STATE-exited}" ;; esac`)
  program('systemd-run', 'printf "%s\\n" "$@" >"$PLACE/systemd-run"')
  program('ss', 'echo LISTEN')
  program('perl', 'case "$*" in *mariadb_backup_binlog_info*) printf 0-1-9 ;; esac')
  program('mariadb', ':')
  program('journalctl', 'echo the journal')
})
afterEach(() => rmSync(place, { recursive: true }))
const program = (name: string, script: string): void => writeFileSync(join(place, 'bin', name), `#!/bin/sh\n${script}\n`, { mode: 0o755 })
const read = (name: string): string => (existsSync(join(place, name)) ? readFileSync(join(place, name), 'utf8') : '')

/** Runs the script of a step on this machine, with the data directory in a temporary one. */
const run = ({ script }: ShellStep, env: Record<string, string> = {}): Answer => {
  const text = String(script).replaceAll('/var/lib/mysql', join(place, 'data'))
  const { status, stdout, stderr } = spawnSync('sh', ['-c', text], {
    env: { PATH: `${join(place, 'bin')}:${process.env.PATH}`, PLACE: place, T: join(place, 'session'), ...env },
    timeout: 20_000,
  })
  return { code: status ?? -1, stdout, stderr: stderr.toString() }
}
const ok = (text = ''): Answer => ({ code: 0, stdout: Buffer.from(text), stderr: '' })

/** The steps of a copy up to the one that does this, with room for it. */
const stepThat = (doing: string) => {
  const steps = seed(spec)
  for (let next = steps.next(); ; next = steps.next(ok('1'))) {
    if (next.done === true) throw new Error(`no step: ${doing}`)
    const step = next.value as ShellStep
    if (step.doing?.startsWith(doing)) return { steps, step }
    if (step.doing === undefined && String(step.script).includes('df -kP')) {
      const sent = steps.next(ok('100'))
      if ((sent.value as ShellStep).doing?.startsWith(doing)) return { steps, step: sent.value as ShellStep }
    }
  }
}

describe('a copy of all data', () => {
  it('replaces the old data only by the account mysql, after a mark that it is incomplete', () => {
    mkdirSync(join(place, 'data/shop'))
    mkdirSync(join(place, 'data/lost+found'))
    writeFileSync(join(place, 'data/ibdata1'), 'x')
    expect(run(stepThat('deleting old data').step)).toMatchObject({ code: 0, stderr: '' })
    expect(readdirSync(join(place, 'data')).sort()).toEqual(['.provision-seeding', 'lost+found'])
    expect(
      read('setpriv')
        .split('\n')
        .filter((line) => line.startsWith('--reuid=mysql --regid=mysql --init-groups')),
    ).toHaveLength(2)
    expect(read('systemctl')).toMatch(/^stop provision-database-seed\.service\nstop mariadb\.service\n/)
  })

  it('is received and unpacked by the account mysql, from the certificate of the other server only', () => {
    run(stepThat('deleting old data').step)
    const words = read('systemd-run').split('\n')
    expect(words).toEqual(
      expect.arrayContaining(['--unit=provision-database-seed.service', 'User=mysql', 'Group=mysql', 'NoNewPrivileges=yes', 'UMask=0027']),
    )
    expect(words.slice(words.indexOf('bash'), -1)).toEqual([
      'bash',
      '-o',
      'pipefail',
      '-c',
      `socat -u -T 300 OPENSSL-LISTEN:4444,pf=ip4,bind=10.0.0.2,reuseaddr,accept-timeout=60,cert=/p,key=/p.key,cafile=/t,verify=1,commonname=one.internal STDOUT | mbstream -x -C ${place}/data`,
    ])
  })

  it('is sent by the account mysql to the certificate of the receiver', () => {
    program('mariadb-backup', `echo the data; echo "$*" >>"$PLACE/backup"; echo progress >&2; exit "\${BACKUP-0}"`)
    program('socat', `echo "$*" >"$PLACE/socat"; cat >"$PLACE/sent"; exit "\${SOCAT-0}"`)
    const { step } = stepThat('sending all data')
    expect(step).toMatchObject({ on: 'one', withinMs: 24 * 3_600_000 })
    expect(run(step)).toMatchObject({ code: 0 })
    expect(read('sent')).toBe('the data\n')
    expect(read('backup')).toMatch(/--backup --stream=xbstream --target-dir=\/tmp\/tmp\.\w+\n$/)
    expect(read('socat')).toBe('-u -T 300 - OPENSSL:10.0.0.2:4444,cert=/p,key=/p.key,cafile=/t,verify=1,commonname=two.internal,no-sni=1\n')
    expect(read('setpriv')).toMatch(/^--reuid=mysql --regid=mysql --init-groups --no-new-privs sh -c directory=/m)
    // A copy that breaks off and a connection that breaks off are both failures.
    expect(run(step, { BACKUP: '1' })).toMatchObject({ code: 1, stderr: 'progress\n' })
    expect(run(step, { SOCAT: '1' })).toMatchObject({ code: 1 })
  })

  it.each([
    ['exited', 0],
    ['failed', 1],
  ])('counts as received if its unit has %s', (state, code) => {
    const { step } = stepThat('receiving the data')
    expect(run(step, { STATE: state })).toMatchObject({ code, stdout: Buffer.from(code === 0 ? '' : 'the journal\n') })
    expect(read('systemctl')).toContain('stop provision-database-seed.service\n')
  })

  it('is prepared by the account mysql before the server starts, and its position is read', () => {
    program('mariadb-backup', 'echo "$*" >"$PLACE/prepare"; [ -z "$REFUSES" ] || { echo corrupt >&2; exit 1; }')
    const { step } = stepThat('preparing the copy')
    expect(run(step)).toMatchObject({ code: 0, stdout: Buffer.from('provision-position 0-1-9\n') })
    expect(read('prepare')).toBe(`--no-defaults --prepare --target-dir=${place}/data\n`)
    expect(read('systemctl')).toBe('start mariadb.service\n')
    rmSync(join(place, 'systemctl'))
    expect(run(step, { REFUSES: '1' })).toMatchObject({ code: 1, stderr: 'corrupt\n' })
    expect(read('systemctl')).toBe('')
  })

  it.each<[string, string, string, boolean]>([
    ['fits with five percent to spare', '1000', '1051', true],
    ['does not fit', '1000', '1050', false],
  ])('begins only if it %s', (_, size, free, begins) => {
    const steps = seed(spec)
    expect((steps.next().value as ShellStep).on).toBe('one')
    steps.next(ok(size))
    if (begins) expect((steps.next(ok(free)).value as ShellStep).doing).toBe('deleting old data to receive that of one')
    else expect(() => steps.next(ok(free))).toThrow('data of one does not fit: its size is 1 MB, and 2 MB are free')
  })

  it.each([
    ['sender', { code: 1, stderr: 'no route' }, ok(), 'no route'],
    ['receiver', ok(), { ...ok('broken pipe'), code: 1 }, 'broken pipe'],
  ])('that was interrupted at the %s is reported with its words', (_, sent, taken, why) => {
    const { steps } = stepThat('sending all data')
    steps.next({ ...ok(), ...sent })
    expect(() => steps.next(taken)).toThrow(HostRefusal)
    const again = stepThat('sending all data').steps
    again.next({ ...ok(), ...sent })
    expect(() => again.next(taken)).toThrow(why)
  })
})
