import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { backupScript, forgetScript, NOTHING } from '../../../../roles/mysql/backup-script.ts'
import { type Place, place } from './stand-ins.ts'

const RECIPIENTS = ['age1first', 'age1second']
const STORE = { address: '10.0.0.11', name: 'lb-01.database.test', port: 4569 }
const PKI = { pair: '/pki/host.pem', trusted: '/pki/authority.pem' }

/** A host with a server that has the database `shop`, and programs that do as told by variables. */
const host = (): Place => {
  const there = place()
  mkdirSync(join(there.path, 'state'))
  there.program(
    'mariadb',
    `printf '%s\\n' "$*" >>"$PLACE/clients"
case "$*" in
*work/socket*'DO 1'*) [ -z "$NO_SERVER" ] ;;
*work/socket*) cat >"$PLACE/sent.$$"
  if grep -q CHECKSUM "$PLACE/sent.$$"; then printf '%s\\n' "\${RESTORED-shop.t	42}"
  else cp "$PLACE/sent.$$" "$PLACE/restored.sql"; [ -z "$REFUSED" ] || { printf '%s\\n' "$REFUSED" >&2; exit 1; }; fi ;;
*--unbuffered*) while IFS= read -r line; do printf '%s\\n' "$line" >>"$PLACE/session"
  case $line in *"'locked'"*) [ -n "$NO_LOCK" ] || echo locked ;; CHECKSUM*) printf 'shop.t\\t42\\n' ;; esac; done ;;
*'FROM information_schema.SCHEMATA'*) [ -n "$EMPTY" ] || echo shop ;;
*INNODB_TRX*) echo "\${RUNNING-2}" ;;
*'CHECKSUM TABLE'*) echo 'CHECKSUM TABLE \`shop\`.\`t\`;' ;;
esac`,
  )
  there.program('mariadb-dump', `printf '%s\\n' "$*" >"$PLACE/dump.args"; echo 'CREATE TABLE t;'; exit "\${DUMP-0}"`)
  there.program(
    'mariadb-install-db',
    'printf "%s\\n" "$*" >"$PLACE/install.args"; [ -z "$NO_INSTALL" ] || { echo no room; exit 1; }; mkdir work/test',
  )
  there.program('timeout', 'echo "$1" >>"$PLACE/limits"; shift; exec "$@"')
  there.program('sync', 'echo "$*" >>"$PLACE/synced"')
  there.program(
    'mariadbd',
    'printf "%s\\n" "$*" >"$PLACE/server.args"; echo "the log of the server" >&2; stat -c "%a %n" work work/dump.sql.gz >"$PLACE/modes"; trap "exit 0" TERM; while :; do sleep 0.1; done',
  )
  there.program(
    'age',
    'printf "%s\\n" "$*" >"$PLACE/age.args"; while [ "$1" != -o ]; do shift; done; { echo sealed; sha256sum <"$3"; } >"$2"',
  )
  there.program(
    'socat',
    `printf '%s\\n' "$*" >"$PLACE/socat.args"; cat >"$PLACE/received"; read -r name rest <"$PLACE/received"; echo "\${ANSWER-stored $name}"`,
  )
  return there
}
const backup = (there: Place, env: Record<string, string> = {}, isSent = true) =>
  there.run(backupScript({ flavour: 'mariadb', recipients: RECIPIENTS, store: isSent ? STORE : undefined, keepDays: 3, pki: PKI }), {
    env: { STATE_DIRECTORY: join(there.path, 'state'), ...env },
  })
const left = (there: Place) => readdirSync(join(there.path, 'state'))

