import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  BLOCKERS_SCRIPT,
  clientWithin,
  executeScript,
  fixOf,
  ifTableExists,
  queryScript,
  readRows,
  refuseChanged,
} from '../../../../src/resource/database/client.ts'
import { asMysql, DEFINE_AS_MYSQL, readAsMysql } from '../../../../src/resource/database/files.ts'
import { DEFINE_DATA, LIST_DATABASES, sqlName, sqlText } from '../../../../src/resource/database/mariadb.ts'
import { HostRefusal } from '../../../../src/resource/kind/step.ts'
import type { Script } from '../../../../src/shell/script.ts'
import { sh } from '../../../../src/shell/sh.ts'

/** The lock of the host, which its root shell has open as descriptor 9. */
const LOCK = openSync('/dev/null', 'r')

/** An account that stands for mysql, which root can become. */
const ACCOUNT = userInfo().uid === 0 ? 'nobody' : userInfo().username

let place = ''
let socket: Server | undefined
beforeEach(() => {
  place = mkdtempSync(join(tmpdir(), 'database-'))
  chmodSync(place, 0o755)
  for (const name of ['bin', 'data', 'session']) mkdirSync(join(place, name))
})
afterEach(() => {
  socket?.close()
  socket = undefined
  rmSync(place, { recursive: true })
})
const program = (name: string, script: string): void => writeFileSync(join(place, 'bin', name), `#!/bin/sh\n${script}\n`, { mode: 0o755 })
const runs = (): Promise<void> =>
  new Promise((resolve) => {
    socket = createServer().listen(join(place, 'mysqld.sock'), resolve)
  })

const run = (script: Script, input = '') => {
  const text = String(script)
    .replaceAll('/run/mysqld/mysqld.sock', join(place, 'mysqld.sock'))
    .replaceAll('/var/lib/mysql', join(place, 'data'))
    .replaceAll('getpwnam "mysql"', `getpwnam "${ACCOUNT}"`)
  const { status, stdout, stderr } = spawnSync('sh', ['-c', text], {
    env: { PATH: `${join(place, 'bin')}:${process.env.PATH}`, PLACE: place, T: join(place, 'session') },
    input,
    stdio: ['pipe', 'pipe', 'pipe', ...Array.from({ length: 6 }, () => 'ignore' as const), LOCK],
    timeout: 20_000,
  })
  return { status, stdout, stderr: stderr.toString() }
}

