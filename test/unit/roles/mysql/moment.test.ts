import { mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { momentScript } from '../../../../roles/mysql/moment-script.ts'
import { options } from '../../../../roles/mysql/options.ts'
import mysql from '../../../../roles/mysql/role.ts'
import { keyOf } from '../../../../src/resource/kind/kind.ts'
import { contextOf, hostOf, RECIPIENT } from './context.ts'
import { type Place, place } from './stand-ins.ts'

const UNTIL = '2026-01-02T04:00:00Z'
const DUMP = '-- Written by provision at 2026-01-02T03:00:00Z mysql-bin.000002 345 db-01\nCREATE TABLE t;\n'

/** A host whose server has three binary logs. */
const host = (): Place => {
  const there = place()
  mkdirSync(join(there.path, 'state'))
  there.program(
    'mariadb',
    `case "$*" in
*'SHOW BINARY LOGS'*) printf 'mysql-bin.00000%s\\t9\\n' 1 2 3 ;;
*'DO 1'*) ;;
*SCHEMATA*) echo shop ;;
*--binary-mode*) cat >"$PLACE/executed"; [ -z "$ERRORS" ] || { printf '%s\\n' "$ERRORS" >&2; exit 1; } ;;
*) cat >"$PLACE/loaded" ;;
esac`,
  )
  there.program(
    'mariadb-binlog',
    `case "$*" in *--raw*) printf '%s\\n' "$*" >>"$PLACE/fetched"; for last; do :; done; echo x >"moment/$last" ;;
*) printf '%s %s\\n' "$TZ" "$*" >"$PLACE/replayed"; [ -z "$BROKEN" ] || exit 1; echo 'INSERT 2;' ;; esac`,
  )
  there.program('mariadb-install-db', 'mkdir moment/data')
  there.program('mariadbd', 'trap "exit 0" TERM; while :; do sleep 0.1; done')
  there.program('mariadb-dump', `printf '%s\\n' "$*" >"$PLACE/dumped"; echo 'the dump of a moment'`)
  there.program('timeout', 'shift; exec "$@"')
  return there
}
const run = (there: Place, dump = DUMP, { until = UNTIL, env = {} }: { until?: string; env?: Record<string, string> } = {}) =>
  there.run(`set -- ${until}\n${momentScript('db-01', join(there.path, 'state')).replace('gzip -1 <', 'cat <')}`, {
    env: { ERRORS: '', BROKEN: '', ...env },
    input: gzipSync(dump),
  })

describe('the dump of a moment', () => {
  it('comes from a temporary server that executes the binary log from the backup to the moment', () => {
    const there = host()
    expect(run(there)).toEqual({ status: 0, stdout: 'the dump of a moment\n', stderr: '' })
    expect(there.read('loaded')).toBe(DUMP)
    expect(there.read('fetched').match(/mysql-bin\.\d+$/gm)).toEqual(['mysql-bin.000002', 'mysql-bin.000003'])
    expect(there.read('replayed')).toBe(
      'UTC --no-defaults --start-position=345 --stop-datetime=2026-01-02 04:00:00 mysql-bin.000002 mysql-bin.000003\n',
    )
    expect(there.read('executed')).toBe('INSERT 2;\n')
    expect(there.read('dumped')).toContain(`--socket=${there.path}/state/moment/socket --user=root`)
    expect(readdirSync(join(there.path, 'state'))).toEqual([])
  })

  it('ignores statements about accounts that the temporary server does not have', () => {
    const env = { ERRORS: "ERROR 1396 (HY000) at line 9: Operation ALTER USER failed for 'x'@'%'" }
    expect(run(host(), DUMP, { env }).status).toBe(0)
  })

  it.each<[string, string | undefined, { until?: string; env?: Record<string, string> }, string]>([
    ['without a position', 'CREATE TABLE t;\n', {}, 'the backup has no position in the binary log: it is older than this option\n'],
    ['of another host', DUMP.replace('db-01', 'db-02'), {}, 'the backup is of db-02, which has the binary log that belongs to it\n'],
    ['with a damaged position', DUMP.replace('345', '3;id'), {}, 'the position in the backup is damaged\n'],
    ['with a damaged log', DUMP.replace('mysql-bin.000002', 'mysql-bin./x'), {}, 'the position in the backup is damaged\n'],
    [
      'whose log was deleted',
      DUMP.replace('000002', '000009'),
      {},
      'the server no longer has its binary log mysql-bin.000009: it keeps logs for the days of binlog_days\n',
    ],
    ['later than the moment', undefined, { until: '2026-01-02T02:59:59Z' }, ', after 2026-01-02T02:59:59Z; use an older one\n'],
    ['of a moment in the future', undefined, { until: '2999-01-01T00:00:00Z' }, '2999-01-01T00:00:00Z is in the future\n'],
    ['whose log cannot be read', undefined, { env: { BROKEN: '1' } }, 'the binary log cannot be read\n'],
    [
      'whose log cannot be executed',
      undefined,
      { env: { ERRORS: "ERROR 1062 (23000) at line 7: Duplicate entry 'a secret row'" } },
      'the binary log cannot be executed: ERROR 1062 (23000) at line 7\n',
    ],
  ])('is not made from a backup %s', (_, dump, given, why) => {
    const there = host()
    const { status, stdout, stderr } = run(there, dump, given)
    expect({ status, stdout, stderr }).toEqual({ status: 1, stdout: '', stderr: expect.stringContaining(why) })
    expect(stderr).not.toContain('secret')
    expect(readdirSync(join(there.path, 'state'))).toEqual([])
  })
})

describe('the option until', () => {
  const restore = (more: object = {}) => ({ restore: { file: 'a.sql.gz', until: UNTIL, ...more } })
  const backups = { backups: { recipients: [RECIPIENT] } }

  it('is a moment in UTC', () => {
    for (const until of ['2026-01-02 04:00:00', '2026-01-02', '2026-13-02T04:00:00Z', '2026-01-02T04:00:00+01:00', 'x\n'])
      expect(options.safeParse(restore({ until })).error?.issues.map(({ path }) => path.join('.'))).toEqual(['restore.until'])
  })

  it.each<[object, string]>([
    [{}, 'there are no backups'],
    [{ ...backups, topology: 'replica' }, 'backups are made on a replica, whose binary log is not that of the primary'],
    [{ ...backups, flavour: 'mysql', topology: 'replica' }, 'with MySQL, only the data of a backup can be restored'],
  ])('is refused with %j', (more, what) => {
    const found = mysql.check?.(contextOf('web-01', { ...restore(), ...more })) ?? []
    expect(found).toContainEqual(expect.objectContaining({ path: ['restore', 'until'], what }))
  })

  it('restores on the server that makes the backups, by its script', () => {
    const bytes = gzipSync('')
    const content = { type: 'local', path: '/p/a.sql.gz', sha256: 'x', size: bytes.length, open: () => bytes } as const
    const context = { ...contextOf('web-02', { ...restore(), ...backups }), files: () => [{ path: 'a.sql.gz', content }] }
    const resources = mysql.resources(context)
    expect(resources.find((one) => keyOf(one) === 'database-dump:a.sql.gz')?.spec).toMatchObject({
      servers: ['web-02'],
      through: { account: 'provision-backup', command: ['/usr/local/lib/provision/database-moment', UNTIL] },
    })
    expect(resources.map(keyOf)).toContain('file:/usr/local/lib/provision/database-moment')
    const single = { ...contextOf('db-01', { ...restore(), ...backups }, [hostOf('db-01', ['database'], '127.0.0.12')]) }
    expect(mysql.check?.(single)?.map(({ path }) => path.join('.'))).not.toContain('restore.until')
  })
})
