import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { accountsSql, isAccountSql } from '../../../../src/resource/database/account-observe.ts'
import { BLOCKERS_SCRIPT } from '../../../../src/resource/database/client.ts'
import { database } from '../../../../src/resource/database/database.ts'
import { databaseDump } from '../../../../src/resource/database/dump.ts'
import { statusScript } from '../../../../src/resource/replication/observe.ts'
import type { Script } from '../../../../src/shell/script.ts'
import { answersOf } from './sqlite.ts'

describe('the query of all accounts', () => {
  const priv = (more: object): string => JSON.stringify({ plugin: 'mysql_native_password', authentication_string: '*HASH', ...more })
  const tables = {
    'mysql.global_priv': [
      { User: 'shop', Host: '%', Priv: priv({ ssl_type: 1, max_user_connections: 20 }) },
      {
        User: 'both',
        Host: 'localhost',
        Priv: priv({ ssl_type: 3, x509_subject: '/CN=b', ssl_cipher: 'AES', auth_or: [{}], account_locked: true }),
      },
      { User: 'all', Host: '', Priv: priv({ is_role: true }) },
    ],
    'information_schema.USER_PRIVILEGES': [{ GRANTEE: "'shop'@'%'", PRIVILEGE_TYPE: 'USAGE', IS_GRANTABLE: 'NO' }],
    'information_schema.SCHEMA_PRIVILEGES': [
      { GRANTEE: "'shop'@'%'", TABLE_SCHEMA: 'shop', PRIVILEGE_TYPE: 'SELECT', IS_GRANTABLE: 'YES' },
    ],
    'information_schema.TABLE_PRIVILEGES': [
      { GRANTEE: "'shop'@'%'", TABLE_SCHEMA: 'shop', TABLE_NAME: 'orders', PRIVILEGE_TYPE: 'INSERT', IS_GRANTABLE: 'NO' },
    ],
    'mysql.roles_mapping': [{ User: 'both', Host: 'localhost', Role: 'all' }],
    'information_schema.TABLES': [
      { TABLE_SCHEMA: 'shop', TABLE_NAME: 'orders' },
      { TABLE_SCHEMA: 'shop', TABLE_NAME: 'items' },
    ],
  }
  const digest = createHash('sha256').update('nonce*HASH').digest('hex')

  it('answers with their way to log in, their grants and roles, and the tables of declared grants', () => {
    expect(answersOf(tables, accountsSql('nonce', [{ id: 'shop@%', tables: ['shop.orders', 'shop.gone'] }], 'mariadb'))).toEqual([
      ['account', 'shop', '%', 'mysql_native_password', digest, 'SSL', '0', '0 0 0 20'],
      ['account', 'both', 'localhost', 'several ways', digest, 'subject /CN=b, cipher AES', 'true', '0 0 0 0'],
      ['grant', "'shop'@'%'", '*.*', 'USAGE', 'NO'],
      ['grant', "'shop'@'%'", 'shop.*', 'SELECT', 'YES'],
      ['grant', "'shop'@'%'", 'shop.orders', 'INSERT', 'NO'],
      ['role', 'both', 'localhost', 'all'],
      ['table', 'shop', 'orders'],
    ])
  })
})