describe('a query', () => {
  const ask = (client: string, blockers = 'exit 1') => {
    program('mariadb', `case "$*" in *PROCESSLIST*) ${blockers} ;; *) ${client} ;; esac`)
    return run(queryScript('SELECT 1;')).stdout
  }

  it('goes to the server by standard input, with a mark at the end', async () => {
    await runs()
    expect(ask('cat; echo end').toString()).toBe("SELECT 1;\nSELECT 'end';\nend\n")
    expect(readRows(ask('echo end'))).toEqual([])
  })

  it('has no answer if no server runs, and starts no client then', () => {
    expect(readRows(ask(': >"$PLACE/called"; echo end'))).toBeUndefined()
    expect(existsSync(join(place, 'called'))).toBe(false)
  })

  it.each([
    ['a lock was not released', "echo 'ERROR 1205 (HY000) at line 1: Lock wait timeout exceeded' >&2; exit 1"],
    ['a statement took too long', "echo 'ERROR 1969 (70100) at line 1: max_statement_time exceeded' >&2; exit 1"],
    ['the client was ended by its alarm', 'kill -ALRM $$'],
  ])('names the threads that block it, if %s', async (_, client) => {
    await runs()
    const answer = ask(client, 'echo "thread 7 of root"')
    expect(() => readRows(answer)).toThrow('thread 7 of root')
    expect(() => readRows(ask(client))).toThrow('accepts connections and does not answer')
  })

  it('is silent if the server accepts the connection and sends no greeting; the next one does not wait again', async () => {
    await runs()
    program('mariadb', 'echo x >>"$PLACE/asked"; echo "ERROR 2013 (HY000): Lost connection, system error: 110 \\"timeout\\"" >&2; exit 1')
    const answer = run(sh`${queryScript('SELECT 1;')}
${queryScript('SELECT 2;')}`).stdout.toString()
    expect(answer).toBe('silent\nsilent\n')
    expect(readFileSync(join(place, 'asked'), 'utf8')).toBe('x\n')
  })

  it('has an outcome that does not depend on the query before', async () => {
    await runs()
    program(
      'mariadb',
      'case "$*" in *PROCESSLIST*) echo "thread 7"; exit 0 ;; esac; echo x >>"$PLACE/asked"; [ "$(wc -l <"$PLACE/asked")" = 1 ] && echo "ERROR 1205 (HY000): Lock" >&2 || echo "ERROR 2002 (HY000): \\\\n gone" >&2; exit 1',
    )
    const answer = run(sh`${queryScript('SELECT 1;')}
${queryScript('SELECT 2;')}`)
    expect(answer).toMatchObject({ stderr: '', stdout: Buffer.from('\nthread 7\nblocked\ndown\n') })
  })

  it('is one of root through the socket, without settings of root, and with time limits', async () => {
    await runs()
    program('mariadb', 'printf "%s\\n" "$@" >"$PLACE/words"; cat >/dev/null; echo end')
    run(queryScript('SELECT 1;'))
    expect(readFileSync(join(place, 'words'), 'utf8').split('\n')).toEqual([
      '--no-defaults',
      `--socket=${join(place, 'mysqld.sock')}`,
      '--local-infile=0',
      '--connect-timeout=10',
      '--init-command=SET lock_wait_timeout=10,max_statement_time=40',
      '--default-character-set=utf8mb4',
      '--loose-print-query-on-error=0',
      '-NB',
      '',
    ])
    expect([...String(queryScript('SELECT 1;')).matchAll(/alarm (\d+)/g)].map(([, seconds]) => seconds)).toEqual(['15', '60'])
  })

  it('fails with 127 if the host has no client', () => {
    const { status } = spawnSync('/bin/sh', ['-c', String(clientWithin('mariadb', 5))], { env: { PATH: '/nowhere:/usr/bin' } })
    expect(status).toBe(127)
  })

  it('counts any other failure as a server that does not run', async () => {
    await runs()
    expect(readRows(ask("echo 'ERROR 2002 (HY000): Can not connect' >&2; exit 1"))).toBeUndefined()
  })

  it('of a table that may be missing is chosen by the server', () => {
    expect(ifTableExists('t', "SELECT 'a' FROM mysql.t", 'mariadb')).toBe(
      `SELECT IF(COUNT(*) = 0, 'DO 0', 'SELECT \\'a\\' FROM mysql.t') INTO @question FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'mysql' AND TABLE_NAME = 't';\nEXECUTE IMMEDIATE @question;`,
    )
  })
})

