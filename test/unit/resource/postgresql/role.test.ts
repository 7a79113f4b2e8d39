import { describe, expect, it } from 'vitest'
import { sha256Hex } from '../../../../src/resource/kind/content.ts'
import { CHANGED } from '../../../../src/resource/kind/walk.ts'
import { postgresqlRole } from '../../../../src/resource/postgresql/role.ts'
import type { FoundGrants, FoundRole, KnownRole, RoleState } from '../../../../src/resource/postgresql/role-observe.ts'
import { newParameters, scramVerifier } from '../../../../src/resource/postgresql/scram.ts'
import { answered, contextOf, sqlOf, stateIn } from './answer.ts'

const { kind } = postgresqlRole
const specOf = (options: object = {}) => kind.schema.parse({ name: 'reader', ...options })
const found: FoundRole = {
  ...{ login: true, superuser: false, createdb: false, createrole: false, replication: false, bypassRls: false, inherit: true },
  ...{ connectionLimit: -1, validUntil: null, hasPassword: false, passwordDigest: '', scram: null, memberOf: [], databases: [] },
}
const shop = (grants: Partial<FoundGrants> = {}, more: object = {}) => ({
  ...{ grants: { schemas: [], relations: [], defaults: [], ...grants }, digest: 'g', existing: new Set(['public', 'public/orders']) },
  ...{ lacking: new Map(), ...more },
})
const known = (role: Partial<FoundRole> | undefined, more: Partial<KnownRole> = {}): KnownRole => ({
  ...{ is: 'known', role: role && { ...found, ...role }, nonce: 'n', digest: 'd', databases: new Map([['shop', shop()]]) },
  ...{ roles: new Set(['shop', 'readers']), owned: new Set(), grantedIn: [], ownsIn: [], ...more },
})
const plan = (options: object, state: RoleState, context = contextOf()) => kind.plan(specOf(options), state, context)
const sql = (options: object, state: RoleState, afterScripts = false) =>
  sqlOf(postgresqlRole, { spec: specOf(options), state, afterScripts })
const stored = (verifier: string | undefined, scram: string | null): Partial<FoundRole> => ({
  ...{ hasPassword: true, scram, passwordDigest: sha256Hex(`n${verifier}`) },
})

describe('an observation', () => {
  const grants = [
    { database: 'shop', schema: 'public', tables: 'all', createdBy: 'shop', privileges: ['SELECT'] },
    { database: 'shop', schema: 'public', tables: ['orders'], privileges: ['UPDATE'] },
    { database: 'gone', privileges: ['CONNECT'] },
  ]
  const { memberOf, databases, ...attributes } = found
  const text = JSON.stringify(attributes)
  const inside = JSON.stringify(shop().grants)
  const shared = [
    ['role', 'reader', text],
    ['shared', 'reader', { memberOf, databases }],
    ['granted', 'reader', ['shop', 'shop']],
    ['owns', 'reader', []],
  ]

  it('reads role, grants, and what the grants name', () => {
    const rows = [
      ...shared,
      ['exists', 'shop', true],
      ['exists', 'gone', false],
      ['grants', 'reader', 'shop', inside],
      ['has', 'shop', 'public', true],
      ['has', 'shop', 'public/orders', false],
      ['owned', 'reader', ['crm']],
      ['owned inside', 'reader', 'shop', ['public', 'public/orders']],
      ['owned inside', 'other', 'shop', ['public/others']],
      ['lacking', 'reader', 'shop', '0', 2],
      ['lacking', 'other', 'shop', '1', 7],
    ]
    expect(stateIn(postgresqlRole, specOf({ grants }), answered(...rows))).toEqual({
      ...{
        is: 'known',
        role: found,
        digest: sha256Hex(text),
        nonce: expect.stringMatching(/^[0-9a-f]{32}$/),
        grantedIn: ['shop'],
        ownsIn: [],
      },
      roles: new Set(['shop']),
      owned: new Set(['crm', 'shop/public', 'shop/public/orders']),
      databases: new Map([
        ['shop', { grants: JSON.parse(inside), digest: sha256Hex(inside), existing: new Set(['public']), lacking: new Map([[0, 2]]) }],
      ]),
    })
  })

  it('reads a role that does not exist', () => {
    const state = stateIn(postgresqlRole, specOf(), answered(['role', 'reader', null], ['granted', 'reader', null], ['owns', 'reader', []]))
    expect(state).toMatchObject({ role: undefined, digest: sha256Hex(''), grantedIn: [] })
  })

  it('is an error without an answer about the role', () => {
    expect(() => stateIn(postgresqlRole, specOf(), answered(['granted', 'reader', null]))).toThrow(/reader/)
    expect(() => stateIn(postgresqlRole, specOf(), answered(['role', 'reader', null]))).toThrow(/reader/)
  })

  it('connects once to each database that a grant names, and prints no verifier', () => {
    const script = String(kind.observe([specOf({ grants }), specOf({ name: 'b', grants: grants.slice(0, 1) })]).script)
    expect(script.match(/connect -reuse/g)).toHaveLength(2)
    expect(script).not.toMatch(/, rolpassword[,)]/)
    expect(String(kind.observe([specOf({ grants, state: 'absent' })]).script)).not.toContain('connect -reuse')
  })
})

