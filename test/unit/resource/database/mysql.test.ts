import { createHash } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { databaseAccount } from '../../../../src/resource/database/account.ts'
import {
  type Account,
  type AccountState,
  accountsSql,
  isAccountSql,
  readAccounts,
} from '../../../../src/resource/database/account-observe.ts'
import { accountFaults } from '../../../../src/resource/database/account-spec.ts'
import { accountSql } from '../../../../src/resource/database/account-sql.ts'
import { charsetFault, collationOf } from '../../../../src/resource/database/charset.ts'
import { blockersScript, clientOf, queryScript, readRows } from '../../../../src/resource/database/client.ts'
import { type DatabaseState, database } from '../../../../src/resource/database/database.ts'
import { databaseDump } from '../../../../src/resource/database/dump.ts'
import { flavourOf } from '../../../../src/resource/database/flavour.ts'
import { otherData, readData } from '../../../../src/resource/database/other-data.ts'
import { passwordHash, sha256Crypt } from '../../../../src/resource/database/password-hash.ts'
import { expanded, privilegeFault } from '../../../../src/resource/database/privileges.ts'
import { HostRefusal } from '../../../../src/resource/kind/step.ts'
import { Secret } from '../../../../src/secret/secret.ts'
import { laws } from '../../../../src/testing/laws.ts'
import { NOTHING } from '../answers.ts'
import { context, recorded } from '../recorded.ts'
import { listed } from '../samples.ts'
import { answersOf } from './sqlite.ts'

// Answers and hashes of MySQL 8.4.13-0ubuntu0.26.04.2.
const server = { flavour: 'mysql' as const, me: 'a', servers: ['a'] }

const NO_LIMITS = 'WITH MAX_QUERIES_PER_HOUR 0 MAX_UPDATES_PER_HOUR 0 MAX_CONNECTIONS_PER_HOUR 0 MAX_USER_CONNECTIONS 0'

describe('the hash of a password', () => {
  const ofServer = (hex: string) => Buffer.from(hex, 'hex')

  it.each([
    [
      'simple',
      '24412430303524690C1F6A624323130D1B6B162B3D5326186B54466758794A7A43654F4674306255434B7854586367524D7463722F534C685875335174334F43706251367441',
    ],
    [
      'a much longer password, with ümläuts and more than thirty-two bytes',
      '24412430303524675D381A50276269493B2B21470E5B1E223B754A6A787955553133786737783355707750446131544454574C79586C414973443968636B644D4D4748332F42',
    ],
  ])('%s is that of the server, for its salt', (password, hex) => {
    const stored = ofServer(hex)
    expect(sha256Crypt(Buffer.from(password), stored.subarray(7, 27), 5000)).toBe(stored.subarray(27).toString('latin1'))
  })

  it('has a salt of its own for each account and password, of 20 characters that the server accepts', () => {
    const of = (password: string, user = 'shop', host = '%') => passwordHash(password, { user, host, flavour: 'mysql' })
    const all = [of('a'), of('b'), of('a', 'other'), of('a', 'shop', '10.%')]
    expect(of('a')).toBe(all[0])
    expect(new Set(all.map((one) => one.slice(7, 27))).size).toBe(4)
    for (const one of all) expect(one).toMatch(/^\$A\$005\$[^\0$\x80-\xff]{20}[./0-9A-Za-z]{43}$/)
    expect(Buffer.from(all[0]?.slice(27) ?? '', 'latin1').toString()).toBe(
      sha256Crypt(Buffer.from('a'), Buffer.from(all[0]?.slice(7, 27) ?? '', 'latin1'), 5000),
    )
    expect(passwordHash('a', { user: 'shop', host: '%', flavour: 'mariadb' })).toBe('*667F407DE7C6AD07358FA38DAED7828A72014B4E')
  })
})