describe('statements', () => {
  it('go to the client by standard input, and its failure is that of the script', () => {
    program('mariadb', 'cat >"$PLACE/sql"')
    expect(run(executeScript(), 'DO 1;\n')).toMatchObject({ status: 0, stderr: '' })
    expect(readFileSync(join(place, 'sql'), 'utf8')).toBe('DO 1;\n')
    expect(run(executeScript('DO 2;')).status).toBe(0)
    expect(readFileSync(join(place, 'sql'), 'utf8')).toBe('DO 2;\n')
    program('mariadb', "echo 'ERROR 1064 (42000) at line 1: syntax' >&2; exit 5")
    expect(run(executeScript('DO'))).toMatchObject({ status: 5, stderr: 'ERROR 1064 (42000) at line 1: syntax\n' })
  })

  it('that found something else than was observed say only that, with an exit status of its own', () => {
    program('mariadb', "echo 'ERROR 1644 (45000) at line 2: database shop is not as it was observed' >&2; exit 1")
    expect(run(executeScript('DO 1'))).toMatchObject({ status: 68, stderr: 'database shop is not as it was observed \n' })
    expect(refuseChanged("it's", '1 = 1')).toBe(
      String.raw`SELECT IF(1 = 1, 'DO 0', 'SIGNAL SQLSTATE \'45000\' SET MESSAGE_TEXT = \'it\\\'s is not as it was observed\'') INTO @compared;
EXECUTE IMMEDIATE @compared;
`,
    )
  })

  it('of MySQL say the same, in a text that a function refuses', () => {
    const line = "ERROR 1411 (HY000) at line 1: Incorrect string value: 'database shop is not as it was observed' for function uuid_to_bin"
    program('mysql', `echo "${line}" >&2; exit 1`)
    expect(run(executeScript('DO 1', 'mysql'))).toMatchObject({ status: 68, stderr: 'database shop is not as it was observed\n' })
    program('mysql', 'echo "ERROR 1411 (HY000) at line 1: Incorrect datetime value: \'x\' for function str_to_date" >&2; exit 1')
    expect(run(executeScript('DO 1', 'mysql'))).toMatchObject({ status: 1, stderr: expect.stringContaining('str_to_date') })
    program('mysql', 'case "$*" in *PROCESSLIST*) echo "thread 9" ;; *) echo "ERROR 3024 (HY000): time" >&2; exit 1 ;; esac')
    expect(run(executeScript('DO 1', 'mysql'))).toMatchObject({ status: 1, stderr: 'ERROR 3024 (HY000): time\nthread 9\n' })
    expect(fixOf('ERROR 3024 (HY000): time', 'x')).toBe('kill the thread that holds the lock, or wait for it, then run again')
  })

  it('that wait for a lock name the thread that holds it', () => {
    program('mariadb', 'case "$*" in *PROCESSLIST*) echo "thread 9" ;; *) echo "ERROR 1205 (HY000): Lock" >&2; exit 1 ;; esac')
    expect(run(executeScript('DO 1'))).toMatchObject({ status: 1, stderr: 'ERROR 1205 (HY000): Lock\nthread 9\n' })
  })

  it('end with their client, which is ended in time', () => {
    program('mariadb', 'exec sleep 15')
    const began = performance.now()
    expect(run(sh`${clientWithin('mariadb', 1)}`).status).not.toBe(0)
    expect(performance.now() - began).toBeLessThan(10_000)
    expect(String(clientWithin('mariadb', 9, true))).not.toContain('max_statement_time')
    expect(String(BLOCKERS_SCRIPT)).toContain('alarm 15')
  })
})

describe('a file of the data directory', () => {
  const read = (name: string) => run(readAsMysql(sh`${`/var/lib/mysql/${name}`}`))

  it('is read up to 4096 bytes; a missing one is empty', () => {
    writeFileSync(join(place, 'data/a'), 'x'.repeat(5000))
    expect(read('a').stdout.toString()).toBe('x'.repeat(4096))
    expect(read('b')).toMatchObject({ status: 0, stdout: Buffer.from('') })
  })

  it.each([
    ['a link', (path: string) => symlinkSync('/etc/passwd', path)],
    ['a named pipe', (path: string) => void spawnSync('mkfifo', [path])],
    ['a directory', (path: string) => void mkdirSync(path)],
  ])('is refused at once if it is %s', (_, make) => {
    make(join(place, 'data/a'))
    const { status, stdout, stderr } = read('a')
    expect({ status: status === 0, stdout: stdout.toString() }).toEqual({ status: false, stdout: '' })
    expect(stderr).toContain('data/a')
  })

  it('is changed by a script of the account mysql, whose output is bounded', () => {
    program('setpriv', 'echo "$*" | head -n 1 >"$PLACE/as"; while [ "$1" != sh ]; do shift; done; exec "$@"')
    const inside = (script: Script) => run(sh`${DEFINE_AS_MYSQL}\n${asMysql(script)}`)
    expect(inside(sh`echo shown only on failure`)).toMatchObject({ status: 0, stderr: '', stdout: Buffer.from('') })
    expect(readFileSync(join(place, 'as'), 'utf8')).toMatch(/^--reuid=mysql --regid=mysql --init-groups --no-new-privs sh -c /)
    expect(inside(sh`echo denied; exit 3`)).toMatchObject({ status: 1, stderr: 'denied\n' })
    expect(inside(sh`yes | head -c 200000; exit 1`).stderr.length).toBeLessThanOrEqual(65_537)
  })
})

