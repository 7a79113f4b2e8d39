import { describe, expect, it } from 'vitest'
import { sha256Hex } from '../../../../src/resource/kind/content.ts'
import { type DatabaseState, postgresqlDatabase } from '../../../../src/resource/postgresql/database.ts'
import { answered, contextOf, sqlOf, stateIn } from './answer.ts'

const { kind } = postgresqlDatabase
const specOf = (options: object = {}) => kind.schema.parse({ name: 'shop', owner: 'shop', ...options })
const found = { owner: 'shop', encoding: 'UTF8', collation: 'C.UTF-8', ctype: 'C.UTF-8', connectionLimit: -1 }
const known = (more: object = {}): DatabaseState =>
  ({ is: 'known', database: found, digest: 'd', hasOwner: true, tables: 0, ...more }) as DatabaseState
const MISSING = known({ database: undefined, digest: '' })
const plan = (options: object, state: DatabaseState, context = contextOf()) => kind.plan(specOf(options), state, context)

describe('an observation', () => {
  it('reads the database, its owner and its tables', () => {
    const text = JSON.stringify(found)
    const rows = [
      ['database', 'shop', text],
      ['owner', 'shop', true],
      ['tables', 'shop', 3],
    ]
    expect(stateIn(postgresqlDatabase, specOf(), answered(...rows))).toEqual(known({ digest: sha256Hex(text), tables: 3 }))
  })

  it('reads a database that does not exist', () => {
    expect(stateIn(postgresqlDatabase, specOf(), answered(['database', 'shop', null], ['owner', 'shop', false]))).toEqual(
      known({ database: undefined, digest: sha256Hex(''), hasOwner: false }),
    )
  })

  it('is an error without the database or its owner', () => {
    expect(() => stateIn(postgresqlDatabase, specOf(), answered(['owner', 'shop', true]))).toThrow(/shop/)
    expect(() => stateIn(postgresqlDatabase, specOf(), answered(['database', 'shop', null]))).toThrow(/shop/)
  })

  it('does not compare a standby', () => {
    const state = stateIn(postgresqlDatabase, specOf(), Buffer.from('["standby",true]\nend\n'))
    expect(state).toEqual({ is: 'standby' })
    expect(plan({}, state)).toBeUndefined()
    expect(kind.notices?.(specOf(), state, contextOf())).toEqual([expect.stringMatching(/standby/)])
  })

  it('counts tables only for a database that is declared absent', () => {
    expect(String(kind.observe([specOf()]).script)).not.toContain("'tables'")
    expect(String(kind.observe([specOf({ state: 'absent' })]).script)).toContain("'tables'")
  })

  it('asks each cluster once', () => {
    const specs = [specOf(), specOf({ cluster: '15/main' }), specOf({ name: 'b', cluster: '15/main' })]
    expect(String(kind.observe(specs).script).match(/exec perl/g)).toHaveLength(2)
  })
})

describe('a plan', () => {
  it('creates a missing database, exactly if its owner exists', () => {
    expect(plan({}, MISSING)).toMatchObject({ action: 'create', certainty: 'exact', reason: 'missing' })
    expect(plan({}, known({ database: undefined, hasOwner: false }))).toMatchObject({ certainty: 'dependent' })
  })

  it('changes owner and limit, the latter only if declared', () => {
    expect(plan({}, known({ database: { ...found, connectionLimit: 7 } }))).toBeUndefined()
    expect(plan({ owner: 'other', connectionLimit: 3 }, known())).toMatchObject({
      ...{ action: 'update', reason: 'owner and connectionLimit differ' },
      differences: [
        { key: 'owner', from: 'shop', to: 'other' },
        { key: 'connectionLimit', from: '-1', to: '3' },
      ],
    })
  })

  it('deletes a database without tables, or with permission', () => {
    const full = known({ tables: 2 })
    expect(plan({ state: 'absent' }, known())).toMatchObject({ action: 'delete', reason: 'declared absent, with 0 tables' })
    expect(plan({ state: 'absent' }, full)).toBeUndefined()
    expect(kind.notices?.(specOf({ state: 'absent' }), full, contextOf())).toEqual([expect.stringMatching(/kept because it has 2 tables/)])
    expect(plan({ state: 'absent', loseAllRows: true }, full)).toMatchObject({ reason: 'declared absent, with 2 tables' })
    expect(kind.notices?.(specOf({ state: 'absent', loseAllRows: true }), full, contextOf())).toEqual([])
    expect(plan({ state: 'absent' }, MISSING)).toBeUndefined()
    expect(kind.notices?.(specOf({ state: 'absent' }), MISSING, contextOf())).toEqual([])
  })

  it('waits for a server that does not run', () => {
    expect(plan({}, { is: 'down' })).toMatchObject({ certainty: 'dependent', reason: 'server not running, checked once it runs' })
  })
})

