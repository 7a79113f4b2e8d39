import { existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { textOf } from './context.ts'
import { type Place, place } from './stand-ins.ts'

const SCRIPT = textOf('web-01', 'file:/usr/local/lib/provision/database-upgrade')

/** A server whose upgrade tool answers the check with this, and ends with this status. */
const host = (answer: string, status = 0): Place => {
  const there = place()
  mkdirSync(join(there.path, 'data'))
  there.write('tool', '')
  there.program('timeout', 'echo "$*" >>"$PLACE/limits"; [ "$1" != -k ] || shift 2; shift; exec "$@"')
  there.program('mariadb', 'case "$*" in *SELECT*) echo 86400 ;; esac; echo "$*" >>"$PLACE/sql"')
  there.program(
    'mariadb-upgrade',
    `case "$*" in *--check-if*) [ -z "${answer}" ] || { echo "${answer}"; exit 1; } ;; *) echo "$*" >>"$PLACE/upgrades"; exit ${status} ;; esac`,
  )
  return there
}
const start = (there: Place) =>
  there.run(
    SCRIPT.replaceAll('/var/lib/mysql', join(there.path, 'data'))
      .replaceAll('/var/lib/mariadb', join(there.path, 'later'))
      .replaceAll('/usr/bin/mariadb-upgrade', join(there.path, 'tool')),
  )

describe('a start of the server', () => {
  it('works in the data directory of the package', () => {
    const there = host('')
    mkdirSync(join(there.path, 'later'))
    writeFileSync(join(there.path, 'later/xtrabackup_info'), 'server_version = 10.6.12-MariaDB-log\n')
    expect(start(there)).toMatchObject({ status: 0, stderr: '' })
    expect(there.read('later/mysql_upgrade_info')).toBe('10.6.12-MariaDB')
  })

  it('upgrades the system tables if needed, with a lock limit that is restored', () => {
    const there = host('')
    expect(start(there)).toMatchObject({ status: 0, stderr: '' })
    expect(there.read('upgrades')).toBe('--no-defaults --socket=/run/mysqld/mysqld.sock --user=mysql --silent\n')
    const login = '--no-defaults --socket=/run/mysqld/mysqld.sock --user=mysql'
    const sql = `60 mariadb ${login} --local-infile=0 --connect-timeout=10 -NB -e`
    expect(there.read('limits').split('\n')).toEqual([
      `60 mariadb-upgrade ${login} --check-if-upgrade-is-needed`,
      `${sql} SELECT @@GLOBAL.lock_wait_timeout`,
      `${sql} SET GLOBAL lock_wait_timeout = 10`,
      `-k 10 1800 mariadb-upgrade ${login} --silent`,
      `${sql} SET GLOBAL lock_wait_timeout = 86400`,
      '',
    ])
    expect(there.read('sql').match(/SET GLOBAL lock_wait_timeout = \d+/g)).toEqual([
      'SET GLOBAL lock_wait_timeout = 10',
      'SET GLOBAL lock_wait_timeout = 86400',
    ])
  })

  it('upgrades nothing if the tables are up to date', () => {
    const there = host('This installation of MariaDB is already upgraded to 10.11')
    expect(start(there)).toMatchObject({ status: 0, stderr: '' })
    expect(there.has('upgrades')).toBe(false)
  })

  it('reports a check that fails in another way, and upgrades nothing', () => {
    const there = host('cannot connect')
    expect(start(there)).toMatchObject({ status: 1, stderr: expect.stringMatching(/^cannot connect\nmariadb-upgrade cannot determine/) })
    expect(there.has('upgrades')).toBe(false)
  })

  it('reports an upgrade that fails, after the lock limit was restored', () => {
    const there = host('', 7)
    expect(start(there)).toMatchObject({ status: 7, stderr: 'the system tables were not upgraded (exit 7): the next start tries again\n' })
    expect(there.read('sql')).toContain('SET GLOBAL lock_wait_timeout = 86400')
  })

  it.each([
    ['mariadb_backup_info', 'mariadb_upgrade_info'],
    ['xtrabackup_info', 'mysql_upgrade_info'],
  ])('takes the version of a copy of data from %s, for %s', (copy, info) => {
    const there = host('already upgraded')
    const data = (name: string) => join(there.path, 'data', name)
    there.write('tool', info)
    writeFileSync(data(copy), 'tool = x\nserver_version = 10.6.12-MariaDB-log\n')
    start(there)
    expect(readFileSync(data(info), 'utf8')).toBe('10.6.12-MariaDB')
  })

  it('does not replace a recorded version', () => {
    const there = host('already upgraded')
    writeFileSync(join(there.path, 'data/mysql_upgrade_info'), '10.11.1-MariaDB')
    writeFileSync(join(there.path, 'data/xtrabackup_info'), 'server_version = 10.6.12-MariaDB-log\n')
    start(there)
    expect(readFileSync(join(there.path, 'data/mysql_upgrade_info'), 'utf8')).toBe('10.11.1-MariaDB')
    expect(existsSync(join(there.path, 'data/mariadb_upgrade_info'))).toBe(false)
  })
  it('upgrades nothing without a limit of locks, or a data directory', () => {
    const there = host('')
    there.program('mariadb', 'exit 1')
    expect(start(there)).toMatchObject({ status: 1 })
    expect(there.has('upgrades')).toBe(false)
    const none = place()
    none.program('mariadb-upgrade', ': >"$PLACE/upgrades"')
    expect(start(none).status).toBe(1)
    expect(none.has('upgrades')).toBe(false)
  })

  it('records the version of a copy for others to read at most in its group, instead of a link', () => {
    const there = host('already upgraded')
    const data = (name: string) => join(there.path, 'data', name)
    writeFileSync(data('xtrabackup_info'), 'server_version = 10.6.12-MariaDB-log\n')
    writeFileSync(data('mariadb_backup_info'), 'server_version = 10.11.3-MariaDB\n')
    symlinkSync(join(there.path, 'elsewhere'), data('mysql_upgrade_info'))
    expect(start(there)).toMatchObject({ status: 0, stderr: '' })
    expect(readFileSync(data('mysql_upgrade_info'), 'utf8')).toBe('10.11.3-MariaDB')
    expect([there.has('elsewhere'), (statSync(data('mysql_upgrade_info')).mode & 0o777).toString(8)]).toEqual([false, '640'])
  })
})
