import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { DEFINE_DATA } from '../../../../src/resource/database/mariadb.ts'
import { type Answer, HostRefusal, type ShellStep } from '../../../../src/resource/kind/step.ts'
import { replication } from '../../../../src/resource/replication/replication.ts'
import { seed } from '../../../../src/resource/replication/seed.ts'
import { service } from '../../../../src/resource/service/service.ts'

const servers = ['one', 'two'].map((host, i) => ({ host, address: `10.0.0.${i + 1}`, certificate: `${host}.internal` }))
const { spec } = replication({
  ...{ name: 'database', me: 'two', primary: 'one', servers, pair: '/p', trusted: '/t', seedPort: 4444, opener: 'opener.service' },
  service: service({ unit: 'mariadb.service' }),
})

/** The lock of the host, which its root shell has open as descriptor 9. */
const LOCK = openSync('/dev/null', 'r')

/** An account that stands for mysql, which root can become. */
const ACCOUNT = userInfo().uid === 0 ? 'nobody' : userInfo().username

let place = ''
beforeEach(() => {
  place = mkdtempSync(join(tmpdir(), 'seed-'))
  chmodSync(place, 0o755)
  for (const name of ['data', 'session', 'bin']) mkdirSync(join(place, name))
  // Every program runs as this account, and says as whom it should.
  program('setpriv', 'echo "$*" >>"$PLACE/setpriv"; while [ "$1" != sh ]; do shift; done; exec "$@"')
  program('timeout', '[ "$1 $2" = "-k 5" ] && echo "$3" >>"$PLACE/limits"; shift 3; exec "$@"')
  program('sleep', 'echo "$1" >>"$PLACE/sleep"; [ "$1" != 1 ] || exec /bin/sleep 0.05')
  program(
    'systemctl',
    'echo "$*" >>"$PLACE/systemctl"; case "$*" in "show -P SubState provision-database-seed.service") again states "$BUSY" && echo running || echo "$STATE" ;; "$REFUSED") exit 1 ;; esac',
  )
  program('systemd-run', 'printf "%s\\n" "$@" >"$PLACE/systemd-run"')
  program('again', 'echo x >>"$PLACE/$1"; [ "$(wc -l <"$PLACE/$1")" -le "$2" ]')
  program('ss', '[ "$*" = "-Hltn sport = :4444" ] && ! again ss "$DEAF" && echo LISTEN')
  program(
    'du',
    'echo "$*" >>"$PLACE/measured"; echo "du: cannot read directory 7/shop" >&2; [ "$1" = -sk ] && printf "3145728\\t%s\\n" "$2"',
  )
  program(
    'df',
    '[ "$*" = "-kP $PLACE/data" ] && printf "Filesystem 1024-blocks Used Available Capacity Mounted on\\n/dev/vda1 9 8 1000 89%% /\\n"',
  )
  program('mariadb', 'echo "$*" >>"$PLACE/mariadb"; [ -z "$SILENT" ]')
  program('journalctl', '[ "$*" = "-u provision-database-seed.service --no-pager -o cat -n 10" ] && echo the journal')
})
afterEach(() => rmSync(place, { recursive: true }))
const program = (name: string, script: string): void => writeFileSync(join(place, 'bin', name), `#!/bin/sh\n${script}\n`, { mode: 0o755 })
const read = (name: string): string => (existsSync(join(place, name)) ? readFileSync(join(place, name), 'utf8') : '')

/** Runs the script of a step on this machine, with the data directory in a temporary one. */
const run = ({ do: how, script }: ShellStep, env: Record<string, string> = {}): Answer => {
  expect(how).toBe('shell')
  const text = String(script)
    .replaceAll('/var/lib/mysql', join(place, 'data'))
    .replaceAll('getpwnam "mysql"', `getpwnam "${ACCOUNT}"`)
    .replace(/-lt (100|600) /, '-lt 4 ')
  const { status, stdout, stderr } = spawnSync('sh', ['-c', text], {
    env: {
      PATH: `${join(place, 'bin')}:${process.env.PATH}`,
      PLACE: place,
      T: join(place, 'session'),
      DEAF: '0',
      BUSY: '0',
      STATE: 'exited',
      ...env,
    },
    stdio: ['pipe', 'pipe', 'pipe', ...Array.from({ length: 6 }, () => 'ignore' as const), LOCK],
    timeout: 20_000,
  })
  return { code: status ?? -1, stdout, stderr: stderr.toString() }
}
const lines = (from: number, to: number): string => Array.from({ length: to - from + 1 }, (_, i) => `${from + i}\n`).join('')
const ok = (text = ''): Answer => ({ code: 0, stdout: Buffer.from(text), stderr: '' })

