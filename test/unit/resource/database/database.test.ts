import { describe, expect, it } from 'vitest'
import { databaseAccount } from '../../../../src/resource/database/account.ts'
import { type AccountState, readAccounts } from '../../../../src/resource/database/account-observe.ts'
import { type AccountSpec, ALL, nativeHash } from '../../../../src/resource/database/account-spec.ts'
import { accountSql } from '../../../../src/resource/database/account-sql.ts'
import { type DatabaseState, database } from '../../../../src/resource/database/database.ts'
import { isLead, UNKNOWN } from '../../../../src/resource/database/mariadb.ts'
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
  const state = readAccounts(recorded('database-account'), 'recorded', ['shop@%', 'root@localhost', 'gone@%']).get('shop@%') as AccountState
  const plan = (options: object, of: AccountState = state) => databaseAccount.kind.plan(spec(options), of, context)

  it('is converged; the password is compared by digest', () => {
    expect(plan({})).toBeUndefined()
    expect(plan({ password: new Secret('simplf') })?.differences).toEqual([{ key: 'password' }])
    expect(JSON.stringify(state)).not.toContain(nativeHash('simple'))
  })

  it('compares grants as a set: missing and excess grants differ', () => {
    expect(plan({ grants: [{ on: 'shop.*', privileges: ['ALL'] }] })?.differences).toEqual([
      {
        key: 'grants',
        from: 'DELETE on shop_1.*, INSERT on shop_1.*, SELECT on shop_1.*, UPDATE on shop_1.*',
        to: ALL.filter((one) => !['SELECT', 'INSERT', 'UPDATE', 'DELETE'].includes(one))
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
    ['not there', {}, 'absent', 'create missing'],
    ['to go', { state: 'absent' }, state, 'delete declared absent'],
    ['gone', { state: 'absent' }, 'absent', undefined],
    ['in a server that does not run', {}, UNKNOWN, 'update server not running, checked once it runs'],
    ['to go, from a server that does not run', { state: 'absent' }, UNKNOWN, 'delete server not running, checked once it runs'],
    ['without TLS', {}, { ...(state as object), tls: false } as AccountState, 'update tls required differs'],
    ['locked', {}, { ...(state as object), locked: true } as AccountState, 'update locked differs'],
    [
      'with GRANT OPTION',
      {},
      { ...(state as Exclude<AccountState, string>), grants: ['SELECT on a.* (grantable)'] },
      'update grants differs',
    ],
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
    expect(made).toContain("REVOKE `all` FROM 'shop'@'%';")
    expect(made).toContain("GRANT DELETE, INSERT, SELECT, UPDATE ON `shop\\_1`.* TO 'shop'@'%';")
  })

  it('accepts a password of any characters, which no plan and no script shows', () => {
    // What MariaDB 10.11 answered to SELECT PASSWORD('simple') and SELECT PASSWORD('ü''"\\\\$`').
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

  it.each([
    ['a name with a quote', { user: "x'@'%" }],
    ['a host with a quote', { host: "%' IDENTIFIED BY '" }],
    ['a grant on everything, over the network', { grants: [{ on: '*.*', privileges: ['SELECT'] }] }],
    ['a privilege with more in it', { grants: [{ on: 'shop.*', privileges: ['SELECT ON *.* TO x; --'] }] }],
    ['no password, over the network', { password: undefined }],
  ])('is refused: %s', (_, options) => {
    expect(() => spec(options)).toThrow()
  })
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
