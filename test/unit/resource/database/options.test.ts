import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { refuseInvalidAccount } from '../../../../src/resource/database/account-spec.ts'
import { charset, collation, collationOf, refuseOtherCharset } from '../../../../src/resource/database/charset.ts'
import { hostFault } from '../../../../src/resource/database/client-host.ts'
import { database } from '../../../../src/resource/database/database.ts'
import { expanded, MARIADB_PRIVILEGES, privilegeFault } from '../../../../src/resource/database/privileges.ts'

const TABLE = [
  'ALTER',
  'CREATE',
  'CREATE VIEW',
  'DELETE',
  'DELETE HISTORY',
  'DROP',
  'INDEX',
  'INSERT',
  'REFERENCES',
  'SELECT',
  'SHOW VIEW',
  'TRIGGER',
  'UPDATE',
]
const DATABASE = [...TABLE, 'ALTER ROUTINE', 'CREATE ROUTINE', 'CREATE TEMPORARY TABLES', 'EVENT', 'EXECUTE', 'LOCK TABLES']
const SERVER = [
  ...['BINLOG ADMIN', 'BINLOG MONITOR', 'BINLOG REPLAY', 'CONNECTION ADMIN', 'CREATE TABLESPACE', 'CREATE USER', 'FEDERATED ADMIN', 'FILE'],
  ...['PROCESS', 'READ_ONLY ADMIN', 'RELOAD', 'REPLICATION MASTER ADMIN', 'REPLICATION SLAVE', 'REPLICATION SLAVE ADMIN', 'SET USER'],
  ...['SHOW DATABASES', 'SHUTDOWN', 'SLAVE MONITOR', 'SUPER'],
]

describe('privileges', () => {
  // The answers of MariaDB 10.11 to GRANT … ON t.x, t.* and *.*: 1144 and 1221 for the others.
  it('are those that the server grants on the target', () => {
    const refused = (on: string) => [...DATABASE, ...SERVER].filter((name) => privilegeFault(on, name) !== undefined)
    expect(refused('*.*')).toEqual([])
    expect(refused('shop.*')).toEqual(SERVER)
    expect(refused('shop.orders')).toEqual([...DATABASE.slice(TABLE.length), ...SERVER])
  })

  it('are sorted and distinct; ALL is every privilege on the target', () => {
    expect(expanded('shop.*', ['update', 'Select', 'UPDATE'])).toEqual(['SELECT', 'UPDATE'])
    expect(expanded('shop.orders', ['select', 'all privileges'])).toEqual(TABLE)
    expect(expanded('shop.*', ['ALL'])).toEqual(DATABASE.toSorted())
    expect(expanded('*.*', ['ALL'])).toEqual(DATABASE.toSorted())
    expect(expanded('*.*', ['ALL', 'process', 'Replication Client'])).toEqual([...DATABASE, 'BINLOG MONITOR', 'PROCESS'].sort())
  })

  it.each([
    [
      'shop.orders',
      'EVENT',
      'is a privilege on databases, and shop.orders is a table',
      /^grant it on shop\.\*, or write privileges of a table: ALL .*, UPDATE$/,
    ],
    [
      'shop.orders',
      'SUPER',
      'is a privilege on the whole server, and shop.orders is a table',
      /^write privileges of a table: ALL, ALTER, CREATE, /,
    ],
    [
      'shop.*',
      'RELOAD',
      'is a privilege on the whole server, and shop.* is a database',
      /^write privileges of a database: ALL, ALTER, ALTER ROUTINE, /,
    ],
    [
      'shop.*',
      'grant option',
      'lets the account grant its privileges to others, and the accounts then differ from the inventory',
      /^remove it, and declare/,
    ],
    ['*.*', 'SELEKT', 'is not a privilege', /^write privileges of the whole server: ALL, ALTER, ALTER ROUTINE, BINLOG ADMIN/],
    ['shop.*', 'usage', 'grants nothing: every account may log in', /^remove it; for an account that may only log in, remove the grant$/],
  ])('on %s: %s is refused with what is possible', (on, name, message, fix) => {
    expect(privilegeFault(on, name)).toEqual({ message, fix: expect.stringMatching(fix) })
  })

  it('and hosts of an account that is to be deleted are not checked', () => {
    const schema = z
      .object({ host: z.string(), state: z.string(), grants: z.array(z.object({ on: z.string(), privileges: z.array(z.string()) })) })
      .superRefine(refuseInvalidAccount)
    const faults = (state: string) =>
      schema
        .safeParse({ state, host: '10.0.0.0/8', grants: [{ on: 'a.*', privileges: ['SELECT', 'X'] }] })
        .error?.issues.map((issue) => [issue.path.join('.'), (issue as { params?: { fix: string } }).params?.fix]) ?? []
    expect(faults('absent')).toEqual([])
    expect(faults('present')).toEqual([
      ['host', hostFault('10.0.0.0/8')?.fix],
      ['grants.0.privileges.1', privilegeFault('a.*', 'X')?.fix],
    ])
  })
})