describe('the account mysql', () => {
  it('gets neither the lock of the host nor its input, and has a limit of time', () => {
    program('setpriv', 'while [ "$1" != sh ]; do shift; done; exec "$@"')
    program('timeout', 'echo "$1 $2 $3" >>"$PLACE/limits"; shift 3; exec "$@"')
    const inside = (script: Script, seconds?: number) => run(sh`${DEFINE_AS_MYSQL}\n${asMysql(script, seconds)}`, 'a request')
    expect(inside(sh`[ ! -e /proc/self/fd/9 ] && [ -z "$(cat)" ]`)).toMatchObject({ status: 0, stderr: '' })
    inside(sh`:`, 7)
    expect(readFileSync(join(place, 'limits'), 'utf8')).toBe('-k 5 60\n-k 5 7\n')
    expect(run(sh`exec 8<&9 || exit 3`)).toMatchObject({ status: 0 })
  })

  it('has no file to read on a host without it', () => {
    writeFileSync(join(place, 'data/a'), 'x')
    const text = String(readAsMysql(sh`${join(place, 'data/a')}`))
    const { status, stdout, stderr } = spawnSync('sh', ['-c', text.replace('getpwnam "mysql"', 'getpwnam "nosuch-account"')], {
      encoding: 'utf8',
    })
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: '', stderr: '' })
    expect(text).toContain('alarm 20;')
  })

  it('cannot read a file of root', () => {
    writeFileSync(join(place, 'data/a'), 'x', { mode: 0o600 })
    if (userInfo().uid === 0) expect(run(readAsMysql(sh`/var/lib/mysql/a`)).stderr).toContain('Permission denied')
  })
})

it('the databases of a stopped server are the directories of its data, except its own', () => {
  for (const name of ['shop', 'a-b', 'mysql', 'sys', 'performance_schema', '#rocksdb', 'lost+found', 'two\nlines'])
    mkdirSync(join(place, 'data', name))
  writeFileSync(join(place, 'data/ibdata1'), '')
  expect(run(LIST_DATABASES).stdout.toString()).toBe('database a-b\ndatabase shop\n')
  rmSync(join(place, 'data'), { recursive: true })
  mkdirSync(join(place, 'data'))
  expect(run(LIST_DATABASES).stdout.toString()).toBe('')
})

it('escapes of a client are undone', () => {
  expect(readRows(Buffer.from('a\\nb\\tc\\0d\\\\e\\x\nend\n'))).toEqual([['a\nb\tc\0d\\e\\x']])
})

it('values and names are quoted for SQL on one line', () => {
  expect(sqlText(`it's a \\ and\na \0`)).toBe("'it\\'s a \\\\ and\\na \\0'")
  expect(sqlName('a`b')).toBe('`a``b`')
  expect(() => readRows(Buffer.from('x\n'))).toThrow(HostRefusal)
})

it.each([
  // The packages of Debian 12 and 13, Ubuntu 22.04 and 24.04 (MariaDB 1:10.6.23 to 1:11.8.9).
  ['of packages before 1:11.8.6-5', ['lib/mysql'], 'lib/mysql'],
  // The postinst of mariadb-server 1:11.8.6-5ubuntu0.1 (Ubuntu 26.04) prefers the directory that exists.
  ['of later packages', ['lib/mariadb'], 'lib/mariadb'],
  ['of later packages beside the data of another server', ['lib/mariadb', 'lib/mysql'], 'lib/mariadb'],
  ['of a server that was upgraded to them', ['lib/mysql', 'etc'], 'lib/mysql'],
  ['of such a server, beside a new directory', ['lib/mysql', 'lib/mariadb', 'etc/99-legacy-datadir.cnf'], 'lib/mysql'],
  ['of a bare host', [], 'lib/mysql'],
])('the data directory is that %s', (_, paths, expected) => {
  for (const path of paths) mkdirSync(join(place, path), { recursive: true })
  const script = `${DEFINE_DATA}; echo "$data"`
    .replaceAll('/var/lib', join(place, 'lib'))
    .replaceAll(/\/etc\/mysql\/mariadb.conf.d/g, join(place, 'etc'))
  expect(spawnSync('sh', ['-c', script], { encoding: 'utf8' }).stdout.trim()).toBe(join(place, expected))
})