describe('attributes and memberships', () => {
  it('differ one by one', () => {
    expect(plan({}, known({}))).toBeUndefined()
    for (const key of ['login', 'superuser', 'createdb', 'createrole', 'replication', 'bypassRls', 'inherit'] as const) {
      const isDefault = key === 'login' || key === 'inherit'
      expect(plan({}, known({ [key]: !isDefault }))?.differences).toEqual([{ key, from: String(!isDefault), to: String(isDefault) }])
    }
    expect(plan({ connectionLimit: 3 }, known({}))?.reason).toBe('connectionLimit differs')
    expect(plan({ validUntil: '2030-01-01' }, known({ validUntil: '2030-01-01 00:00:00+00' }))).toBeUndefined()
    expect(plan({}, known({ validUntil: '2030-01-01 00:00:00+00' }))?.differences).toEqual([
      { key: 'valid until', from: '2030-01-01', to: 'no limit' },
    ])
    expect(plan({ memberOf: ['readers'] }, known({ memberOf: ['b', 'a (admin)'] }))).toMatchObject({
      ...{ reason: 'roles differ', differences: [{ key: 'roles', from: 'a (admin), b', to: 'readers' }] },
    })
    expect(
      plan({ memberOf: ['readers', 'a'] }, known({ memberOf: ['a', 'readers'] }, { roles: new Set(['readers', 'a']) })),
    ).toBeUndefined()
  })

  it('are written in one transaction, after the comparison', () => {
    const text = sql({ memberOf: ['readers'], createdb: true, validUntil: '2030-01-01' }, known({ memberOf: ['a (admin)'] }))
    expect(text).toMatch(
      /^BEGIN;\nDO [^\n]*\nDO [^\n]*<@[^\n]*\nSELECT [^\n]*CREATE ROLE "reader" NOLOGIN[^\n]*gexec\nALTER ROLE "reader" LOGIN NOSUPERUSER CREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS INHERIT CONNECTION LIMIT -1 VALID UNTIL '2030-01-01 00:00:00\+00' PASSWORD NULL;\n/,
    )
    expect(text).toContain(`format('REVOKE %I FROM %I', 'a', 'reader')`)
    expect(text).toMatch(/GRANT "readers" TO "reader";\nCOMMIT;\n$/)
    expect(sql({}, known({}))).toContain("VALID UNTIL 'infinity'")
  })

  it('of a role that a script may have created are not compared', () => {
    expect(sql({}, known(undefined), true)).not.toContain('as it was observed')
    expect(sql({}, known(undefined))).toContain('as it was observed')
    expect(sql({}, known({}), true)).toContain('as it was observed')
  })
})