describe('an account of MySQL', () => {
  const spec = (options: object = {}) =>
    databaseAccount({
      user: 'shop',
      password: new Secret('a long password'),
      grants: [{ on: 'shop.*', privileges: ['select'] }],
      ...server,
      ...options,
    }).spec
  const questions = ['shop@%', 'prometheus@localhost', 'debian-sys-maint@localhost'].map((id) => ({ id, tables: [] }))
  const states = readAccounts(recorded('database-account', 'ubuntu-26.04'), 'recorded', { questions, flavour: 'mysql' })
  const plan = (options: object, id = 'shop@%', more: object = {}) => {
    const state = states.get(id) as { account: Account; missingTables: [] }
    return databaseAccount.kind.plan(spec(options), { ...state, account: { ...state.account, ...more } } as AccountState, context)
  }
  const SHOP = { grants: [{ on: 'shop.*', privileges: ['SELECT', 'INSERT', 'UPDATE', 'DELETE'] }] }

  it('is converged in the answer of the server; its password is compared by digest', () => {
    expect(plan(SHOP)).toBeUndefined()
    expect(plan({ ...SHOP, password: new Secret('a long passwore') })?.differences).toEqual([{ key: 'password' }])
    expect(plan({})?.differences).toEqual([{ key: 'grants', from: 'DELETE on shop.*, INSERT on shop.*, UPDATE on shop.*', to: '-' }])
    expect(plan(SHOP, 'shop@%', { plugin: 'several ways' })?.differences).toEqual([
      { key: 'authentication', from: 'several ways', to: 'caching_sha2_password' },
    ])
  })

  it('of the socket belongs to the system account of its name, and to no other', () => {
    const local = (user: string, privileges: readonly string[]) => ({
      ...{ user, host: 'localhost', password: undefined, grants: [{ on: '*.*', privileges }] },
    })
    expect(plan(local('prometheus', ['PROCESS', 'REPLICATION CLIENT']), 'prometheus@localhost')).toBeUndefined()
    // The package lets root log in as its own account.
    expect(plan(local('debian-sys-maint', ['ALL']), 'debian-sys-maint@localhost')?.differences).toContainEqual({ key: 'system account' })
  })

  it('is made and changed by SQL of MySQL, without its password', () => {
    const sql = accountSql(spec(), ['role r`1@x@%', 'UPDATE on shop.* (grantable)'])
    const hash = Buffer.from(passwordHash('a long password', spec()), 'latin1').toString('hex')
    const settings = `'shop'@'%' IDENTIFIED WITH caching_sha2_password AS 0x${hash} REQUIRE SSL ${NO_LIMITS} ACCOUNT UNLOCK`
    expect(sql.split('\n')).toEqual([
      `CREATE USER IF NOT EXISTS ${settings};`,
      `ALTER USER ${settings};`,
      `ALTER USER 'shop'@'%' DISCARD OLD PASSWORD;`,
      "REVOKE GRANT OPTION ON `shop`.* FROM 'shop'@'%';",
      "REVOKE 'r`1@x'@'%' FROM 'shop'@'%';",
      "REVOKE UPDATE ON `shop`.* FROM 'shop'@'%';",
      "GRANT SELECT ON `shop`.* TO 'shop'@'%';",
      '',
    ])
    const local = accountSql(
      spec({ user: 'p', host: 'localhost', password: undefined, grants: [{ on: 'shop.t', privileges: ['SELECT'] }] }),
      [],
    )
    expect(local).toContain(
      `ALTER USER 'p'@'localhost' IDENTIFIED WITH auth_socket REQUIRE NONE ${NO_LIMITS} ACCOUNT UNLOCK;\nSELECT IF(COUNT(*) = 0`,
    )
    expect(local).toContain('PREPARE provision FROM @grant; EXECUTE provision; DEALLOCATE PREPARE provision;')
    expect(local).not.toContain('DISCARD')
  })

  it('compares what it changes, in one request', () => {
    const change = { action: 'update', certainty: 'exact', reason: '', differences: [] } as const
    const state = states.get('shop@%') as AccountState
    const step = databaseAccount.kind.apply([{ id: 'shop@%', spec: spec(), state, change }]).next().value as {
      script: unknown
      input: Secret
    }
    expect(String(step.script)).toContain(' mysql --no-defaults --socket=/run/mysqld/mysqld.sock')
    const [compared = ''] = step.input.reveal().split('\n')
    expect(step.input.reveal()).toMatch(/^DO UUID_TO_BIN\(IF\(\(EXISTS \(SELECT 1 FROM mysql\.user WHERE User = 'shop'/)
    expect(step.input.reveal()).toContain('OR (EXISTS (SELECT 1 FROM mysql.user')
    expect(step.input.reveal()).toContain("UUID(), 'database account shop@% is not as it was observed'));\nCREATE USER")
    expect(compared).not.toContain('a long password')
  })

  it.each([
    ['a privilege of MariaDB', { grants: [{ on: 'shop.*', privileges: ['DELETE HISTORY'] }] }, 'grants'],
    ['a dynamic privilege on a database', { grants: [{ on: 'shop.*', privileges: ['BACKUP_ADMIN'] }] }, 'grants'],
    ['a long name', { user: 'a'.repeat(33) }, 'user'],
  ])('is refused with %s', (_, options, path) => {
    expect(() => spec(options)).toThrow(
      expect.objectContaining({ issues: [expect.objectContaining({ path: expect.arrayContaining([path]) })] }),
    )
  })

  it('has the longest name that MySQL allows', () => {
    const fault = (length: number, flavour: 'mysql' | 'mariadb') =>
      accountFaults('a'.repeat(length), { host: '%', state: 'present', grants: [] }, flavour)
    expect([fault(32, 'mysql'), fault(80, 'mariadb')]).toEqual([[], []])
    expect(fault(33, 'mysql')).toEqual([
      { path: [], message: 'has a name of 33 characters, and MySQL allows 32', fix: `shorten the name to ${'a'.repeat(32)}, for example` },
    ])
  })

  it('has the privileges of MySQL on its target', () => {
    expect(expanded('shop.t', ['ALL'], 'mysql')).toEqual(expanded('shop.t', ['ALL']).filter((one) => one !== 'DELETE HISTORY'))
    expect(expanded('shop.*', ['ALL'], 'mysql')).toEqual(expanded('shop.*', ['ALL']).filter((one) => one !== 'DELETE HISTORY'))
    expect(['REPLICATION CLIENT', 'BACKUP_ADMIN', 'SLAVE MONITOR'].map((one) => privilegeFault('*.*', one, 'mysql') === undefined)).toEqual(
      [true, true, false],
    )
    expect(privilegeFault('shop.*', 'clone_admin', 'mysql')?.message).toBe('is a privilege on the whole server, and shop.* is a database')
    expect(privilegeFault('shop.t', 'EVENT', 'mysql')?.fix).toMatch(/^grant it on shop\.\*, or .* DELETE, DROP, /)
  })

  it('is read from the tables of the server: a second password counts, roles are named with their host', () => {
    const row = (User: string, more: object = {}) => ({
      ...{
        User,
        Host: '%',
        plugin: 'caching_sha2_password',
        authentication_string: 'HASH',
        ssl_type: 'ANY',
        ...{ ssl_cipher: '', x509_issuer: '', x509_subject: '' },
        ...{ max_questions: 0, max_updates: 0, max_connections: 0, max_user_connections: 0 },
        account_locked: 'N',
        User_attributes: null,
        ...more,
      },
    })
    const tables = {
      'mysql.user': [
        row('shop'),
        row('two', { User_attributes: '{"additional_password": "OLD"}', ssl_type: '', account_locked: 'Y' }),
        row('noted', { User_attributes: '{"metadata": 1}' }),
      ],
      'information_schema.USER_PRIVILEGES': [{ GRANTEE: "'shop'@'%'", PRIVILEGE_TYPE: 'USAGE', IS_GRANTABLE: 'NO' }],
      'information_schema.SCHEMA_PRIVILEGES': [
        { GRANTEE: "'shop'@'%'", TABLE_SCHEMA: 'shop', PRIVILEGE_TYPE: 'SELECT', IS_GRANTABLE: 'NO' },
      ],
      'information_schema.TABLE_PRIVILEGES': [
        { GRANTEE: "'x'@'%'", TABLE_SCHEMA: 'shop', TABLE_NAME: 't', PRIVILEGE_TYPE: 'SELECT', IS_GRANTABLE: 'NO' },
      ],
      'mysql.role_edges': [{ FROM_USER: 'r', FROM_HOST: '10.%', TO_USER: 'shop', TO_HOST: '%' }],
    }
    const digest = createHash('sha256').update('nHASH').digest('hex')
    const sql = (text: string) => text.replaceAll('BINARY ', '').replaceAll("\\'", "''").replaceAll('\\\\', '\\').replaceAll('TRUE', '1')
    const rows = answersOf(tables, sql(accountsSql('n', [], 'mysql')))
    expect(rows.filter(([sort]) => sort === 'account' || sort === 'role')).toEqual([
      ['account', 'shop', '%', 'caching_sha2_password', digest, 'SSL', '0', '0 0 0 0'],
      ['account', 'two', '%', 'several ways', digest, 'NONE', 'true', '0 0 0 0'],
      ['account', 'noted', '%', 'caching_sha2_password', digest, 'SSL', '0', '0 0 0 0'],
      ['role', 'shop', '%', 'r@10.%'],
    ])
    const seen = {
      plugin: 'caching_sha2_password',
      nonce: 'n',
      digest,
      ...{ requires: 'SSL', limits: '0 0 0 0' },
      locked: false,
      grants: ['SELECT on shop.*', 'role r@10.%'],
    }
    const holds = (state: Account, user = 'shop') =>
      answersOf(tables, `SELECT ${sql(isAccountSql({ user, host: '%', flavour: 'mysql' }, state))}`)[0]?.[0]
    expect(holds(seen)).toBe('1')
    expect(holds({ ...seen, plugin: 'several ways', requires: 'NONE', locked: true, grants: [] }, 'two')).toBe('1')
    for (const other of [
      { requires: 'NONE' },
      { limits: '0 0 0 1' },
      { locked: true },
      { digest: 'x' },
      { grants: ['SELECT on shop.*'] },
      { plugin: 'auth_socket' },
    ])
      expect(holds({ ...seen, ...other })).toBe('0')
  })
})

describe('a database of MySQL', () => {
  const one = (options: object = {}) => database({ name: 'shop', ...server, ...options }).spec
  const states = (specs: Parameters<typeof database.kind.observe>[0]) =>
    database.kind.observe(specs).parse(recorded('database', 'ubuntu-26.04'), NOTHING)
  const change = { action: 'create', certainty: 'exact', reason: '', differences: [] } as const

  it('is converged in the answer of the server, with its usual collation', () => {
    const found = states([one(), one({ name: 'old', charset: 'latin1' })])
    expect(found.get('shop')).toEqual({ charset: 'utf8mb4', collation: 'utf8mb4_0900_ai_ci', tables: 2 })
    expect(database.kind.plan(one(), found.get('shop') as DatabaseState, context)).toBeUndefined()
    expect(database.kind.plan(one({ name: 'old', charset: 'latin1' }), found.get('old') as DatabaseState, context)).toBeUndefined()
    expect(collationOf({ charset: 'utf8mb4', flavour: 'mysql' })).toBe('utf8mb4_0900_ai_ci')
    expect(states([one({ collation: 'utf8mb4_bin' })]).get('shop')).toMatchObject({ tables: 2 })
    expect(states([one({ collation: 'utf8mb4_unicode_ci' })]).get('shop')).toBe('no such collation')
  })

  it('is changed without statements that MySQL cannot prepare', () => {
    const sql = (options: object, state: DatabaseState = 'absent') =>
      String((database.kind.apply([{ id: 'shop', spec: one(options), state, change }]).next().value as { script: unknown }).script)
    expect(sql({})).toContain("\nDO UUID_TO_BIN(IF(NOT EXISTS (SELECT 1 FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = 'shop') OR ")
    expect(sql({})).toContain(
      '\nCREATE DATABASE IF NOT EXISTS `shop` CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_ai_ci;\nALTER DATABASE `shop` CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_ai_ci;\n',
    )
    expect(sql({ state: 'absent' }, { charset: 'utf8mb4', collation: 'x', tables: 0 })).toContain(
      "'DO 0') INTO @change FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'shop';\nPREPARE provision FROM @change; EXECUTE provision; DEALLOCATE PREPARE provision;\n",
    )
    expect(sql({})).not.toMatch(/EXECUTE IMMEDIATE|SIGNAL/)
  })

  it('does not have a collation of MariaDB', () => {
    const fault = (collation: string, flavour: 'mysql' | 'mariadb' = 'mysql') => charsetFault({ charset: 'utf8mb4', collation }, flavour)
    for (const name of ['uca1400_ai_ci', 'utf8mb4_uca1400_ai_ci', 'utf8mb4_general_nopad_ci']) {
      expect(fault(name)?.fix).toMatch(/^remove it for utf8mb4_0900_ai_ci, or choose/)
      expect(fault(name, 'mariadb')).toBeUndefined()
    }
    expect(fault('utf8mb4_0900_as_cs')).toBeUndefined()
  })
})

describe('the other flavour', () => {
  const data = (...lines: readonly string[]) => Buffer.from([...lines, 'end', ''].join('\n'))
  const MARIADB = 'provision-data mariadb /var/lib/mariadb'
  const MYSQL = 'provision-data mysql /var/lib/mysql'
  const state = (flavour: 'mysql' | 'mariadb', ...lines: readonly string[]) =>
    database.kind
      .observe([database({ name: 'shop', me: 'a', servers: ['a'], flavour }).spec])
      .parse(data(...lines), NOTHING)
      .get('shop')

  it('is refused on a host that has its data only', () => {
    expect(state('mysql', MARIADB)).toEqual({ other: 'mariadb', directory: '/var/lib/mariadb' })
    expect(state('mariadb', MYSQL)).toEqual({ other: 'mysql', directory: '/var/lib/mysql' })
    // A former switch: each has its own directory.
    expect([state('mysql', MARIADB, MYSQL), state('mariadb', MARIADB, MYSQL), state('mysql', MYSQL), state('mysql')]).toEqual(
      Array(4).fill('absent'),
    )
    const found = { other: 'mariadb', directory: '/var/lib/mysql' } as const
    const { spec } = database({ name: 'shop', ...server })
    expect(database.kind.forbids?.(spec, found, context)).toMatchObject({
      what: 'database server not changed from MariaDB to MySQL',
      why: 'the host has the data of MariaDB in /var/lib/mysql, which MySQL cannot read',
      fix: 'set `flavour: mariadb`; or dump the databases, remove the package mariadb-server, move /var/lib/mysql away, and run again',
    })
    expect(database.kind.plan(spec, found, context)).toBeUndefined()
    expect(database.kind.notices?.(database({ name: 'shop', state: 'absent', ...server }).spec, found, context)).toEqual([])
    expect(database.kind.forbids?.(spec, 'absent', context)).toBeUndefined()
  })

  it('is known from its first lines only: a database cannot pretend to be one', () => {
    expect(readData(Buffer.from(`shop\tutf8mb4\tx\t1\n${MARIADB}\nend\n`)).data.size).toBe(0)
    expect(readData(Buffer.from(`provision-data mariadb /a b\nend\n`)).data.size).toBe(0)
    const { data: found, rest } = readData(Buffer.from(`${MYSQL}\nend\n`))
    expect([otherData(found, 'mysql'), rest.toString()]).toEqual([undefined, 'end\n'])
  })

  it('cannot be on the same host', () => {
    const mixed = [database({ name: 'a', me: 'a', servers: ['a'] }).spec, database({ name: 'b', ...server }).spec]
    expect(() => flavourOf(mixed)).toThrow(expect.objectContaining({ why: 'some are for MariaDB, others for MySQL' }))
    expect(() => flavourOf(mixed)).toThrow(HostRefusal)
    expect([flavourOf([]), flavourOf(mixed.slice(1))]).toEqual(['mariadb', 'mysql'])
  })
})

describe('the client of MySQL', () => {
  it('has the same limits, and no option that only MariaDB knows', () => {
    expect(String(clientOf('mysql'))).toBe(
      `perl -e 'alarm 60;exec@ARGV;exit 127' mysql --no-defaults --socket=/run/mysqld/mysqld.sock --local-infile=0 --connect-timeout=10 --init-command='SET lock_wait_timeout=10,innodb_lock_wait_timeout=40,max_execution_time=40000' --default-character-set=utf8mb4 -NB`,
    )
    expect(String(blockersScript('mysql'))).toMatch(/ mysql --no-defaults .*sudo mysql -e/s)
    expect(String(blockersScript('mysql'))).not.toContain('WSREP')
    expect(String(queryScript('SELECT 1;', { flavour: 'mysql' }))).not.toContain('mariadb')
    expect(() => readRows(Buffer.from('silent\n'), 'mysql')).toThrow(
      expect.objectContaining({ fix: expect.stringContaining('systemctl status mysql`') }),
    )
  })

  it('restores a dump, and asks for the tables of an interrupted one', () => {
    const bytes = gzipSync('-- Current Database: `shop`\n-- Table structure for table `t`\n')
    const content = { type: 'local', path: 'd', sha256: 'x', bytes: bytes.length, open: () => bytes } as never
    const { spec } = databaseDump({ name: 'd', content, ...server })
    const observed = String(databaseDump.kind.observe([spec]).script)
    expect(observed).toContain(
      "TABLE_NAME = 'provision_restoring';\nPREPARE provision FROM @question; EXECUTE provision; DEALLOCATE PREPARE provision;\n",
    )
    const change = { action: 'create', certainty: 'exact', reason: '', differences: [] } as const
    const steps = databaseDump.kind.apply([{ id: 'd', spec, state: 'unknown', change }])
    expect(String((steps.next().value as { script: unknown }).script)).toBe(observed)
    const script = String((steps.next({ code: 0, stdout: Buffer.from('end\n'), stderr: '' }).value as { script: unknown }).script)
    // The alarms of: the marks and their blockers, the dump, the end.
    expect([...script.matchAll(/alarm (\d+);\S+ 127' (\w+)/g)].map((one) => one.slice(1).join(' '))).toEqual([
      ...['15 mysql', '60 mysql', '86400 mysql', '60 mysql'],
    ])
  })
})

describe.each(listed.filter(({ name }) => ['database', 'database-account', 'database-dump'].includes(name)))(
  '$name with MySQL',
  ({ name, kind, sample }) => {
    const options = (i: number) => ({ ...sample.options(i), flavour: 'mysql' })
    const asDeclared = (i: number): unknown => {
      if (name === 'database') return { charset: 'utf8mb4', collation: 'utf8mb4_0900_ai_ci', tables: 3 }
      if (name === 'database-dump') return sample.asWanted(i)
      const { user, host, password } = kind.schema.parse(options(i)) as { user: string; host: string; password: Secret }
      const digest = createHash('sha256').update(password.reveal(), 'utf8').digest('hex')
      expect(user + host).toBe(`sample${i}%`)
      return {
        ...(sample.asWanted(i) as object),
        account: { ...(sample.asWanted(i) as { account: object }).account, plugin: 'caching_sha2_password', digest },
      }
    }
    const missing =
      name === 'database' ? 'absent' : name === 'database-dump' ? { tables: [], replacedBy: [] } : { account: 'absent', missingTables: [] }
    const keeps = name === 'database-dump' ? { keepsChangeByHand: 'a table that exists meanwhile is not restored' } : {}
    // 200 accounts have 200 hashes, which take seconds: MariaDB's test counts their processes.
    const few = laws.filter(({ title }) => name !== 'database-account' || !title.includes('200'))
    it.each(few)('$title', { timeout: 30_000 }, ({ hold }) => hold({ kind, options, asDeclared, missing, ...keeps }))
  },
)
