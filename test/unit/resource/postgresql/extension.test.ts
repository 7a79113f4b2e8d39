import { describe, expect, it } from 'vitest'
import { sha256Hex } from '../../../../src/resource/kind/content.ts'
import { type ExtensionState, postgresqlExtension } from '../../../../src/resource/postgresql/extension.ts'
import { answered, contextOf, sqlOf, stateIn } from './answer.ts'

const { kind } = postgresqlExtension
const specOf = (options: object = {}) => kind.schema.parse({ database: 'shop', name: 'pg_trgm', ...options })
const known = (more: object = {}): ExtensionState =>
  ({
    ...{ is: 'known', hasDatabase: true, extension: { version: '1.5', schema: 'public' }, digest: 'd', available: ['1.5', '1.6'] },
    ...more,
  }) as ExtensionState
const MISSING = known({ extension: undefined, digest: '' })
const plan = (options: object, state: ExtensionState) => kind.plan(specOf(options), state, contextOf())

describe('an observation', () => {
  it('reads the extension and the versions of the host', () => {
    const text = '{"version":"1.5","schema":"public"}'
    const rows = [
      ['available', 'pg_trgm', ['1.5', '1.6']],
      ['extension', 'other', 'pg_trgm', null],
      ['extension', 'shop', 'pg_trgm', text],
    ]
    expect(stateIn(postgresqlExtension, specOf(), answered(...rows))).toEqual(known({ digest: sha256Hex(text) }))
  })

  it('reads a database without it, and no database', () => {
    expect(stateIn(postgresqlExtension, specOf(), answered(['extension', 'shop', 'pg_trgm', null]))).toEqual(
      known({ extension: undefined, digest: sha256Hex(''), available: [] }),
    )
    expect(stateIn(postgresqlExtension, specOf(), answered())).toMatchObject({ hasDatabase: false, extension: undefined })
  })

  it('does not compare a standby', () => {
    const state = stateIn(postgresqlExtension, specOf(), Buffer.from('["standby",true]\nend\n'))
    expect([state, plan({}, state)]).toEqual([{ is: 'standby' }, undefined])
    expect(kind.notices?.(specOf(), state, contextOf())).toHaveLength(1)
    expect(kind.notices?.(specOf(), known(), contextOf())).toEqual([])
  })

  it('connects once to each database', () => {
    const specs = [specOf(), specOf({ name: 'hstore' }), specOf({ database: 'other' })]
    expect(String(kind.observe(specs).script).match(/connect -reuse/g)).toHaveLength(2)
  })
})

describe('a plan', () => {
  it('creates a missing extension', () => {
    expect(plan({}, MISSING)).toMatchObject({ action: 'create', certainty: 'exact' })
    expect(plan({}, known({ extension: undefined, hasDatabase: false }))).toMatchObject({ certainty: 'dependent' })
    expect(plan({}, known({ extension: undefined, available: [] }))).toMatchObject({ certainty: 'dependent' })
    expect(plan({ version: '1.7' }, MISSING)).toMatchObject({ certainty: 'dependent' })
  })

  it('changes version and schema only if declared', () => {
    expect(plan({}, known())).toBeUndefined()
    expect(plan({ version: '1.5', schema: 'public' }, known())).toBeUndefined()
    expect(plan({ version: '1.6', schema: 'text' }, known())).toMatchObject({ reason: 'version and schema differ', certainty: 'exact' })
  })

  it('deletes', () => {
    expect(plan({ state: 'absent' }, known())).toMatchObject({ action: 'delete' })
    expect(plan({ state: 'absent' }, MISSING)).toBeUndefined()
    expect(plan({}, { is: 'down' })).toMatchObject({ certainty: 'dependent' })
  })
})

describe('a host is refused', () => {
  const forbids = (options: object, state: ExtensionState, context = contextOf()) => kind.forbids?.(specOf(options), state, context)

  it('without the package of the extension, or of this version', () => {
    expect(forbids({}, known({ extension: undefined, available: [] }))?.message).toMatch(/not available: no installed package/)
    expect(forbids({ version: '2' }, known())?.message).toMatch(/not available in version 2: the installed package has 1.5, 1.6/)
    expect(forbids({ version: '2' }, known(), contextOf({ packagesPending: true }))).toBeUndefined()
    expect(forbids({}, known({ available: [] }))).toBeUndefined()
    expect(forbids({ version: '1.5' }, known({ available: [] }))).toBeUndefined()
    expect(forbids({ state: 'absent' }, known({ extension: undefined, available: [] }))).toBeUndefined()
    expect(forbids({}, { is: 'none' })).toBeDefined()
  })

  it('without the database, unless an earlier resource creates it', () => {
    const nowhere = known({ extension: undefined, hasDatabase: false })
    expect(forbids({}, nowhere)?.fix).toBe('declare the postgresql-database shop before it')
    expect(forbids({}, nowhere, contextOf({ changes: (key) => key === 'postgresql-database:shop' }))).toBeUndefined()
    expect(forbids({ cluster: '15/main' }, nowhere, contextOf({ changes: (key) => key === 'postgresql-database:shop' }))).toBeDefined()
  })
})

describe('a change', () => {
  const sql = (options: object, state: ExtensionState, afterScripts = false) =>
    sqlOf(postgresqlExtension, { spec: specOf(options), state, afterScripts })

  it('creates in a transaction that compares first', () => {
    expect(sql({ version: '1.5', schema: 'text' }, MISSING)).toMatch(
      /dbname=[^\n]*\nBEGIN;\nDO [^\n]*is not as it was observed[^\n]*\nCREATE EXTENSION IF NOT EXISTS "pg_trgm" SCHEMA "text" VERSION '1.5';/,
    )
  })

  it('creates without a schema in public, and never among the objects of the server', () => {
    expect(sql({}, MISSING)).toContain(
      'SET LOCAL search_path = public;\nCREATE EXTENSION IF NOT EXISTS "pg_trgm";\nSET LOCAL search_path = pg_catalog;\nCOMMIT;',
    )
    expect(sql({ schema: 'text' }, MISSING)).not.toContain('SET LOCAL')
  })

  it('does not compare what a script or an earlier resource may have created', () => {
    expect(sql({}, MISSING, true)).not.toContain('as it was observed')
    expect(sql({}, known({ hasDatabase: false, extension: undefined }))).not.toContain('as it was observed')
    expect(sql({}, known(), true)).toContain('as it was observed')
  })

  it('updates what differs', () => {
    const both = sql({ version: '1.6', schema: 'text' }, known())
    expect(both).toContain(`ALTER EXTENSION "pg_trgm" UPDATE TO '1.6';\nALTER EXTENSION "pg_trgm" SET SCHEMA "text";\nCOMMIT;`)
    expect(sql({ version: '1.5', schema: 'public' }, known())).not.toContain('ALTER EXTENSION')
  })

  it('deletes without what depends on it', () => {
    expect(sql({ state: 'absent' }, known())).toMatch(/DROP EXTENSION IF EXISTS "pg_trgm";\nCOMMIT/)
  })
})
