import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { backupScript, NOTHING } from '../../../../roles/mysql/backup-script.ts'
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
    `case "$*" in
*work/socket*'DO 1'*) exit 0 ;;
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
  there.program('mariadb-install-db', 'mkdir work/test')
  there.program('mariadbd', 'printf "%s\\n" "$*" >"$PLACE/server.args"; trap "exit 0" TERM; while :; do sleep 0.1; done')
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
  there.run(backupScript({ recipients: RECIPIENTS, store: isSent ? STORE : undefined, keepDays: 3, pki: PKI }), {
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
    expect(there.read('dump.args')).toMatch(/--single-transaction .*--routines --triggers --events .*--databases shop\n$/)
    expect(there.read('restored.sql')).toBe('CREATE TABLE t;\n')
    expect(there.read('server.args')).toContain('--skip-networking')
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

  it('begins no dump without the lock, nor goes on before the dump has begun', () => {
    const soon = (there: Place, env: Record<string, string>) =>
      there.run(backupScript({ recipients: RECIPIENTS, store: STORE, keepDays: 3, pki: PKI }).replace(/until_true \d+/g, 'until_true 3'), {
        env: { STATE_DIRECTORY: join(there.path, 'state'), ...env },
      })
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
  })
})
