import { describe, expect, it } from 'vitest'
import { databaseAccount } from '../../../../src/resource/database/account.ts'
import { type Account, type AccountState, readAccounts } from '../../../../src/resource/database/account-observe.ts'
import { withTrueFix } from '../../../../src/resource/database/client.ts'
import { type DatabaseState, database, databaseName, planUnknown } from '../../../../src/resource/database/database.ts'
import { databaseDump } from '../../../../src/resource/database/dump.ts'
import { UNKNOWN } from '../../../../src/resource/database/mariadb.ts'
import { nativeHash } from '../../../../src/resource/database/password-hash.ts'
import { sha256Hex } from '../../../../src/resource/kind/content.ts'
import { HostRefusal, type ShellStep } from '../../../../src/resource/kind/step.ts'
import { Secret } from '../../../../src/secret/secret.ts'
import { NOTHING } from '../answers.ts'
import { context } from '../recorded.ts'

const both = { me: 'web-01', servers: ['web-01', 'web-02'] }
const exact = (action: string, reason: string, ...differences: readonly object[]) => ({ action, certainty: 'exact', reason, differences })

describe('the change of a database', () => {
  const SHOP = { charset: 'utf8mb4', collation: 'utf8mb4_unicode_ci', tables: 1 }
  const plan = (options: object, state: DatabaseState, more: object = {}) =>
    database.kind.plan(database({ name: 'shop', ...both, ...options }).spec, state, { ...context, ...more })

  it('is the creation, the settings that differ, or the deletion of a database', () => {
    expect(plan({}, 'absent')).toEqual(exact('create', 'missing'))
    expect(plan({ charset: 'latin1', collation: 'latin1_bin' }, SHOP)).toEqual(
      exact(
        'update',
        'charset and collation differ',
        { key: 'charset', from: 'utf8mb4', to: 'latin1' },
        { key: 'collation', from: 'utf8mb4_unicode_ci', to: 'latin1_bin' },
      ),
    )
    expect(plan({ state: 'absent' }, { ...SHOP, tables: 0 })).toEqual(exact('delete', 'declared absent, with 0 tables'))
    expect(plan({ collation: 'utf8mb4_x_ci' }, 'no such collation')).toEqual(exact('update', 'no such collation'))
    expect(plan({ state: 'absent' }, 'no such collation')).toBeUndefined()
  })

  it('is planned on one server only', () => {
    const members = () => new Map([['web-01', 'absent' as const]])
    expect(plan({ me: 'web-02' }, 'absent', { members })).toBeUndefined()
    expect(plan({}, 'absent', { members })).toBeDefined()
  })

  it('of a server that does not run depends on its start', () => {
    const dependent = (action: string) => ({
      ...{ action, certainty: 'dependent', reason: 'server not running, checked once it runs', differences: [] },
    })
    expect([planUnknown('present', false), planUnknown('absent', false)]).toEqual([dependent('update'), dependent('delete')])
    expect([planUnknown('present', true), planUnknown('absent', true)]).toEqual([exact('create', 'missing'), undefined])
  })

  it('has a warning only if tables keep a database from its deletion', () => {
    const notices = (options: object, state: DatabaseState) =>
      database.kind.notices?.(database({ name: 'shop', ...both, ...options }).spec, state, context)
    expect(notices({ state: 'absent' }, SHOP)).toHaveLength(1)
    for (const [options, state] of [
      [{}, SHOP],
      [{ state: 'absent', loseAllRows: true }, SHOP],
      [{ state: 'absent' }, { ...SHOP, tables: 0 }],
      [{ state: 'absent' }, 'absent'],
    ] as const)
      expect(notices(options, state)).toEqual([])
  })

  it('asks for declared collations only, each once, and for none by default', () => {
    const script = (...options: readonly object[]) =>
      String(database.kind.observe(options.map((one, i) => database({ name: `d${i}`, ...both, ...one }).spec)).script)
    expect(
      script({}, { collation: 'utf8mb4_unicode_ci' }, { charset: 'latin1' }, { state: 'absent', collation: 'utf8mb4_bin' }),
    ).not.toContain('COLLATION_CHARACTER_SET_APPLICABILITY')
    const asked = script({ collation: 'utf8mb4_bin' }, { collation: 'utf8mb4_bin' }, { collation: 'uca1400_ai_ci' })
    expect(asked).toContain("WHERE name IN ('utf8mb4_bin', 'utf8mb4_uca1400_ai_ci');")
  })

  it('does not miss the collation of a database that is to be deleted', () => {
    const absent = database({ name: 'shop', state: 'absent', collation: 'utf8mb4_x_ci', ...both }).spec
    const other = database({ name: 'other', collation: 'utf8mb4_x_ci', ...both }).spec
    const states = database.kind.observe([absent, other]).parse(Buffer.from('shop\tlatin1\tlatin1_bin\t2\nend\n'), NOTHING)
    expect(Object.fromEntries(states)).toEqual({
      shop: { charset: 'latin1', collation: 'latin1_bin', tables: 2 },
      other: 'no such collation',
    })
  })

  it('alters an existing database only where it differs', () => {
    const sql = (options: object): string => {
      const { spec } = database({ name: 'shop', ...both, ...options })
      const change = { action: 'create', certainty: 'exact', reason: '', differences: [] } as const
      const step = database.kind.apply([{ id: 'shop', spec, state: 'absent', change }]).next().value as ShellStep
      return String(step.script)
    }
    expect(sql({ collation: 'utf8mb4_bin' })).toContain(
      "SELECT IF(DEFAULT_CHARACTER_SET_NAME = 'utf8mb4' AND DEFAULT_COLLATION_NAME = 'utf8mb4_bin', 'DO 0', 'ALTER DATABASE `shop` CHARACTER SET utf8mb4 COLLATE utf8mb4_bin') INTO @change",
    )
    expect(sql({ charset: 'latin1' })).toContain(
      "SELECT IF(DEFAULT_CHARACTER_SET_NAME = 'latin1', 'DO 0', 'ALTER DATABASE `shop` CHARACTER SET latin1') INTO @change",
    )
  })

  it('is refused with the fix for its reason', () => {
    const change = { action: 'create', certainty: 'exact', reason: '', differences: [] } as const
    const steps = database.kind.apply([{ id: 'shop', spec: database({ name: 'shop', ...both }).spec, state: 'absent', change }])
    expect(steps.next().value).toMatchObject({ do: 'shell', doing: 'changing databases' })
    expect(() => steps.next({ code: 1, stdout: Buffer.from(''), stderr: 'ERROR 1273 (HY000) at line 1: Unknown collation' })).toThrow(
      expect.objectContaining({ fix: 'correct the options of the database; the server refused the statement' }),
    )
    const broken = withTrueFix(
      (function* () {
        yield* []
        throw new TypeError('a defect')
      })(),
      'x',
    )
    expect(() => broken.next()).toThrow(TypeError)
  })
})