describe('the comparison of an account with its observation', () => {
  const priv = (more: object): string => JSON.stringify({ plugin: 'mysql_native_password', authentication_string: '*HASH', ...more })
  const grantee = "'shop'@'%'"
  const tables = {
    'mysql.global_priv': [
      { User: 'shop', Host: '%', Priv: priv({ ssl_type: 1, account_locked: false }) },
      { User: 'shop', Host: 'localhost', Priv: priv({ account_locked: true, auth_or: [{}] }) },
      { User: 'bare', Host: '%', Priv: priv({ ssl_type: 1, account_locked: false }) },
    ],
    'information_schema.USER_PRIVILEGES': [{ GRANTEE: grantee, PRIVILEGE_TYPE: 'USAGE', IS_GRANTABLE: 'NO' }],
    'information_schema.SCHEMA_PRIVILEGES': [
      { GRANTEE: grantee, TABLE_SCHEMA: 'my\\_shop', PRIVILEGE_TYPE: 'SELECT', IS_GRANTABLE: 'YES' },
      { GRANTEE: "'other'@'%'", TABLE_SCHEMA: 'shop', PRIVILEGE_TYPE: 'DROP', IS_GRANTABLE: 'NO' },
    ],
    'information_schema.TABLE_PRIVILEGES': [
      { GRANTEE: grantee, TABLE_SCHEMA: 'shop', TABLE_NAME: 'orders', PRIVILEGE_TYPE: 'INSERT', IS_GRANTABLE: 'NO' },
    ],
    'mysql.roles_mapping': [
      { User: 'shop', Host: '%', Role: 'all' },
      { User: 'shop', Host: 'localhost', Role: 'local' },
    ],
  }
  const GRANTS = ['SELECT on my_shop.* (grantable)', 'INSERT on shop.orders', 'role all']
  const seen = {
    ...{ plugin: 'mysql_native_password', nonce: 'n', digest: createHash('sha256').update('n*HASH').digest('hex') },
    ...{ requires: 'SSL', limits: '0 0 0 0', locked: false, grants: GRANTS },
  }
  // SQLite has neither BINARY nor escapes in strings.
  const holds = (user: string, host: string, state: Parameters<typeof isAccountSql>[1]): boolean =>
    answersOf(
      tables,
      `SELECT ${isAccountSql({ user, host, flavour: 'mariadb' }, state).replaceAll('BINARY ', '').replaceAll("\\'", "''").replaceAll('\\\\', '\\')}`,
    )[0]?.[0] === '1'

  it('holds for the same account', () => {
    const { digest, ...withoutPassword } = seen
    expect([holds('shop', '%', seen), holds('shop', '%', withoutPassword), holds('bare', '%', { ...seen, grants: [] })]).toEqual([
      ...[true, true, true],
    ])
    expect(holds('shop', 'localhost', { ...seen, plugin: 'several ways', requires: 'NONE', locked: true, grants: ['role local'] })).toBe(
      true,
    )
  })

  it.each<[string, Partial<typeof seen>]>([
    ['another way to log in', { plugin: 'unix_socket' }],
    ['another password', { digest: 'x' }],
    ['no TLS', { requires: 'NONE' }],
    ['a certificate', { requires: 'subject /CN=shop' }],
    ['other limits', { limits: '0 0 0 5' }],
    ['a lock', { locked: true }],
    ['one grant less', { grants: GRANTS.slice(1) }],
    ['one grant more', { grants: [...GRANTS, 'DROP on shop.*'] }],
    ['another grant', { grants: [...GRANTS.slice(1), 'DROP on shop.*'] }],
    ['a grant that it may not pass on', { grants: ['SELECT on my_shop.*', ...GRANTS.slice(1)] }],
    ['no grants', { grants: [] }],
  ])('does not hold for %s', (_, more) => {
    expect(holds('shop', '%', { ...seen, ...more })).toBe(false)
  })

  it('does not hold for another account', () => {
    expect([holds('sho', '%', seen), holds('shop', '10.%', seen), holds('bare', '%', seen)]).toEqual([false, false, false])
  })
})

/** The SQL that a script gives to its client by standard input. */
const inputOf = (script: Script): string => /<<'SQL'\n([\s\S]*?)\nSQL\n/.exec(String(script))?.[1] ?? expect.fail('no SQL')

it('the query of databases answers with their settings and number of tables, and the collations that exist', () => {
  const tables = {
    'information_schema.SCHEMATA': [
      { SCHEMA_NAME: 'shop', DEFAULT_CHARACTER_SET_NAME: 'utf8mb4', DEFAULT_COLLATION_NAME: 'utf8mb4_bin' },
      { SCHEMA_NAME: 'empty', DEFAULT_CHARACTER_SET_NAME: 'latin1', DEFAULT_COLLATION_NAME: 'latin1_bin' },
    ],
    'information_schema.TABLES': [{ TABLE_SCHEMA: 'shop' }, { TABLE_SCHEMA: 'shop' }, { TABLE_SCHEMA: 'mysql' }],
    'information_schema.COLLATION_CHARACTER_SET_APPLICABILITY': [
      { COLLATION_NAME: 'uca1400_ai_ci', CHARACTER_SET_NAME: 'utf8mb4' },
      { COLLATION_NAME: 'uca1400_ai_ci', CHARACTER_SET_NAME: 'utf32' },
      { COLLATION_NAME: 'utf8mb4_bin', CHARACTER_SET_NAME: 'utf8mb4' },
      { COLLATION_NAME: 'latin1_bin', CHARACTER_SET_NAME: 'latin1' },
    ],
  }
  const specs = ['uca1400_ai_ci', 'utf8mb4_bin', 'utf8mb4_x_ci'].map(
    (collation, i) => database({ name: `d${i}`, collation, me: 'a', servers: ['a'] }).spec,
  )
  expect(answersOf(tables, inputOf(database.kind.observe(specs).script))).toEqual([
    ['shop', 'utf8mb4', 'utf8mb4_bin', '2'],
    ['empty', 'latin1', 'latin1_bin', '0'],
    ['', 'utf8mb4_uca1400_ai_ci'],
    ['', 'utf8mb4_bin'],
    ['end'],
  ])
})