describe('character sets and collations', () => {
  it.each([
    [{ charset: 'utf8mb4' }, 'utf8mb4_unicode_ci'],
    [{ charset: 'latin1' }, undefined],
    [{ charset: 'latin1', collation: 'latin1_bin' }, 'latin1_bin'],
    [{ charset: 'utf8mb4', collation: 'uca1400_ai_ci' }, 'utf8mb4_uca1400_ai_ci'],
    [{ charset: 'ucs2', collation: 'uca1400_as_cs' }, 'ucs2_uca1400_as_cs'],
  ])('%j have the collation %s', (given, expected) => expect(collationOf(given)).toBe(expected))

  const fixes = (given: object) =>
    z
      .object({ charset, collation: collation.optional() })
      .superRefine(refuseOtherCharset)
      .safeParse(given)
      .error?.issues.map((issue) => [issue.path.join(), issue.message, (issue as { params?: { fix: string } }).params?.fix])

  // The answer of MariaDB 10.11 to SHOW CHARACTER SET.
  const SHOWN =
    'big5 dec8 cp850 hp8 koi8r latin1 latin2 swe7 ascii ujis sjis hebrew tis620 euckr koi8u gb2312 greek cp1250 gbk latin5 armscii8 utf8mb3 ucs2 cp866 keybcs2 macce macroman cp852 latin7 utf8mb4 cp1251 utf16 utf16le cp1256 cp1257 utf32 binary geostd8 cp932 eucjpms'

  it('of the server are all accepted', () => {
    expect(SHOWN.split(' ').filter((name) => !charset.safeParse(name).success)).toEqual([])
  })

  it('that belong together are accepted', () => {
    for (const given of [
      { charset: 'utf8mb4', collation: 'utf8mb4_bin' },
      { charset: 'binary', collation: 'binary' },
      { charset: 'utf16', collation: 'uca1400_ai_ci' },
      { charset: 'koi8r' },
    ])
      expect(fixes(given)).toBeUndefined()
  })

  it('that do not are refused with what to write', () => {
    expect(fixes({ charset: 'latin1', collation: 'utf8mb4_bin' })).toEqual([
      [
        'collation',
        'is not a collation of the character set latin1',
        'remove it for the usual collation of latin1, or set `charset: utf8mb4`',
      ],
    ])
    // `utf8_…` and `latin1x_…` begin with no character set.
    expect(fixes({ charset: 'latin1', collation: 'latin1x_bin' })?.[0]?.[2]).toBe('remove it for the usual collation of latin1')
    expect(fixes({ charset: 'utf8' })?.[0]?.slice(0, 2)).toEqual(['charset', 'must be a character set of MariaDB'])
    expect(fixes({ charset: 'utf8' })?.[0]?.[2]).toMatch(/^write utf8mb4, which has all characters, or one of armscii8, .*, utf8mb3$/)
    expect(fixes({ charset: 'latin1', collation: 'latin1-bin' })?.length).toBeGreaterThan(0)
  })

  it('are options of a database, whose name is none of the server', () => {
    const both = { me: 'a', servers: ['a'] }
    expect(database({ name: 'shop', ...both }).spec).toMatchObject({
      charset: 'utf8mb4',
      collation: 'utf8mb4_unicode_ci',
      state: 'present',
    })
    for (const name of ['mysql', 'SYS', 'information_schema', 'a b', '-a', '']) expect(() => database({ name, ...both })).toThrow()
    expect(() => database({ name: 'a', charset: 'latin1', collation: 'utf8mb4_bin', ...both })).toThrow('is not a collation of')
  })
})

it('docs/mariadb.md lists the privileges that ALL on *.* does not have', () => {
  const page = readFileSync(join(import.meta.dirname, '../../../../docs/mariadb.md'), 'utf8')
  const [, listed = ''] = /also grants:\n\n([^#]*?)\n\n/.exec(page) ?? []
  const all = expanded('*.*', ['ALL'])
  const onServer = MARIADB_PRIVILEGES.filter((name) => !all.includes(name))
  expect([...listed.matchAll(/`([^`]+)`/g)].map(([, name]) => name)).toEqual(onServer)
  expect(all).toEqual(expanded('shop.*', ['ALL']))
})