describe('a password', () => {
  it('is compared with the salt of the server', () => {
    const verifier = scramVerifier('pass', { salt: 'c2FsdA==', iterations: 4096 })
    expect(plan({ password: 'pass' }, known(stored(verifier, '4096:c2FsdA==')))).toBeUndefined()
    expect(plan({ password: 'other' }, known(stored(verifier, '4096:c2FsdA==')))?.differences).toEqual([{ key: 'password' }])
    expect(plan({ password: 'pass' }, known(stored(verifier, '4097:c2FsdA==')))?.reason).toBe('password differs')
    expect(plan({ password: 'pass' }, known(stored('x', '999999999:c2FsdA==')))?.reason).toBe('password differs')
    expect(plan({ password: 'pass' }, known(stored('md5', null)))?.reason).toBe('password differs')
  })

  it('that is not declared is removed', () => {
    expect(plan({}, known(stored('md5', null)))?.reason).toBe('password differs')
    expect(plan({ password: 'pass' }, known({}))?.reason).toBe('password differs')
  })

  it('reaches the server as a verifier', () => {
    const verifier = scramVerifier('geheim7', newParameters('geheim7', 'reader'))
    const text = sql({ password: 'geheim7' }, known({}))
    expect(text).toContain(`PASSWORD '${verifier}'`)
    expect(text).not.toContain('geheim7')
  })
})

