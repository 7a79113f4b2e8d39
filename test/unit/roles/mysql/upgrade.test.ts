import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
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
  there.program('mariadb', 'case "$*" in *SELECT*) echo 86400 ;; esac; echo "$*" >>"$PLACE/sql"')
  there.program(
    'mariadb-upgrade',
    `case "$*" in *--check-if*) [ -z "${answer}" ] || { echo "${answer}"; exit 1; } ;; *) echo "$*" >>"$PLACE/upgrades"; exit ${status} ;; esac`,
  )
  return there
}
const start = (there: Place) =>
  there.run(SCRIPT.replaceAll('/var/lib/mysql', join(there.path, 'data')).replaceAll('/usr/bin/mariadb-upgrade', join(there.path, 'tool')))

describe('a start of the server', () => {
  it('upgrades the system tables if needed, with a lock limit that is restored', () => {
    const there = host('')
    expect(start(there)).toMatchObject({ status: 0, stderr: '' })
    expect(there.read('upgrades')).toContain('--socket=/run/mysqld/mysqld.sock --user=mysql --silent')
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
})