describe('the change of an account', () => {
  const hash = nativeHash('simple')
  const account: Account = {
    plugin: 'mysql_native_password',
    nonce: 'n',
    digest: sha256Hex(`n${hash}`),
    ...{ requires: 'SSL', limits: '0 0 0 0', locked: false, grants: ['SELECT on shop.*'] },
  }
  const spec = (options: object = {}) =>
    databaseAccount({
      user: 'shop',
      password: new Secret('simple'),
      grants: [{ on: 'shop.*', privileges: ['SELECT'] }],
      ...both,
      ...options,
    }).spec
  const plan = (options: object, found: Partial<Account> | 'absent' = {}, more: object = {}) =>
    databaseAccount.kind.plan(
      spec(options),
      { account: found === 'absent' ? found : { ...account, ...found }, missingTables: [] },
      { ...context, ...more },
    )

  it('is its creation, its deletion, or what differs', () => {
    expect(plan({})).toBeUndefined()
    expect(plan({}, 'absent')).toEqual(exact('create', 'missing'))
    expect(plan({ state: 'absent' })).toEqual(exact('delete', 'declared absent'))
    expect(plan({}, { requires: 'NONE', limits: '0 0 0 5', locked: true, grants: [] })).toEqual(
      exact(
        'update',
        'required of clients, locked, limits and grants differ',
        { key: 'required of clients', from: 'nothing', to: 'TLS' },
        { key: 'locked', from: 'yes', to: 'no' },
        { key: 'limits', from: '5 connections', to: 'none' },
        { key: 'grants', from: '-', to: 'SELECT on shop.*' },
      ),
    )
    expect(plan({ grants: [] })?.differences).toEqual([{ key: 'grants', from: 'SELECT on shop.*', to: '-' }])
  })

  it('compares the password only if the account has one', () => {
    const socket = { key: 'authentication', from: 'unix_socket', to: 'mysql_native_password' }
    expect(plan({}, { plugin: 'unix_socket', digest: 'other' })).toEqual(exact('update', 'authentication differs', socket))
    expect(plan({}, { digest: 'other' })).toEqual(exact('update', 'password differs', { key: 'password' }))
    const local = { host: 'localhost', password: undefined }
    expect(plan(local, { plugin: 'unix_socket', digest: 'other', requires: 'NONE' })).toBeUndefined()
    expect(plan(local)?.differences).toEqual([
      { key: 'authentication', from: 'mysql_native_password', to: 'unix_socket' },
      { key: 'required of clients', from: 'TLS', to: 'nothing' },
    ])
  })

  it('is planned on one server only', () => {
    const members = () => new Map([['web-01', {}]])
    expect(plan({ me: 'web-02' }, 'absent', { members })).toBeUndefined()
  })

  it('asks for no table of an account that is to be deleted', () => {
    const grants = [{ on: 'shop.orders', privileges: ['SELECT'] }]
    expect(String(databaseAccount.kind.observe([spec({ grants, state: 'absent' })]).script)).not.toContain("'table'")
    expect(String(databaseAccount.kind.observe([spec({ grants })]).script)).toContain("IN ('shop.orders')")
    expect(
      databaseAccount.kind.notices?.(spec({ grants, state: 'absent' }), { account: 'absent', missingTables: ['shop.orders'] }, context),
    ).toEqual([])
  })

  it('is made one account after the other; a refusal names those before it', () => {
    const change = { action: 'create', certainty: 'exact', reason: '', differences: [] } as const
    const state: AccountState = { account: 'absent', missingTables: [] }
    const steps = databaseAccount.kind.apply(['a', 'b'].map((user) => ({ id: `${user}@%`, spec: spec({ user }), state, change })))
    const step = steps.next().value as ShellStep
    expect(step).toMatchObject({ do: 'shell', doing: 'changing database accounts' })
    expect((step.input as Secret).reveal()).toContain("CREATE USER IF NOT EXISTS 'a'@'%'")
    expect(((steps.next({ code: 0, stdout: Buffer.from(''), stderr: '' }).value as ShellStep).input as Secret).reveal()).toContain(
      "'b'@'%'",
    )
    expect(() => steps.next({ code: 1, stdout: Buffer.from(''), stderr: 'ERROR 1045' })).toThrow(
      expect.objectContaining({ what: 'database account b@% not changed', done: ['a@%'] }),
    )
  })

  it('of a server that still does not run grants everything and revokes nothing', () => {
    const change = { action: 'update', certainty: 'dependent', reason: '', differences: [] } as const
    const steps = databaseAccount.kind.apply([{ id: 'shop@%', spec: spec(), state: UNKNOWN, change }])
    expect(steps.next().value).toMatchObject({ do: 'shell' })
    const { input } = steps.next({ code: 0, stdout: Buffer.from('down\n'), stderr: '' }).value as ShellStep
    expect((input as Secret).reveal()).not.toContain('REVOKE')
  })
})