describe('a backup', () => {
  it('is dumped under a lock, restored, compared, encrypted and sent with its size and sum', () => {
    const there = host()
    const { status, stdout, stderr } = backup(there)
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(stdout).toMatch(/^stored database-\d{8}T\d{6}Z\.sql\.gz\.age: 1 tables, restored and compared\n$/)
    const session = there.read('session').split('\n')
    const order = [
      'FLUSH TABLES WITH READ LOCK;',
      'START TRANSACTION WITH CONSISTENT SNAPSHOT;',
      'UNLOCK TABLES;',
      'CHECKSUM TABLE `shop`.`t`;',
    ]
    expect(order.map((line) => session.indexOf(line)).every((at, i, all) => at > (all[i - 1] ?? -1))).toBe(true)
    expect(there.read('dump.args')).toBe(
      '--no-defaults --socket=/run/mysqld/mysqld.sock --default-character-set=utf8mb4 --single-transaction --quick --routines --triggers --events --hex-blob --databases shop\n',
    )
    expect(there.read('restored.sql')).toBe('CREATE TABLE t;\n')
    const work = join(there.path, 'state/work')
    expect(there.read('install.args')).toBe(
      `--no-defaults --datadir=${work}/test --auth-root-authentication-method=normal --skip-test-db\n`,
    )
    expect(there.read('server.args')).toBe(
      `--no-defaults --datadir=${work}/test --socket=${work}/socket --pid-file=${work}/pid --skip-networking --skip-log-bin --innodb-flush-log-at-trx-commit=0 --innodb-buffer-pool-size=128M --max-allowed-packet=1G\n`,
    )
    expect(there.read('modes')).toBe('700 work\n600 work/dump.sql.gz\n')
    // Each client has its own settings only; queries under the lock end in time.
    const clients = there.read('clients').trim().split('\n')
    expect(new Set(clients.map((one) => one.replace(/ (-e|--unbuffered).*/, '')))).toEqual(
      new Set([
        '--no-defaults --socket=/run/mysqld/mysqld.sock --local-infile=0 --connect-timeout=10 --default-character-set=utf8mb4 -NB',
        `--no-defaults --local-infile=0 --socket=${work}/socket --user=root --default-character-set=utf8mb4 -NB`,
        ...clients.filter((one) => !one.startsWith('--no-defaults')),
      ]),
    )
    expect(new Set(there.read('limits').trim().split('\n'))).toEqual(new Set(['60']))
    expect(there.read('age.args')).toMatch(/^-r age1first -r age1second -o work\/\S+ work\/dump\.sql\.gz\n$/)
    const [header = '', ...bytes] = there.read('received').split('\n')
    const sealed = bytes.join('\n')
    const sum = createHash('sha256').update(sealed).digest('hex')
    expect(header).toBe(`${stdout.split(' ')[1]?.replace(':', '')} ${sealed.length} ${sum}`)
    expect(there.read('socat.args')).toBe(
      '-t 600 - OPENSSL:10.0.0.11:4569,cert=/pki/host.pem,key=/pki/host.pem.key,cafile=/pki/authority.pem,verify=1,commonname=lb-01.database.test,no-sni=1\n',
    )
    expect(left(there)).toEqual([])
  })

  it.each<[string, Record<string, string>, string]>([
    ['a table differs after the restore', { RESTORED: 'shop.t	43' }, 'the restored tables differ from the databases'],
    [
      'many tables differ after the restore',
      { RESTORED: Array.from({ length: 30 }, (_, i) => `shop.t${i}	43`).join('\n') },
      'more lines differ\nthe restored tables differ from the databases',
    ],
    ['the dump fails', { DUMP: '2' }, ''],
    [
      'the restore is refused',
      { REFUSED: "ERROR 1062 (23000) at line 7: Duplicate entry 'a secret row'" },
      'cannot be restored: ERROR 1062 (23000) at line 7',
    ],
  ])('is not sent if %s', (_, env, why) => {
    const there = host()
    const { status, stderr } = backup(there, env)
    expect(status).toBe(1)
    expect(stderr).toContain(why)
    expect(stderr).not.toContain('secret')
    expect(there.has('received')).toBe(false)
    expect(left(there)).toEqual([])
  })

  it('compares the tables of users only, each by its quoted name', () => {
    const there = host()
    backup(there)
    const queries = there.read('clients')
    for (const part of [
      "FROM information_schema.SCHEMATA WHERE SCHEMA_NAME NOT IN ('mysql', 'sys', 'information_schema', 'performance_schema')",
      "SELECT CONCAT('CHECKSUM TABLE \\`', REPLACE(TABLE_SCHEMA, '\\`', '\\`\\`'), '\\`.\\`', REPLACE(TABLE_NAME, '\\`', '\\`\\`'), '\\`;')".replaceAll(
        '\\`',
        '`',
      ),
      "WHERE TABLE_TYPE = 'BASE TABLE' AND TABLE_SCHEMA NOT IN ('mysql', 'sys', 'information_schema', 'performance_schema') ORDER BY TABLE_SCHEMA, TABLE_NAME --raw\n",
    ])
      expect(queries).toContain(part)
  })

  it.each<[string, Record<string, string>, string]>([
    ['no temporary server can be made', { NO_INSTALL: '1' }, 'no room\n'],
    [
      'the temporary server does not start',
      { NO_SERVER: '1' },
      'the log of the server\nthe temporary server for the restore test does not start\n',
    ],
    ['a query is not answered in time', { TIMEOUT: '1' }, 'the server did not answer within 60 seconds\n'],
    ['the dump cannot be decompressed', { DAMAGED: '1' }, 'the backup is damaged: it cannot be decompressed\n'],
    ['a restored table cannot be read', { UNREADABLE: '1' }, 'the restored tables cannot be read\n'],
    ['the checksums cannot be computed', { NO_SUM: '1' }, 'the checksums of the tables could not be computed\n'],
    ['it cannot be encrypted', { NO_AGE: '1' }, 'no key\n'],
  ])('is not sent if %s, and leaves nothing behind', (_, env, stderr) => {
    const there = host()
    if (env.TIMEOUT) there.program('timeout', 'exit 124')
    if (env.DAMAGED) there.program('gunzip', 'cat >/dev/null; exit 1')
    if (env.NO_AGE) there.program('age', 'echo no key >&2; exit 1')
    if (env.NO_SUM)
      there.program(
        'mariadb',
        `case "$*" in *--unbuffered*) while IFS= read -r line; do case $line in *"'locked'"*) echo locked ;; CHECKSUM*) exit 1 ;; esac; done ;; *SCHEMATA*) echo shop ;; *INNODB_TRX*) echo 2 ;; *'CHECKSUM TABLE'*) echo 'CHECKSUM TABLE t;' ;; esac`,
      )
    if (env.UNREADABLE)
      there.program(
        'mariadb',
        `case "$*" in *work/socket*'DO 1'*) ;; *work/socket*) ! grep -q CHECKSUM ;; *--unbuffered*) while IFS= read -r line; do case $line in *"'locked'"*) echo locked ;; CHECKSUM*) echo 'a 1' ;; esac; done ;; *SCHEMATA*) echo shop ;; *INNODB_TRX*) echo 2 ;; *'CHECKSUM TABLE'*) echo 'CHECKSUM TABLE t;' ;; esac`,
      )
    const script = backupScript({ flavour: 'mariadb', recipients: RECIPIENTS, store: STORE, keepDays: 3, pki: PKI }).replace(
      /until_true \d+/g,
      'until_true 3',
    )
    const outcome = there.run(script, { env: { STATE_DIRECTORY: join(there.path, 'state'), ...env } })
    expect(outcome.status).not.toBe(0)
    expect(outcome.stderr).toContain(stderr)
    expect([there.has('received'), left(there)]).toEqual([false, []])
    // No server of it is left either.
    expect(spawnSync('pgrep', ['-f', join(there.path, 'mariadbd')]).status).toBe(1)
  })

  it('removes the remains of an interrupted one', () => {
    const there = host()
    mkdirSync(join(there.path, 'state/work/test'), { recursive: true })
    expect(backup(there).status).toBe(0)
    expect(left(there)).toEqual([])
  })

  it('waits up to 70 seconds for the lock, 30 for the dump, and 60 for the temporary server', () => {
    const script = backupScript({ flavour: 'mariadb', recipients: RECIPIENTS, store: STORE, keepDays: 3, pki: PKI })
    expect([...script.matchAll(/^(?:.*; )?until_true (\d+) (\S+)/gm)].map(([, tenths, what]) => `${what} ${tenths}`)).toEqual([
      'grep 700',
      'dump_began 300',
      'answers 600',
    ])
    const { status, stdout } = spawnSync(
      'sh',
      [
        '-c',
        `${/^until_true\(\).*$/m.exec(script)?.[0]}\nsleep() { echo "$1"; }\nuntil_true 2 false; echo "$?"; until_true 2 true; echo "$?"`,
      ],
      { encoding: 'utf8' },
    )
    expect({ status, stdout }).toEqual({ status: 0, stdout: '0.1\n0.1\n1\n0\n' })
  })

  it('begins no dump without the lock, and does not continue before the dump has begun', () => {
    const soon = (there: Place, env: Record<string, string>) =>
      there.run(
        backupScript({ flavour: 'mariadb', recipients: RECIPIENTS, store: STORE, keepDays: 3, pki: PKI }).replace(
          /until_true \d+/g,
          'until_true 3',
        ),
        {
          env: { STATE_DIRECTORY: join(there.path, 'state'), ...env },
        },
      )
    const locked = host()
    expect(soon(locked, { NO_LOCK: '1' })).toMatchObject({ status: 1, stderr: 'the tables could not be locked to begin the backup\n' })
    expect(locked.has('dump.args')).toBe(false)
    const slow = host()
    slow.program('mariadb-dump', 'exec sleep 3')
    expect(soon(slow, { RUNNING: '1' })).toMatchObject({ status: 1, stderr: expect.stringContaining('the dump did not begin') })
    expect(slow.read('session')).not.toContain('UNLOCK TABLES')
  })

  it.each([
    ['the checksum does not match', 'did not store the backup: the checksum does not match'],
    ['stored another', 'did not store the backup: stored another'],
  ])('fails if the store answers: %s', (answer, why) => {
    const { status, stderr } = backup(host(), { ANSWER: answer })
    expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringContaining(why) })
  })

  it('is not made while no database exists, which has its own exit status', () => {
    const there = host()
    expect(backup(there, { EMPTY: '1' })).toMatchObject({ status: NOTHING, stdout: 'no database exists yet\n' })
    expect(there.has('dump.args')).toBe(false)
  })

  it('stays on the host without a store, encrypted, and old ones are deleted', () => {
    const there = host()
    expect(backup(there, {}, false).status).toBe(0)
    expect(left(there)).toEqual(['kept'])
    const [kept = '', ...more] = readdirSync(join(there.path, 'state/kept'))
    expect(more).toEqual([])
    expect(there.read(`state/kept/${kept}`)).toMatch(/^sealed\n/)
    expect(existsSync(join(there.path, 'received'))).toBe(false)
    expect(there.read('synced')).toBe(`work/${kept}\n`)
    const script = backupScript({ flavour: 'mariadb', recipients: RECIPIENTS, store: undefined, keepDays: 3, pki: PKI })
    expect(script).toContain(forgetScript('kept', 3))
  })
})