describe('a host is refused', () => {
  const forbids = (options: object, state: DatabaseState, context = contextOf()) => kind.forbids?.(specOf(options), state, context)

  it.each([
    [{ encoding: 'LATIN1' }, {}, /has the encoding UTF8/],
    [{ collation: 'de_DE.UTF-8' }, {}, /has the collation C.UTF-8/],
    [{ collation: 'C.UTF-8' }, { ctype: 'de_DE.UTF-8' }, /has the collation de_DE.UTF-8/],
  ])('if the server cannot change a setting: %j', (options, more, message) => {
    expect(forbids(options, known({ database: { ...found, ...more } }))?.message).toMatch(message)
  })

  it('but not for another spelling, what is not declared, or a database that is to be created or deleted', () => {
    expect(forbids({ collation: 'c.utf8', encoding: 'UTF8' }, known())).toBeUndefined()
    expect(forbids({}, known({ database: { ...found, encoding: 'LATIN1', collation: 'de_DE' } }))).toBeUndefined()
    expect(forbids({ encoding: 'LATIN1' }, MISSING)).toBeUndefined()
    expect(forbids({ encoding: 'LATIN1', state: 'absent' }, known())).toBeUndefined()
  })

  it('if its owner does not exist, and nothing before creates it', () => {
    const orphaned = known({ hasOwner: false })
    expect(forbids({}, orphaned)?.fix).toBe('declare the postgresql-role shop before it')
    expect(forbids({}, orphaned, contextOf({ changes: (key) => key === 'postgresql-role:shop' }))).toBeUndefined()
    expect(
      forbids({ cluster: '15/main' }, orphaned, contextOf({ changes: (key) => key === 'postgresql-role:15/main:shop' })),
    ).toBeUndefined()
    expect(forbids({}, orphaned, contextOf({ opaquePending: true }))).toBeUndefined()
    expect(forbids({ state: 'absent' }, orphaned)).toBeUndefined()
  })

  it('without a cluster', () => {
    expect(forbids({}, { is: 'none' })?.fix).toMatch(/package postgresql/)
  })
})

describe('a change', () => {
  const sql = (options: object, state: DatabaseState, afterScripts = false) =>
    sqlOf(postgresqlDatabase, { spec: specOf(options), state, afterScripts })

  it('compares, and creates outside of a transaction', () => {
    const text = sql({ collation: 'de_DE.UTF-8', connectionLimit: 5, template: 'base' }, MISSING)
    expect(text).toMatch(
      /is not as it was observed[\s\S]*CREATE DATABASE "shop" OWNER "shop" TEMPLATE "base" ENCODING ''UTF8'' LC_COLLATE ''de_DE.UTF-8'' LC_CTYPE ''de_DE.UTF-8''/,
    )
    expect(text).toContain('ALTER DATABASE "shop" CONNECTION LIMIT 5;')
    expect(text).not.toContain('BEGIN;\n')
    expect(sql({}, MISSING)).toContain("ENCODING ''UTF8'' LC_COLLATE ''C.UTF-8''")
    expect(sql({}, MISSING)).not.toContain('CONNECTION LIMIT')
  })

  it('does not compare a database that a script may have created', () => {
    expect(sql({}, MISSING, true)).not.toContain('is not as it was observed')
    expect(sql({}, known(), true)).toContain('is not as it was observed')
  })

  it('compares and alters in one transaction', () => {
    expect(sql({}, known())).toMatch(/BEGIN;\nDO [^\n]*'d'[^\n]*;\nALTER DATABASE "shop" OWNER TO "shop";\nCOMMIT;/)
  })

  it('deletes, and counts tables again unless they may be lost', () => {
    expect(sql({ state: 'absent' }, known())).toMatch(/the database has tables[\s\S]*\\endif\nDROP DATABASE IF EXISTS "shop";/)
    expect(sql({ state: 'absent', loseAllRows: true }, known())).not.toContain('the database has tables')
  })
})

it.each([
  [{ encoding: 'utf-8' }, 'encoding'],
  [{ collation: 'de DE' }, 'collation'],
  [{ name: 'template0' }, 'name'],
  [{ connectionLimit: -2 }, 'connectionLimit'],
  [{ owner: 'pg_monitor' }, 'owner'],
])('the options %j are refused', (options, path) => {
  const result = kind.schema.safeParse({ name: 'shop', ...options })
  expect(result.error?.issues[0]?.path).toEqual([path])
})

it('is kept by --prune', () => {
  expect(kind.orphan).toEqual({ keep: expect.stringMatching(/holds data/) })
})