describe('privileges', () => {
  const on = (more: object) => ({ grants: [{ database: 'shop', ...more }] })
  const all = on({ schema: 'public', tables: 'all', privileges: ['SELECT'] })
  const grantsOf = (options: object, role: Partial<FoundRole>, inside = shop()) => {
    const [grants] = plan(options, known(role, { databases: new Map([['shop', inside]]) }))?.differences ?? []
    return grants && [grants.from, grants.to]
  }
  const sent = (options: object, role: Partial<FoundRole>, inside = shop()) =>
    sql(options, known(role, { databases: new Map([['shop', inside]]) }))

  it('on databases are exactly the declared ones, in all databases', () => {
    const connect = on({ privileges: ['connect', 'temp'] })
    expect(grantsOf(connect, { databases: [['shop', ['CONNECT', 'TEMPORARY']]] })).toBeUndefined()
    expect(
      grantsOf(connect, {
        databases: [
          ['other', ['CREATE']],
          ['shop', ['CONNECT (grantable)']],
        ],
      }),
    ).toEqual(['CREATE on other, CONNECT (grantable) on shop', 'TEMPORARY on shop'])
    const text = sent(connect, {
      databases: [
        ['other', ['CREATE']],
        ['shop', ['CONNECT (grantable)']],
      ],
    })
    expect(text).toContain(`SELECT 'REVOKE CREATE ON DATABASE "other" FROM "reader"' WHERE EXISTS`)
    expect(text).toContain(`'REVOKE GRANT OPTION FOR CONNECT ON DATABASE "shop" FROM "reader"'`)
    expect(text).toMatch(/GRANT TEMPORARY ON DATABASE "shop" TO "reader"'[^\n]*gexec\nCOMMIT;\n$/)
  })

  it('on a schema', () => {
    const usage = on({ schema: 'public', privileges: ['ALL'] })
    expect(grantsOf(usage, {}, shop({ schemas: [['public', ['CREATE', 'USAGE']]] }))).toBeUndefined()
    expect(
      grantsOf(
        usage,
        {},
        shop({
          schemas: [
            ['other', ['USAGE']],
            ['public', ['USAGE']],
          ],
        }),
      ),
    ).toEqual(['USAGE on shop.other', 'CREATE on shop.public'])
    const text = sent(usage, {}, shop({ schemas: [['other', ['USAGE']]] }))
    expect(text).toMatch(
      /BEGIN;\nDO [^\n]*'g'[^\n]*\n[\s\S]*REVOKE USAGE ON SCHEMA "other" FROM "reader"[\s\S]*GRANT CREATE, USAGE ON SCHEMA "public" TO "reader"[\s\S]*COMMIT;\n\\endif/,
    )
  })

  it.each([
    ['a database', { privileges: ['CONNECT'] }, 'shop'],
    ['a schema', { schema: 'public', privileges: ['CREATE'] }, 'shop/public'],
    ['a table', { schema: 'public', tables: ['orders'], privileges: ['SELECT'] }, 'shop/public/orders'],
  ])('on %s of its own are not made, because an owner has all', (_, grant, place) => {
    const reasonIf = (owned: readonly string[]) => plan(on(grant), known({}, { owned: new Set(owned) }))?.reason
    expect(reasonIf([place])).toBeUndefined()
    expect(reasonIf(['other', 'other/public', 'shop/other', 'shop/public/others'])).toContain('grants')
  })

  it('on all tables', () => {
    expect(grantsOf(all, {})).toBeUndefined()
    expect(grantsOf(all, {}, shop({}, { lacking: new Map([[0, 2]]) }))).toEqual(['-', 'SELECT on all tables of shop.public'])
    expect(sent(all, {}, shop({}, { lacking: new Map([[0, 2]]) }))).toContain('GRANT SELECT ON ALL TABLES IN SCHEMA "public" TO "reader"')
    const sequences = on({ schema: 'public', sequences: 'all', privileges: ['USAGE'] })
    expect(sent(sequences, {}, shop({}, { lacking: new Map([[0, 1]]) }))).toContain('GRANT USAGE ON ALL SEQUENCES IN SCHEMA "public"')
  })

  it('on one table', () => {
    const orders = on({ schema: 'public', tables: ['orders'], privileges: ['SELECT', 'UPDATE'] })
    const has = (...privileges: string[]) => shop({ relations: [['public', 'tables', privileges, ['orders'], 1]] })
    expect(grantsOf(orders, {}, has('SELECT', 'UPDATE'))).toBeUndefined()
    expect(grantsOf(orders, {}, has('SELECT (grantable)', 'DELETE'))).toEqual([
      'SELECT (grantable) on shop.public.orders, DELETE on shop.public.orders',
      'UPDATE on shop.public.orders',
    ])
    expect(sent(orders, {}, has('DELETE'))).toMatch(
      /REVOKE DELETE ON TABLE "public"."orders" FROM "reader"[\s\S]*GRANT SELECT, UPDATE ON TABLE "public"."orders" TO "reader"/,
    )
  })

  it('of other tables and sequences are revoked', () => {
    const inside = shop({
      relations: [
        ['public', 'tables', ['INSERT', 'SELECT'], ['orders'], 1],
        ['public', 'sequences', ['USAGE'], ['ids'], 1],
      ],
    })
    expect(grantsOf(all, {}, inside)).toEqual(['INSERT on shop.public.orders, USAGE on shop.public.ids', '-'])
    expect(sent(all, {}, inside)).toContain('REVOKE USAGE ON SEQUENCE "public"."ids" FROM "reader"')
  })

  it('of more tables than the answer names are revoked from all, and the declared ones granted again', () => {
    const many = shop({ relations: [['public', 'tables', ['INSERT', 'SELECT'], ['orders'], 300]] })
    expect(grantsOf(all, {}, many)).toEqual(['INSERT on all tables of shop.public', 'SELECT on all tables of shop.public'])
    const orders = on({ schema: 'public', tables: ['orders'], privileges: ['SELECT'] })
    expect(grantsOf(orders, {}, many)?.[1]).toBe('SELECT on shop.public.orders')
    const fine = shop({ relations: [['public', 'tables', ['SELECT'], ['orders'], 300]] })
    expect(grantsOf(all, {}, fine)).toBeUndefined()
  })

  it('on later tables of a role', () => {
    const later = on({ schema: 'public', tables: 'all', createdBy: 'shop', privileges: ['SELECT'] })
    expect(grantsOf(later, {}, shop({ defaults: [['shop', 'public', 'tables', ['SELECT']]] }))).toBeUndefined()
    expect(grantsOf(later, {}, shop({ defaults: [['other', '', 'sequences', ['USAGE']]] }))).toEqual([
      'USAGE on later sequences of other in shop',
      'SELECT on later tables of shop in shop.public',
    ])
    const text = sent(later, {}, shop({ defaults: [['other', '', 'sequences', ['USAGE']]] }))
    expect(text).toContain('ALTER DEFAULT PRIVILEGES FOR ROLE "other" REVOKE USAGE ON SEQUENCES FROM "reader";')
    expect(text).toContain('ALTER DEFAULT PRIVILEGES FOR ROLE "shop" IN SCHEMA "public" GRANT SELECT ON TABLES TO "reader"')
  })

  it('on what does not exist are delayed, with a notice', () => {
    const nothing = shop({}, { existing: new Set(['public']) })
    const options = {
      grants: [
        { database: 'shop', schema: 'public', tables: ['orders'], privileges: ['SELECT'] },
        { database: 'shop', schema: 'public', sequences: ['ids'], privileges: ['USAGE'] },
        { database: 'shop', schema: 'gone', tables: 'all', createdBy: 'shop', privileges: ['SELECT'] },
        { database: 'shop', schema: 'gone', privileges: ['USAGE'] },
      ],
    }
    expect(grantsOf(options, {}, nothing)).toBeUndefined()
    const state = known({}, { databases: new Map([['shop', nothing]]) })
    const missing = kind.notices?.(specOf(options), state, contextOf()).map((one) => one.split(' does not')[0])
    expect(missing).toEqual(['table shop.public.orders', 'sequence shop.public.ids', 'schema shop.gone'])
  })

  it('in a database that does not exist yet are granted once it does, and not compared', () => {
    const state = known({}, { databases: new Map() })
    const options = { grants: [...all.grants, { database: 'shop', privileges: ['CONNECT'] }] }
    expect(plan(options, state)).toMatchObject({ certainty: 'dependent', reason: 'grants differ' })
    const text = sql(options, state)
    expect(text).toMatch(
      /COMMIT;\nSELECT EXISTS[\s\S]*\nBEGIN;\nSELECT 'GRANT CONNECT ON DATABASE "shop" TO "reader"'[^\n]*\nSELECT 'GRANT SELECT ON ALL TABLES/,
    )
  })

  it('elsewhere are reported', () => {
    const state = known({ databases: [['shop', ['CONNECT']]] }, { grantedIn: ['shop', 'blog', 'all databases'] })
    expect(kind.notices?.(specOf(on({ privileges: ['CONNECT'] })), state, contextOf())).toEqual([
      'postgresql-role reader has privileges within blog, which are not compared; name it in a grant',
    ])
  })
})

describe('a role that is declared absent', () => {
  it('is deleted with its privileges', () => {
    expect(plan({ state: 'absent' }, known(undefined))).toBeUndefined()
    const state = known({}, { grantedIn: ['shop', 'all databases'] })
    expect(plan({ state: 'absent' }, state)).toMatchObject({ action: 'delete', certainty: 'exact' })
    const text = sql({ state: 'absent' }, state)
    expect(text).toMatch(/^DO [^\n]*as it was observed/)
    expect(text.match(/DROP OWNED BY "reader" RESTRICT/g)).toHaveLength(2)
    expect(text).toMatch(/the role owns objects[\s\S]*DROP ROLE "reader";\nCOMMIT;\n$/)
  })

  it('is kept while it owns something, unless the database is deleted before', () => {
    const state = known({}, { ownsIn: ['shop'] })
    expect(plan({ state: 'absent' }, state)).toBeUndefined()
    expect(kind.notices?.(specOf({ state: 'absent' }), state, contextOf())).toEqual([
      expect.stringMatching(/kept because it owns objects in shop/),
    ])
    const deletes = contextOf({ deletes: (key) => key === 'postgresql-database:shop' })
    expect(plan({ state: 'absent' }, state, deletes)).toMatchObject({ action: 'delete', certainty: 'dependent' })
    expect(kind.notices?.(specOf({ state: 'absent' }), state, deletes)).toEqual([])
  })
})

describe('a host is refused', () => {
  const forbids = (options: object, state: RoleState, context = contextOf()) => kind.forbids?.(specOf(options), state, context)
  const grants = [{ database: 'blog', schema: 'public', tables: 'all', createdBy: 'author', privileges: ['SELECT'] }]

  it('if a role or a database that it names does not exist, and nothing before creates it', () => {
    expect(forbids({ memberOf: ['authors'] }, known({}))?.fix).toBe('declare the postgresql-role authors before it')
    expect(forbids({ grants }, known({}))?.message).toMatch(/no database blog/)
    expect(forbids({ grants }, known({}), contextOf({ changes: (key) => key === 'postgresql-database:blog' }))?.message).toMatch(
      /no role author/,
    )
    expect(forbids({ grants }, known({}), contextOf({ changes: (key) => key !== 'postgresql-role:reader' }))).toBeUndefined()
    expect(forbids({ grants }, known({}), contextOf({ opaquePending: true }))).toBeUndefined()
    expect(forbids({ grants, state: 'absent' }, known({}))).toBeUndefined()
    expect(forbids({ memberOf: ['readers'] }, known({}))).toBeUndefined()
    const server = known({}, { roles: new Set(['pg_monitor']) })
    expect(forbids({ memberOf: ['pg_monitor'] }, server)).toBeUndefined()
    expect(forbids({ memberOf: ['pg_nothing'] }, server)?.message).toMatch(/no role pg_nothing|names a role that does not exist/)
  })

  it('without a cluster', () => {
    expect(forbids({}, { is: 'none' })).toBeDefined()
    expect(plan({}, { is: 'none' }, contextOf({ packagesPending: true }))).toMatchObject({ action: 'create', certainty: 'dependent' })
  })
})

it('a missing role is created', () => {
  expect(plan({}, known(undefined))).toMatchObject({ action: 'create', certainty: 'exact', reason: 'missing' })
})

it('names the role that the server refused, and those that were changed before', () => {
  const work = ['a', 'b'].map((name) => ({
    ...{ id: name, spec: specOf({ name }), state: known({}) },
    change: { action: 'update', certainty: 'exact', reason: '', differences: [] } as const,
  }))
  const refusal = (code: number) => {
    const steps = kind.apply(work)
    steps.next()
    steps.next({ code: 0, stdout: Buffer.alloc(0), stderr: '' })
    try {
      steps.next({ code, stdout: Buffer.alloc(0), stderr: 'words of the server' })
    } catch (error) {
      return error
    }
    return undefined
  }
  expect(refusal(3)).toMatchObject({ what: 'postgresql-role b not changed', why: 'words of the server', done: ['a'], culprit: 'b' })
  expect(refusal(CHANGED)).toMatchObject({ fix: expect.stringMatching(/^run again/) })
})

it.each([
  [{ name: 'postgres' }, 'name'],
  [{ password: 'ﬁ' }, 'password'],
  [{ memberOf: ['reader'] }, 'memberOf'],
  [{ validUntil: '2030-02-31' }, 'validUntil'],
  [{ grants: [{ database: 'a', tables: 'all', privileges: ['SELECT'] }] }, 'grants.0.schema'],
  [{ grants: [{ database: 'a', schema: 'b', tables: 'all', sequences: 'all', privileges: ['SELECT'] }] }, 'grants.0.sequences'],
  [{ grants: [{ database: 'a', schema: 'b', tables: ['c'], createdBy: 'd', privileges: ['SELECT'] }] }, 'grants.0.createdBy'],
  [{ grants: [{ database: 'a', privileges: ['SELECT'] }] }, 'grants.0.privileges.0'],
  [{ grants: [{ database: 'a', schema: 'b', privileges: ['CONNECT'] }] }, 'grants.0.privileges.0'],
  [{ grants: [{ database: 'a', schema: 'b', tables: ['c'], privileges: ['ALL', 'EXECUTE'] }] }, 'grants.0.privileges.1'],
])('the options %j are refused', (options, path) => {
  const result = kind.schema.safeParse({ name: 'reader', ...options })
  expect(result.error?.issues[0]?.path.join('.')).toBe(path)
})