it('the query of tables answers with those that hold rows', () => {
  const sql = inputOf(databaseDump.kind.observe([]).script)
  const tables = {
    'information_schema.TABLES': [
      { TABLE_SCHEMA: 'shop', TABLE_NAME: 'orders', TABLE_TYPE: 'BASE TABLE' },
      { TABLE_SCHEMA: 'shop', TABLE_NAME: 'totals', TABLE_TYPE: 'VIEW' },
    ],
  }
  const [, , ...rest] = sql.split('\n')
  expect(answersOf(tables, rest.join('\n'))).toEqual([['shop.orders'], ['end']])
  expect(sql).toContain("'SELECT name, \\'cut\\' FROM mysql.provision_restoring'")
})

it('the query of blockers answers with the four oldest threads that may hold a lock, without the values of their statements', () => {
  const sql = execFileSync('sh', ['-c', `perl() { shift 12; printf %s "$*"; }\n${BLOCKERS_SCRIPT}`], { encoding: 'utf8' })
  const thread = (id: number, user: string, time: number, info: string | null, state = 'Updating') => ({
    ...{ ID: id, USER: user, TIME: time, INFO: info, STATE: state },
  })
  const answers = answersOf(
    {
      'information_schema.PROCESSLIST': [
        thread(1, 'root', 20, "UPDATE  shop.t\n SET name = 'a secret'"),
        thread(2, 'app', 0, null),
        thread(3, 'system user', 9, 'COMMIT'),
        thread(4, 'young', 4, 'SELECT 1'),
        thread(5, 'idle', 90, null),
        thread(6, 'app', 7, 'INSERT'),
        thread(7, 'app', 6, 'DELETE'),
        thread(99, 'root', 99, 'SELECT'),
      ],
      'information_schema.INNODB_TRX': [{ trx_mysql_thread_id: 2, trx_started: 970, SECOND: '' }],
      'information_schema.GLOBAL_STATUS': [{ VARIABLE_NAME: 'WSREP_FLOW_CONTROL_ACTIVE', VARIABLE_VALUE: 'true' }],
    },
    sql,
  ).map(([line]) => line)
  expect(answers).toEqual([
    'thread 2 of app, for 30 s, idle in a transaction; to end it there: sudo mariadb -e "KILL 2"',
    'thread 1 of root, for 20 s, Updating: UPDATE shop.t SET name = …; to end it there: sudo mariadb -e "KILL 1"',
    'thread 3 of system user, for 9 s, Updating: COMMIT… (it applies what another server wrote)',
    'thread 6 of app, for 7 s, Updating: INSERT…; to end it there: sudo mariadb -e "KILL 6"',
    expect.stringMatching(/^flow control holds back all writes of the cluster/),
  ])
})

it('the status of replication answers with the accounts of replicas, their certificates and privileges', () => {
  const sql = inputOf(statusScript('mariadb'))
    .replace('SHOW SLAVE STATUS;', '')
    .replace('@@read_only', '1')
    .replace('@@gtid_current_pos', "'0-1-9'")
  const grantee = "'provision-replica-two'@'%'"
  const answers = answersOf(
    {
      'mysql.global_priv': [
        { User: 'provision-replica-two', Host: '%', Priv: '{"x509_subject":"/CN=two"}' },
        { User: 'provision-replica-old', Host: '%', Priv: '{}' },
        { User: 'shop', Host: '%', Priv: '{}' },
      ],
      'information_schema.USER_PRIVILEGES': [
        { GRANTEE: grantee, PRIVILEGE_TYPE: 'SLAVE MONITOR' },
        { GRANTEE: grantee, PRIVILEGE_TYPE: 'REPLICATION SLAVE' },
        { GRANTEE: "'shop'@'%'", PRIVILEGE_TYPE: 'SELECT' },
      ],
    },
    sql,
  )
  expect(answers).toEqual([
    ['self', '1', '0-1-9'],
    ['follower', 'provision-replica-two', '/CN=two', 'REPLICATION SLAVE,SLAVE MONITOR'],
    ['follower', 'provision-replica-old', '', 'null'],
    ['end'],
  ])
})