describe('accounts in the answer of a server', () => {
  const read = (...rows: readonly string[]) =>
    readAccounts(Buffer.from([...rows, 'end', ''].join('\n')), 'n', {
      questions: [
        { id: 'a@%', tables: ['shop.orders', 'shop.items'] },
        { id: 'a@localhost', tables: [] },
      ],
      flavour: 'mariadb',
    })
  const of = (id: string, ...rows: readonly string[]) => read(...rows).get(id)

  it('have their own settings and grants', () => {
    const states = read(
      'account\ta\t%\tmysql_native_password\td1\tSSL\ttrue\t0 0 0 0',
      'account\ta\tlocalhost\tunix_socket\td2\tNONE\tfalse\t0 7 0 0',
      "grant\t'a'@'%'\t*.*\tUSAGE\tNO",
      "grant\t'a'@'%'\tshop\\_1.*\tSELECT\tYES",
      "grant\t'a'@'%'\tshop.orders\tINSERT\tNO",
      "grant\t'a'@'localhost'\t*.*\tUSAGE\tNO",
      'role\ta\tlocalhost\tall',
      'table\tshop\titems',
    )
    expect(states.get('a@%')).toEqual({
      account: {
        ...{ plugin: 'mysql_native_password', nonce: 'n', digest: 'd1', requires: 'SSL', locked: true, limits: '0 0 0 0' },
        grants: ['INSERT on shop.orders', 'SELECT on shop_1.* (grantable)'],
      },
      missingTables: ['shop.orders'],
    })
    expect(states.get('a@localhost')).toEqual({
      account: {
        ...{ plugin: 'unix_socket', nonce: 'n', digest: 'd2', requires: 'NONE', locked: false, limits: '0 7 0 0' },
        grants: ['role all'],
      },
      missingTables: [],
    })
  })

  it.each([
    ['0', false],
    ['false', false],
    ['1', true],
    ['true', true],
  ])('are locked or not by the word of the server: %s', (word, locked) => {
    expect(of('a@%', `account\ta\t%\tp\td\tSSL\t${word}\t0 0 0 0`)).toMatchObject({ account: { locked } })
  })

  it('are absent, or unknown if no server runs', () => {
    expect(of('a@%')).toMatchObject({ account: 'absent' })
    expect(readAccounts(Buffer.from('down\n'), 'n', { questions: [{ id: 'a@%', tables: [] }], flavour: 'mariadb' }).get('a@%')).toBe(
      UNKNOWN,
    )
  })
})

