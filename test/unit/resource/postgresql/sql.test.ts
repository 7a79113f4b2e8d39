import { expect, it } from 'vitest'
import {
  compareSql,
  connectTo,
  databaseName,
  inDatabase,
  MARK,
  roleName,
  sqlName,
  sqlText,
  sqlTexts,
} from '../../../../src/resource/postgresql/sql.ts'

it('quotes texts: a backslash and a line break need the form with escapes', () => {
  expect(sqlText("a'b")).toBe("'a''b'")
  expect(sqlText("a\\'b")).toBe("E'a\\\\''b'")
  expect(sqlText('a\nb\rc')).toBe("E'a\\nb\\rc'")
  expect(sqlTexts(['a', "b'"])).toBe("ARRAY['a', 'b''']::text[]")
})

it('quotes identifiers', () => {
  expect(sqlName('a"b')).toBe('"a""b"')
})

it('quotes a database for the connection string, for psql, and for the quotes that psql takes out once more', () => {
  expect(connectTo('shop')).toBe(String.raw`\connect -reuse-previous=on 'dbname=\'shop\''`)
  expect(connectTo(`a'b"c\\d`)).toBe(String.raw`\connect -reuse-previous=on 'dbname=\'a\\\'b""""c\\\\d\''`)
})

it('skips the statements of a database that does not exist', () => {
  expect(inDatabase('shop', 3, 'SELECT 1;').split('\n')).toEqual([
    "SELECT EXISTS (SELECT 1 FROM pg_database WHERE datname = 'shop' AND datallowconn) AS there3 \\gset",
    '\\if :there3',
    "\\connect -reuse-previous=on 'dbname=\\'shop\\''",
    'SELECT 1;',
    '\\endif',
    '',
  ])
})

it('compares by digest, in a block whose text is quoted as a whole', () => {
  const sql = compareSql('SELECT 1', 'abc', "role x'y")
  expect(sql).toMatch(/^DO '.*';\n$/)
  expect(sql).toContain(`RAISE EXCEPTION USING MESSAGE = ''${MARK}: role x''''y is not as it was observed''`)
  expect(sql).toContain('sha256(convert_to(COALESCE((SELECT 1)::text')
})

it.each([
  ['with a slash', 'a/b'],
  ['with a line break', 'a\nb'],
  ['with a line separator', 'a\u2028b'],
  ['that begins with a space', ' a'],
  ['of more than 63 bytes', 'ä'.repeat(32)],
  ['of the server', 'template1'],
  ['without characters', ''],
])('refuses a database name %s', (_, name) => {
  expect(databaseName.safeParse(name).success).toBe(false)
})

it('accepts any other name', () => {
  for (const name of ['shop', 'ä'.repeat(31), `a'b"c\\d;$x`, '-c']) expect(databaseName.parse(name)).toBe(name)
})

it.each(['pg_monitor', 'public', 'current_user', 'none'])('refuses %s as the name of a role', (name) => {
  expect(roleName.safeParse(name).success).toBe(false)
})