/** The steps of a copy up to the one that does this, with room for it. */
const stepThat = (doing: string, of = spec, observed?: readonly string[]) => {
  const steps = seed(of, observed)
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
    // Two directories of a large server take longer than a mark.
    expect(read('limits')).toBe('60\n1500\n')
  })

  it('deletes nothing while the server does not stop, or no mark can be written', () => {
    writeFileSync(join(place, 'data/ibdata1'), 'x')
    const { step } = stepThat('deleting old data')
    expect(run(step, { REFUSED: 'stop mariadb.service' }).code).toBe(1)
    expect(read('setpriv')).toBe('')
    program('sync', 'exit 1')
    expect(run(step).code).toBe(1)
    expect(read('data/ibdata1')).toBe('x')
    expect(read('systemd-run')).toBe('')
  })

  it('writes the mark over no file of others', () => {
    writeFileSync(join(place, 'elsewhere'), 'theirs')
    symlinkSync(join(place, 'elsewhere'), join(place, 'data/.provision-seeding'))
    program('sync', 'echo "$*" >"$PLACE/synced"')
    run(stepThat('deleting old data').step)
    expect(read('elsewhere')).toBe('theirs')
    expect(read('synced')).toBe(`${place}/data/.provision-seeding\n`)
  })

  it('deletes no database that was not there at the observation, and stops nothing then', () => {
    for (const name of ['mysql', 'sys', 'shop', 'shop 2']) mkdirSync(join(place, 'data', name))
    expect(run(stepThat('deleting old data', spec, ['shop 2', 'shop', 'gone']).step)).toMatchObject({ code: 0, stderr: '' })
    for (const name of ['shop', 'shop 2']) mkdirSync(join(place, 'data', name))
    rmSync(join(place, 'systemctl'))
    for (const observed of [[], ['shop'], ['shop 2'], ['shop', '2', 'sho']]) {
      const { steps, step } = stepThat('deleting old data', spec, observed)
      const answer = run(step)
      expect(() => steps.next(answer)).toThrow(
        expect.objectContaining({
          what: 'data of one not copied to two',
          why: expect.stringMatching(/^the data of two is not as it was observed: it has the database shop( 2)?$/),
          fix: 'run again: the next plan starts from the present state',
        }),
      )
    }
    expect(read('systemctl')).toBe('')
    expect(existsSync(join(place, 'data/shop 2'))).toBe(true)
  })

  it('is received and unpacked by the account mysql, from the certificate of the other server only', () => {
    run(stepThat('deleting old data').step)
    expect(read('systemd-run').split('\n')).toEqual([
      ...['-q', '--unit=provision-database-seed.service'],
      ...['User=mysql', 'Group=mysql', 'UMask=0027', 'NoNewPrivileges=yes', 'RemainAfterExit=yes', 'RuntimeMaxSec=86400'].flatMap((one) => [
        '-p',
        one,
      ]),
      ...['-p', 'Description=Copy of the data of one, one of 2 servers'],
      ...['bash', '-o', 'pipefail', '-c'],
      `${String(DEFINE_DATA).replaceAll('/var/lib/mysql', `${place}/data`)}; socat -u -T 300 OPENSSL-LISTEN:4444,pf=ip4,bind=10.0.0.2,reuseaddr,cert=/p,key=/p.key,cafile=/t,verify=1,commonname=one.internal STDOUT | mbstream -x -C "$data"`,
      '',
    ])
  })

  it('is sent only when the receiver listens', () => {
    const { step, steps } = stepThat('deleting old data')
    expect(run(step, { DEAF: '2' }).code).toBe(0)
    expect(read('sleep')).toBe('0.1\n0.1\n')
    rmSync(join(place, 'ss'))
    expect(run(step, { DEAF: '9' }).code).toBe(1)
    program('systemd-run', 'exit 1')
    expect(run(step).code).toBe(1)
    expect(() => steps.next({ ...ok(), code: 1 })).toThrow('two not ready to receive the data of one')
  })

  it('goes to IPv6 addresses as well', () => {
    const six = { ...spec, servers: spec.servers.map((one, i) => ({ ...one, address: `fd00::${i + 1}` })) }
    run(stepThat('deleting old data', six).step)
    expect(read('systemd-run')).toContain('OPENSSL-LISTEN:4444,pf=ip6,bind=[fd00::2],')
    expect(String(stepThat('sending all data', six).step.script)).toContain("'OPENSSL:[fd00::2]:4444,")
  })

  it('is sent by the account mysql to the certificate of the receiver', () => {
    program(
      'mariadb-backup',
      'echo "$*" >>"$PLACE/backup"; ! [ -e /proc/self/fd/9 ] || echo locked >>"$PLACE/backup"; head -c 3145728 /dev/zero; seq 30 >&2; exit $BACKUP',
    )
    program(
      'socat',
      'echo "$*" >"$PLACE/socat"; [ -z "$SOCAT" ] || { cat >/dev/null; exit 1; }; head -c 3145728 >"$PLACE/sent"; until grep -c ^1 "$PLACE/sleep" | grep -q "[2-9]"; do /bin/sleep 0.02; done; exec cat',
    )
    const { step } = stepThat('sending all data')
    expect(step).toMatchObject({ on: 'one', withinMs: 24 * 3_600_000 })
    const sent = run(step)
    expect(sent).toMatchObject({ code: 0, stderr: '' })
    expect(sent.stdout.toString()).toMatch(/^provision-doing: sent \d+ of about 3072 MB to two$/m)
    expect(read('sent')).toHaveLength(3_145_728)
    expect(read('backup')).toMatch(
      /^--no-defaults --socket=\/run\/mysqld\/mysqld\.sock --user=mysql --datadir=\S+\/data --backup --stream=xbstream --target-dir=\/tmp\/tmp\.\w+\n$/,
    )
    expect(existsSync(/target-dir=(\S+)/.exec(read('backup'))?.[1] ?? '/')).toBe(false)
    expect(read('socat')).toBe('-u -T 300 - OPENSSL:10.0.0.2:4444,cert=/p,key=/p.key,cafile=/t,verify=1,commonname=two.internal,no-sni=1\n')
    expect(read('setpriv')).toMatch(/^--reuid=mysql --regid=mysql --init-groups --no-new-privs sh -c data=.*\ndirectory=/m)
    // A copy that breaks off and a connection that breaks off are both failures.
    expect(run(step, { BACKUP: '1' })).toMatchObject({ code: 1, stderr: lines(11, 30) })
    expect(run(step, { SOCAT: '1' })).toMatchObject({ code: 1 })
    expect(run(step)).toMatchObject({ code: 0 })
  })

  it.each([
    ['exited', 0],
    ['failed', 1],
  ])('counts as received if its unit has %s', (state, code) => {
    const { step } = stepThat('receiving the data')
    expect(run(step, { STATE: state, BUSY: '3' })).toMatchObject({ code, stdout: Buffer.from(code === 0 ? '' : 'the journal\n') })
    expect(read('sleep')).toBe('0.1\n0.1\n0.1\n')
    expect(read('systemctl')).toContain('stop provision-database-seed.service\n')
    // One that never ends is stopped.
    expect(run(step, { BUSY: '99' }).code).toBe(1)
  })

  it('is prepared by the account mysql before the server starts, and its position is read', () => {
    program('mariadb-backup', 'echo "$*" >"$PLACE/prepare"; seq 30 >&2; [ -z "$CORRUPT" ]')
    const { step } = stepThat('preparing the copy')
    expect(step.withinMs).toBe(24 * 3_600_000)
    for (const name of ['xtrabackup', 'mariadb_backup']) {
      writeFileSync(join(place, `data/${name}_binlog_info`), 'mariadb-bin.000002 344 0-1-9')
      expect(run(step)).toMatchObject({ code: 0, stdout: Buffer.from('provision-position 0-1-9\n') })
      rmSync(join(place, `data/${name}_binlog_info`))
    }
    expect(read('limits')).toBe('86400\n86400\n')
    expect(read('prepare')).toBe(`--no-defaults --prepare --target-dir=${place}/data\n`)
    expect(read('systemctl')).toBe('start mariadb.service\nstart mariadb.service\n')
    expect(read('mariadb')).toMatch(/ -e DO 1$/m)
    rmSync(join(place, 'systemctl'))
    expect(run(step, { CORRUPT: '1' })).toMatchObject({ code: 1, stderr: lines(11, 30) })
    expect(read('systemctl')).toBe('')
    for (const env of [{ REFUSED: 'start mariadb.service' }, { SILENT: '1' }])
      expect(run(step, env)).toMatchObject({ code: 1, stdout: Buffer.from('') })
  })

  it('continues at the position of the other server, and loses its mark at the end', () => {
    const { steps } = stepThat('preparing the copy')
    const position = steps.next(ok('provision-position 0-1-9\n')).value as ShellStep
    expect(String(position.script)).toContain("SET GLOBAL gtid_binlog_state = '0-1-9'; SET GLOBAL gtid_slave_pos = '0-1-9';")
    expect(String((steps.next(ok()).value as ShellStep).script)).toContain('SET GLOBAL gtid_slave_pos = @@gtid_current_pos;')
    const replicates = ok('h\nself\nSlave_IO_State\tSlave_IO_Running\tSlave_SQL_Running\n\tYes\tYes\nend\n')
    steps.next(ok())
    steps.next(replicates)
    steps.next(replicates)
    const last = steps.next(replicates).value as ShellStep
    writeFileSync(join(place, 'data/.provision-seeding'), '')
    expect([run(last).code, run(last).code]).toEqual([0, 0])
    expect(readdirSync(join(place, 'data'))).toEqual([])
    expect(() => steps.next({ ...ok(), code: 1 })).toThrow('mark of the copy could not be deleted')
  })

  it('is kept with its mark if it does not replicate', () => {
    const { steps } = stepThat('preparing the copy')
    for (const answer of [ok('provision-position 0-1-9\n'), ok(), ok()]) steps.next(answer)
    expect(() => steps.next(ok('h\nself\nend\n'))).toThrow(
      'two has a copy of the data of one, but does not replicate from it: it has no source',
    )
  })

  it('is measured in kilobytes, with the room that the old data frees', () => {
    const steps = seed(spec, undefined)
    expect(run(steps.next().value as ShellStep)).toMatchObject({ code: 0, stdout: Buffer.from('3145728\n') })
    expect(run(steps.next(ok('3145728\n')).value as ShellStep)).toMatchObject({ code: 0, stdout: Buffer.from('3146728\n') })
    expect(read('measured')).toBe(`-sk ${place}/data\n`.repeat(2))
    expect(read('limits')).toBe('600\n600\n')
  })

  it.each<[string, string, string, boolean]>([
    ['fits with five percent to spare', '1000', '1051', true],
    ['does not fit', '1000', '1050', false],
  ])('begins only if it %s', (_, size, free, begins) => {
    const steps = seed(spec, undefined)
    expect((steps.next().value as ShellStep).on).toBe('one')
    steps.next(ok(size))
    if (begins) expect((steps.next(ok(free)).value as ShellStep).doing).toBe('deleting old data to receive that of one')
    else expect(() => steps.next(ok(free))).toThrow('data of one does not fit: its size is 1 MB, and 2 MB are free')
  })

  it.each([
    ['sender', { code: 1, stderr: 'no route' }, ok(), 'no route'],
    ['sender', { code: 1 }, ok('received'), 'the hosts reported no reason'],
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