describe('the options of an account', () => {
  const make = (options: object) => databaseAccount({ user: 'a', password: new Secret('x'), ...both, ...options }).spec

  it.each([
    ['a grant that begins like one', [{ on: 'x shop.*', privileges: ['SELECT'] }]],
    ['a grant that ends like one', [{ on: 'shop.*; x', privileges: ['SELECT'] }]],
    ['a grant of nothing', [{ on: 'shop.*', privileges: [] }]],
  ])('are refused: %s', (_, grants) => expect(() => make({ host: 'localhost', grants })).toThrow())

  it.each([
    ['a name that begins like one', { user: 'a;' }],
    ['a name that ends like one', { user: ';a' }],
    ['a host that begins like one', { host: '% x' }],
    ['no server', { servers: [] }],
  ])('are refused: %s', (_, options) => expect(() => make(options)).toThrow())

  it('are refused at the option that is wrong', () => {
    const refused = (path: readonly unknown[], message: string) =>
      expect.objectContaining({ issues: [expect.objectContaining({ path, message: expect.stringContaining(message) })] })
    expect(() => make({ password: undefined })).toThrow(refused(['password'], 'must be set for an account that connects over the network'))
    expect(() => make({ grants: ['a.*', '*.*'].map((on) => ({ on, privileges: ['SELECT'] })) })).toThrow(
      refused(['grants', 1, 'privileges', 0], 'on *.* includes the accounts of the server'),
    )
    expect(() => make({ host: 'localhost', password: undefined, subject: '/CN=a' })).toThrow(refused(['subject'], 'has no certificates'))
    expect(() => make({ host: '10.0.0.0/24' })).toThrow(refused(['host'], 'has a prefix length'))
    expect(() => make({ grants: [{ on: 'a.*', privileges: ['SELECT', 'X'] }] })).toThrow(
      refused(['grants', 0, 'privileges', 1], 'is not a privilege'),
    )
  })

  it('need no password for the account of the same name on the host, or to delete one', () => {
    expect(make({ host: 'localhost', password: undefined, grants: [{ on: '*.*', privileges: ['select'] }] }).grants).toEqual([
      { on: '*.*', privileges: ['SELECT'] },
    ])
    expect(make({ state: 'absent', password: undefined })).toMatchObject({ user: 'a', host: '%', arriving: [] })
  })
})

it('what has data is never deleted because no role declares it any more', () => {
  for (const { orphan } of [database.kind, databaseAccount.kind])
    expect(orphan).toEqual({ keep: expect.stringContaining('declare it with state: absent to delete it') })
  expect(databaseDump.kind.orphan).toEqual({ forget: true })
})

it.each(['a', 'a'.repeat(64), 'A-1_b'])('%s is the name of a database', (name) => expect(databaseName.safeParse(name).success).toBe(true))
it.each(['', 'a'.repeat(65), 'a/b', '../a', 'a b', 'Mysql', 'information_schema', 'performance_schema', 'sys'])(
  '%s is no name of a database',
  (name) => expect(databaseName.safeParse(name).success).toBe(false),
)

it('a refusal keeps the resources that were done', () => {
  const steps = withTrueFix(
    (function* () {
      yield* []
      throw new HostRefusal('not changed', 'ERROR 1205 (HY000): lock', undefined, { done: ['a'] })
    })(),
    'x',
  )
  expect(() => steps.next()).toThrow(expect.objectContaining({ done: ['a'], fix: expect.stringMatching(/^kill the thread/) }))
})
