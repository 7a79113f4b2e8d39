import { describe, expect, it } from 'vitest'
import { databaseAccount } from '../../../../src/resource/database/account.ts'
import { type Account, type AccountState, readAccounts } from '../../../../src/resource/database/account-observe.ts'
import type { AccountSpec } from '../../../../src/resource/database/account-spec.ts'
import { accountSql } from '../../../../src/resource/database/account-sql.ts'
import { executeScript } from '../../../../src/resource/database/client.ts'
import { type DatabaseState, database } from '../../../../src/resource/database/database.ts'
import { isLead, UNKNOWN } from '../../../../src/resource/database/mariadb.ts'
import { nativeHash } from '../../../../src/resource/database/password-hash.ts'
import { expanded } from '../../../../src/resource/database/privileges.ts'
import { sha256Hex } from '../../../../src/resource/kind/content.ts'
import { Secret } from '../../../../src/secret/secret.ts'
import { NOTHING } from '../answers.ts'
import { context, recorded } from '../recorded.ts'

const both = { me: 'web-01', servers: ['web-01', 'web-02'] }
const wordsOf = (change: { action: string; reason: string } | undefined) => change && `${change.action} ${change.reason}`

describe('a database', () => {
  const SHOP = { charset: 'utf8mb4', collation: 'utf8mb4_unicode_ci', tables: 1 }

  it.each<[string, Partial<Parameters<typeof database>[0]>, DatabaseState, string | undefined]>([
    ['as wanted', {}, SHOP, undefined],
    ['not there', {}, 'absent', 'create missing'],
    ['of another collation', { collation: 'utf8mb4_bin' }, SHOP, 'update collation differs'],
    ['absent as wanted', { state: 'absent' }, 'absent', undefined],
    ['to go, with tables', { state: 'absent' }, SHOP, undefined],
    ['to go, with all that is in it', { state: 'absent', loseAllRows: true }, SHOP, 'delete declared absent, with 1 table'],
    ['to go, empty', { state: 'absent' }, { ...SHOP, tables: 0 }, 'delete declared absent, with 0 tables'],
    ['in a server that does not run', {}, UNKNOWN, 'update server not running, checked once it runs'],
    ['to go, from a server that does not run', { state: 'absent' }, UNKNOWN, 'delete server not running, checked once it runs'],
  ])('%s', (_, options, state, expected) => {
    expect(wordsOf(database.kind.plan(database({ name: 'shop', ...both, ...options }).spec, state, context))).toBe(expected)
  })

  describe('is compared first', () => {
    const change = { action: 'update', certainty: 'exact', reason: '', differences: [] } as const
    const stepsFor = (options: object, state: DatabaseState, afterScripts = false) => {
      const { spec } = database({ name: 'shop', ...both, ...options })
      return database.kind.apply([{ id: 'shop', spec, state, change, afterScripts }])
    }
    const comparison = (options: object, state: DatabaseState, afterScripts = false): string | undefined => {
      const step = stepsFor(options, state, afterScripts).next().value
      return /SELECT IF\((.*), 'DO 0', 'SIGNAL SQLSTATE .* INTO @compared;/s.exec(String(step?.do === 'shell' && step.script))?.[1]
    }
    const EXISTS = "EXISTS (SELECT 1 FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = 'shop'"
    const settings = (charset: string, collation: string): string =>
      `${EXISTS} AND DEFAULT_CHARACTER_SET_NAME = '${charset}' AND DEFAULT_COLLATION_NAME = '${collation}')`
    const DECLARED = settings('utf8mb4', 'utf8mb4_unicode_ci')

    it('with its settings, or the declared ones', () => {
      const state = { charset: 'latin1', collation: 'latin1_bin', tables: 2 }
      expect(comparison({}, state)).toBe(`(${settings('latin1', 'latin1_bin')}) OR ${DECLARED}`)
      expect(comparison({}, 'absent')).toBe(`NOT ${EXISTS}) OR ${DECLARED}`)
    })

    it('with the number of its tables before it is deleted', () => {
      const tables = "(SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'shop') = 1"
      expect(comparison({ state: 'absent', loseAllRows: true }, SHOP)).toBe(`(${DECLARED} AND ${tables}) OR NOT ${EXISTS})`)
    })

    it('unless its state was not known, or a script of the run may have created it', () => {
      expect([comparison({}, UNKNOWN), comparison({}, 'absent', true)]).toEqual([undefined, undefined])
      expect(comparison({}, SHOP, true)).toBeDefined()
    })

    it('and left as it is if it differs', () => {
      const steps = stepsFor({}, 'absent')
      steps.next()
      expect(() => steps.next({ code: 68, stdout: Buffer.alloc(0), stderr: 'database shop is not as it was observed\n' })).toThrow(
        expect.objectContaining({
          what: 'database shop not changed',
          why: 'database shop is not as it was observed',
          fix: 'run again: the next plan starts from the present state',
        }),
      )
    })
  })

  it('is not deleted from a server that is still to be installed', () => {
    const { spec } = database({ name: 'shop', state: 'absent', ...both })
    expect(database.kind.plan(spec, UNKNOWN, { ...context, packagesPending: true })).toBeUndefined()
  })

  it('is deleted only if it is empty, or with all its tables if allowed', () => {
    const script = (options: object): string => {
      const { spec } = database({ name: 'shop', state: 'absent', ...both, ...options })
      const change = { action: 'delete', certainty: 'dependent', reason: '', differences: [] } as const
      const step = database.kind.apply([{ id: 'shop', spec, state: UNKNOWN, change }]).next().value
      return step?.do === 'shell' ? String(step.script) : ''
    }
    expect(script({})).toContain("IF(COUNT(*) = 0, 'DROP DATABASE IF EXISTS `shop`', 'DO 0')")
    expect(script({ loseAllRows: true })).toContain('\nDROP DATABASE IF EXISTS `shop`;')
  })

  it('with tables is kept, with a warning in every plan', () => {
    const { spec } = database({ name: 'shop', state: 'absent', ...both })
    expect(database.kind.notices?.(spec, SHOP, context)).toEqual([
      'database shop is kept because it has 1 table; set lose_all_rows: true to delete it with its tables',
    ])
  })

  it('of another character set has the collation of the server, unless one is declared', () => {
    const LATIN = { charset: 'latin1', collation: 'latin1_bin', tables: 0 }
    const plan = (options: object) =>
      wordsOf(database.kind.plan(database({ name: 'l', charset: 'latin1', ...both, ...options }).spec, LATIN, context))
    expect([plan({}), plan({ collation: 'latin1_bin' }), plan({ collation: 'latin1_german1_ci' })]).toEqual([
      undefined,
      undefined,
      'update collation differs',
    ])
    expect(database({ name: 'u', collation: 'uca1400_ai_ci', ...both }).spec.collation).toBe('utf8mb4_uca1400_ai_ci')
    const change = { action: 'create', certainty: 'exact', reason: '', differences: [] } as const
    const step = (charset: string) =>
      database.kind.apply([{ id: 'l', spec: database({ name: 'l', charset, ...both }).spec, state: 'absent', change }]).next().value
    const sqlFor = (charset: string) => String((step(charset) as { script: unknown }).script)
    expect(sqlFor('latin1')).toContain('CREATE DATABASE IF NOT EXISTS `l` CHARACTER SET latin1;')
    expect(sqlFor('utf8mb4')).toContain('CREATE DATABASE IF NOT EXISTS `l` CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;')
  })

  it('with a collation that the server does not have ends the run before its first change', () => {
    const { spec } = database({ name: 'shop', collation: 'utf8mb4_klingon_ci', ...both })
    const { script, parse } = database.kind.observe([spec])
    expect(String(script)).toContain("WHERE name IN ('utf8mb4_klingon_ci');")
    const read = (rows: string) => parse(Buffer.from(`shop\tutf8mb4\tutf8mb4_bin\t0\n${rows}end\n`), NOTHING).get('shop') as DatabaseState
    const words = (state: DatabaseState) => database.kind.forbids?.(spec, state, context)?.what
    expect(words(read(''))).toBe('database shop cannot have the collation utf8mb4_klingon_ci')
    expect(words(read('\tutf8mb4_klingon_ci\n'))).toBeUndefined()
    expect(wordsOf(database.kind.plan(spec, read('\tutf8mb4_klingon_ci\n'), context))).toBe('update collation differs')
  })

  it('is read from an answer; an incomplete answer is an error', () => {
    const specs = [database({ name: 'shop', ...both }).spec, database({ name: 'gone', ...both }).spec]
    const read = (stdout: Buffer) => database.kind.observe(specs).parse(stdout, NOTHING)
    expect(Object.fromEntries(read(recorded('database')))).toEqual({ shop: SHOP, gone: 'absent' })
    expect(read(Buffer.from('down\n')).get('shop')).toBe(UNKNOWN)
    expect(() => read(recorded('database').subarray(0, 60))).toThrow('answered incompletely')
  })
})

describe('an account', () => {
  const spec = (options: object = {}): AccountSpec =>
    databaseAccount({
      user: 'shop',
      password: new Secret('simple'),
      grants: ['shop_1.*', 'shop.*'].map((on) => ({ on, privileges: ['select', 'insert', 'update', 'delete'] })),
      ...both,
      ...options,
    }).spec
  const asked = ['shop@%', 'root@localhost', 'gone@%'].map((id) => ({ id, tables: [] }))
  const state = readAccounts(recorded('database-account'), 'recorded', { questions: asked, flavour: 'mariadb' }).get('shop@%') as {
    account: Account
    missingTables: []
  }
  const found = (account: Partial<Account> | 'absent', missingTables: readonly string[] = []): AccountState => ({
    account: account === 'absent' ? account : { ...state.account, ...account },
    missingTables,
  })
  const plan = (options: object, of: AccountState = state) => databaseAccount.kind.plan(spec(options), of, context)

  it('is converged; the password is compared by digest', () => {
    expect(plan({})).toBeUndefined()
    expect(plan({ password: new Secret('simplf') })?.differences).toEqual([{ key: 'password' }])
    expect(JSON.stringify(state)).not.toContain(nativeHash('simple'))
  })

  it('is asked for without its password: a digest with a nonce that is new each time', () => {
    const scripts = [1, 2].map(() => String(databaseAccount.kind.observe([spec()]).script))
    const nonces = scripts.map((script) => /SHA2\(CONCAT\('?\\?'?'?([0-9a-f]{32})/.exec(script.replaceAll("'\\''", "'"))?.[1])
    expect(new Set(nonces).size).toBe(2)
    expect(nonces).not.toContain(undefined)
    const sql = scripts[0]?.replaceAll("'\\''", "'") ?? ''
    expect(sql).toMatch(/SHA2\(CONCAT\('[0-9a-f]{32}', COALESCE\(JSON_VALUE\(Priv, '\$\.authentication_string'\), ''\)\), 256\),/)
    expect(sql.replaceAll(/SHA2\(.*?256\)/g, '')).not.toContain('authentication_string')
    for (const of of ['USER_PRIVILEGES', 'SCHEMA_PRIVILEGES', 'TABLE_PRIVILEGES', 'mysql.roles_mapping']) expect(sql).toContain(of)
    expect(sql).not.toContain("'table'")
  })

  it('compares grants as a set: missing and excess grants differ', () => {
    expect(plan({ grants: [{ on: 'shop.*', privileges: ['ALL'] }] })?.differences).toEqual([
      {
        key: 'grants',
        from: 'DELETE on shop_1.*, INSERT on shop_1.*, SELECT on shop_1.*, UPDATE on shop_1.*',
        to: expanded('shop.*', ['ALL'])
          .filter((one) => !['SELECT', 'INSERT', 'UPDATE', 'DELETE'].includes(one))
          .map((one) => `${one} on shop.*`)
          .join(', '),
      },
    ])
    const reordered = [
      { on: 'shop.*', privileges: ['delete', 'INSERT', 'select', 'UPDATE', 'SELECT'] },
      { on: 'shop_1.*', privileges: ['select', 'insert', 'update', 'delete'] },
    ]
    expect(plan({ grants: reordered })).toBeUndefined()
  })

  it.each<[string, object, AccountState, string | undefined]>([
    ['not there', {}, found('absent'), 'create missing'],
    ['to go', { state: 'absent' }, state, 'delete declared absent'],
    ['gone', { state: 'absent' }, found('absent'), undefined],
    ['in a server that does not run', {}, UNKNOWN, 'update server not running, checked once it runs'],
    ['to go, from a server that does not run', { state: 'absent' }, UNKNOWN, 'delete server not running, checked once it runs'],
    ['without TLS', {}, found({ requires: 'NONE' }), 'update required of clients differs'],
    ['locked', {}, found({ locked: true }), 'update locked differs'],
    ['with GRANT OPTION', {}, found({ grants: ['SELECT on a.* (grantable)'] }), 'update grants differ'],
  ])('%s', (_, options, of, expected) => {
    expect(wordsOf(plan(options, of))).toBe(expected)
  })

  it('is made with TLS required, and no wildcard in the name of a database', () => {
    const made = accountSql(spec(), ['DROP on shop_2.*', 'SELECT on a.b (grantable)', 'role all'])
    expect(made).toContain(
      `CREATE USER IF NOT EXISTS 'shop'@'%' IDENTIFIED VIA mysql_native_password USING '${nativeHash('simple')}' REQUIRE SSL`,
    )
    expect(made).toContain("REVOKE DROP ON `shop\\_2`.* FROM 'shop'@'%';")
    expect(made).toContain("REVOKE GRANT OPTION ON `a`.`b` FROM 'shop'@'%';")
    const local = accountSql(spec({ host: 'localhost', password: undefined }), [])
    expect(local.split('\n')[0]).toBe(
      "CREATE USER IF NOT EXISTS 'shop'@'localhost' IDENTIFIED VIA unix_socket REQUIRE NONE WITH MAX_QUERIES_PER_HOUR 0 MAX_UPDATES_PER_HOUR 0 MAX_CONNECTIONS_PER_HOUR 0 MAX_USER_CONNECTIONS 0 ACCOUNT UNLOCK;",
    )
    const both = accountSql(spec(), ['SELECT on a.b (grantable)', 'UPDATE on a.b (grantable)'])
    expect(both.match(/^REVOKE .*/gm)).toEqual(
      ['GRANT OPTION', 'SELECT', 'UPDATE'].map((privilege) => `REVOKE ${privilege} ON \`a\`.\`b\` FROM 'shop'@'%';`),
    )
    expect(made).toContain("REVOKE `all` FROM 'shop'@'%';")
    expect(made).toContain("GRANT DELETE, INSERT, SELECT, UPDATE ON `shop\\_1`.* TO 'shop'@'%';")
  })

  it('accepts a password of any characters, which no plan and no script shows', () => {
    // The answers of MariaDB 10.11 to SELECT PASSWORD('simple') and SELECT PASSWORD('ü''"\\\\$`').
    expect(nativeHash('simple')).toBe('*ABCC69A782EE6472DB2F1BF0ABE1556CA504A711')
    expect(nativeHash(`ü'"\\$\``)).toBe('*A243002557044C74B441D30C26806A9AE7872769')
    const work = {
      id: 'shop@%',
      spec: spec(),
      state: state,
      change: { action: 'update', certainty: 'exact', reason: '', differences: [] } as const,
    }
    const first = databaseAccount.kind.apply([work]).next().value
    expect(JSON.stringify(first)).not.toContain(nativeHash('simple'))
  })

  describe('is compared first', () => {
    const change = { action: 'update', certainty: 'exact', reason: '', differences: [] } as const
    const stepsFor = (options: object, of: AccountState, afterScripts = false) =>
      databaseAccount.kind.apply([{ id: 'shop@%', spec: spec(options), state: of, change, afterScripts }])
    const comparison = (options: object, of: AccountState, afterScripts = false): string => {
      const step = stepsFor(options, of, afterScripts).next().value
      const sql = step?.do === 'shell' && step.input instanceof Secret ? step.input.reveal() : ''
      return sql.includes('@compared') ? sql.slice(0, sql.indexOf('CREATE USER')) : ''
    }

    it('with its password, settings and grants, or those that are declared', () => {
      const sql = comparison(
        { grants: [] },
        found({ requires: 'NONE', locked: true, digest: 'd'.repeat(64), nonce: 'n', grants: ['SELECT on a.*'] }),
      )
      const [observed = '', declared = ''] = sql.split('\n OR ').length > 1 ? sql.split('\n OR ') : sql.split(') OR (EXISTS')
      expect(observed).toContain("User = 'shop' AND Host = '%'")
      expect(observed).toContain(`'')), 256) = '${'d'.repeat(64)}'`)
      expect(observed).toContain("END = 'NONE' AND CONCAT_WS(' ', ")
      expect(observed).toContain("'$.account_locked'), 0) NOT IN ('0', 'false')")
      expect(observed).toContain("COUNT(*) = 1 AND COALESCE(SUM(BINARY name IN ('SELECT on a.*')), 0) = 1")
      expect(declared).toContain(`'')), 256) = '${sha256Hex(`n${nativeHash('simple')}`)}'`)
      expect(declared).toContain("END = 'SSL' AND CONCAT_WS(' ', ")
      expect(declared).toContain('COUNT(*) = 0 AND 0 = 0')
      expect(sql).toContain('database account shop@% is not as it was observed')
    })

    it('unless its state is not known, or a script of the run may have created it', () => {
      expect(comparison({}, found('absent'))).toContain("NOT EXISTS (SELECT 1 FROM mysql.global_priv WHERE User = 'shop'")
      expect(comparison({}, found('absent'), true)).toBe('')
      expect(comparison({}, found({}), true)).not.toBe('')
    })

    it('and left as it is if it differs', () => {
      const steps = stepsFor({}, found('absent'))
      expect(steps.next().value).toMatchObject({ do: 'shell', script: executeScript(), input: expect.any(Secret) })
      expect(() =>
        steps.next({ code: 68, stdout: Buffer.alloc(0), stderr: 'database account shop@% is not as it was observed\n' }),
      ).toThrow(
        expect.objectContaining({
          what: 'database account shop@% not changed',
          why: 'database account shop@% is not as it was observed',
          ...{ fix: 'run again: the next plan starts from the present state', done: [], culprit: 'shop@%' },
        }),
      )
    })
  })

  it('of a stopped server loses excess grants once it runs', () => {
    const change = { action: 'update', certainty: 'dependent', reason: '', differences: [] } as const
    const fewer = spec({ grants: [{ on: 'shop.*', privileges: ['SELECT'] }] })
    const steps = databaseAccount.kind.apply([{ id: 'shop@%', spec: fewer, state: UNKNOWN, change }])
    const question = steps.next().value
    expect(question?.do === 'shell' && String(question.script)).toContain('information_schema.SCHEMA_PRIVILEGES')
    const step = steps.next({ code: 0, stdout: recorded('database-account'), stderr: '' }).value
    const sql = step?.do === 'shell' && step.input instanceof Secret ? step.input.reveal() : ''
    expect(sql).toContain("REVOKE INSERT ON `shop`.* FROM 'shop'@'%';")
    expect(sql).toContain("REVOKE SELECT ON `shop\\_1`.* FROM 'shop'@'%';")
  })

  describe('with a grant on a table', () => {
    const granted = {
      grants: [
        { on: 'shop.orders', privileges: ['SELECT'] },
        { on: 'shop_1.*', privileges: ['INSERT'] },
      ],
    }
    const has = (tables: readonly string[], ...grants: string[]) => found({ grants }, tables)

    it('asks which of the tables exist', () => {
      const specs = [spec({ ...granted, user: 'a' }), spec({ user: 'b', grants: [{ on: 'shop.t', privileges: ['ALL'] }] })]
      const { script, parse } = databaseAccount.kind.observe(specs)
      expect(String(script)).toContain("CONCAT(TABLE_SCHEMA, '.', TABLE_NAME) IN ('shop.orders');")
      const read = (rows: string) => parse(Buffer.from(rows), NOTHING).get('a@%')
      expect(read('table\tshop\torders\nend\n')).toEqual({ account: 'absent', missingTables: [] })
      expect(read('table\tshop\tother\nend\n')).toEqual({ account: 'absent', missingTables: ['shop.orders'] })
    })

    it.each<[string, AccountState, object, string | undefined]>([
      ['is created', found('absent', ['shop.orders']), {}, 'create missing'],
      ['is converged without it while the table is missing', has(['shop.orders'], 'INSERT on shop_1.*'), {}, undefined],
      ['keeps it while the table is missing', has(['shop.orders'], 'INSERT on shop_1.*', 'SELECT on shop.orders'), {}, undefined],
      ['gets it once the table exists', has([], 'INSERT on shop_1.*'), {}, 'update grants differ'],
      [
        'gets it if the run creates the table',
        has(['shop.orders'], 'INSERT on shop_1.*'),
        { arriving: ['shop.orders'] },
        'update grants differ',
      ],
    ])('%s', (_, of, more, expected) => {
      expect(wordsOf(plan({ ...granted, ...more }, of))).toBe(expected)
    })

    it('warns on one server about a missing table, also on a host without a server', () => {
      const notices = (of: AccountState, more: object = {}, me = 'web-01', packagesPending = false) =>
        databaseAccount.kind.notices?.(spec({ ...granted, ...more, me }), of, {
          ...context,
          packagesPending,
          members: () => new Map(['web-01', 'web-02'].map((host) => [host, of])),
        })
      const warning = ['table shop.orders does not exist, so shop@% gets no privileges on it; create the table, then run again']
      expect(notices(found('absent', ['shop.orders']))).toEqual(warning)
      expect(notices(UNKNOWN, {}, 'web-01', true)).toEqual(warning)
      expect(notices(UNKNOWN)).toEqual([])
      expect(notices(found('absent', ['shop.orders']), { arriving: ['shop.orders'] })).toEqual([])
      expect(notices(found('absent', ['shop.orders']), {}, 'web-02')).toEqual([])
    })

    it('grants it only if the table exists by then, unless the account may create the table', () => {
      expect(accountSql(spec(granted), [])).toContain(
        "SELECT IF(COUNT(*) = 0, 'DO 0', 'GRANT SELECT ON `shop`.`orders` TO \\'shop\\'@\\'%\\'') INTO @grant FROM information_schema.TABLES WHERE CONCAT(TABLE_SCHEMA, '.', TABLE_NAME) = 'shop.orders';\nEXECUTE IMMEDIATE @grant;\n",
      )
      expect(accountSql(spec({ grants: [{ on: 'shop.orders', privileges: ['ALL'] }] }), [])).toContain(
        "\nGRANT ALTER, CREATE, CREATE VIEW, DELETE, DELETE HISTORY, DROP, INDEX, INSERT, REFERENCES, SELECT, SHOW VIEW, TRIGGER, UPDATE ON `shop`.`orders` TO 'shop'@'%';\n",
      )
    })
  })

  it.each<[string, string]>([
    ["ERROR 2002 (HY000): Can't connect to local server through socket", 'start the server'],
    ['ERROR 1047 (08S01) at line 1: WSREP has not yet prepared node for application use', 'start the server'],
    ['ERROR 1290 (HY000) at line 1: The MariaDB server is running with the --read-only option', 'start the server'],
    ['', 'start the server'],
    ['ERROR 1205 (HY000) at line 1: Lock wait timeout exceeded', 'kill the thread'],
    ['ERROR 1253 (42000) at line 1: COLLATION is not valid for CHARACTER SET', 'correct the options of the account shop@%'],
    ['ERROR 1290 (HY000) at line 1: running with the --strict-password-validation option', 'correct the options of the account shop@%'],
  ])('that was refused has a fix for the reason: %s', (stderr, fix) => {
    const change = { action: 'create', certainty: 'exact', reason: '', differences: [] } as const
    const steps = databaseAccount.kind.apply([{ id: 'shop@%', spec: spec(), state: found('absent'), change }])
    steps.next()
    expect(() => steps.next({ code: 1, stdout: Buffer.from(''), stderr })).toThrow(
      expect.objectContaining({ fix: expect.stringMatching(`^${fix}`) }),
    )
  })

  it.each([
    ['a name with a quote', { user: "x'@'%" }],
    ['a host with a quote', { host: "%' IDENTIFIED BY '" }],
    ['a grant on everything, over the network', { grants: [{ on: '*.*', privileges: ['SELECT'] }] }],
    ['a privilege with more in it', { grants: [{ on: 'shop.*', privileges: ['SELECT ON *.* TO x; --'] }] }],
    ['no password, over the network', { password: undefined }],
    ['a privilege of databases on a table', { grants: [{ on: 'shop.orders', privileges: ['EVENT'] }] }],
    ['a privilege of the server on a database', { grants: [{ on: 'shop.*', privileges: ['PROCESS'] }] }],
    ['a privilege that does not exist', { host: 'localhost', grants: [{ on: '*.*', privileges: ['SELEKT'] }] }],
    ['a network as MariaDB does not match it', { host: '10.0.0.0/24' }],
  ])('is refused: %s', (_, options) => {
    expect(() => spec(options)).toThrow()
  })
})

it('changes of a running server are exact, those of a stopped one depend on its start', () => {
  const shop = database({ name: 'shop', ...both }).spec
  const gone = database({ name: 'shop', state: 'absent', loseAllRows: true, ...both }).spec
  const user = (state: 'present' | 'absent') => databaseAccount({ user: 'a', state, password: new Secret('x'), ...both }).spec
  const found = {
    account: { plugin: 'x', nonce: '', digest: '', requires: 'SSL', limits: '0 0 0 0', locked: false, grants: [] },
    missingTables: [],
  }
  const certainties = [
    database.kind.plan(shop, 'absent', context),
    database.kind.plan(shop, { charset: 'latin1', collation: 'latin1_bin', tables: 1 }, context),
    database.kind.plan(gone, { charset: 'latin1', collation: 'latin1_bin', tables: 1 }, context),
    databaseAccount.kind.plan(user('present'), { account: 'absent', missingTables: [] }, context),
    databaseAccount.kind.plan(user('present'), found, context),
    databaseAccount.kind.plan(user('absent'), found, context),
  ].map((change) => change?.certainty)
  expect(certainties).toEqual(Array.from({ length: 6 }, () => 'exact'))
  expect(database.kind.plan(shop, UNKNOWN, context)?.certainty).toBe('dependent')
  expect(databaseAccount.kind.plan(user('absent'), UNKNOWN, context)?.certainty).toBe('dependent')
  // A server that this run installs has nothing yet.
  expect(database.kind.plan(shop, UNKNOWN, { ...context, packagesPending: true })).toMatchObject({ action: 'create', certainty: 'exact' })
})

it.each<[string, Record<string, unknown>, string]>([
  ['all run', { 'web-01': 1, 'web-02': 1 }, 'web-01'],
  ['the first is down', { 'web-01': UNKNOWN, 'web-02': 1 }, 'web-02'],
  ['none runs', { 'web-01': UNKNOWN, 'web-02': UNKNOWN }, 'web-01'],
  ['the first was not reached', { 'web-02': UNKNOWN }, 'web-02'],
])('one server of a cluster applies shared changes: %s', (_, members, lead) => {
  const state = new Map(Object.entries(members))
  expect([...state.keys()].filter((me) => isLead(me, both.servers, state))).toEqual([lead])
})
