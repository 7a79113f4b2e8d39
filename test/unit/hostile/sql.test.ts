import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import mysql from '../../../roles/mysql/role.ts'
import { databaseAccount } from '../../../src/resource/database/account.ts'
import { accountSql } from '../../../src/resource/database/account-sql.ts'
import { sqlName, sqlText } from '../../../src/resource/database/mariadb.ts'
import { Secret } from '../../../src/secret/secret.ts'
import { hostile } from './values.ts'

const ESCAPES: Readonly<Record<string, string>> = { 0: '\0', b: '\b', n: '\n', r: '\r', t: '\t', Z: '\x1a' }

/** MariaDB's lexer by its manual: texts, names, comments, ends of statements, words. Undefined if a quote is not closed. */
const lexed = (sql: string): readonly (readonly [string, string])[] | undefined => {
  const tokens: [string, string][] = []
  let at = 0
  while (at < sql.length) {
    const rest = sql.slice(at)
    const [text] = /^'(?:\\[\s\S]|''|[^'\\])*'/.exec(rest) ?? []
    const [name] = /^`(?:``|[^`])*`/.exec(rest) ?? []
    const [word] = /^[A-Za-z0-9_]+/.exec(rest) ?? []
    const [gap] = /^(?:\s+|#[^\n]*|--\s[^\n]*|\/\*[\s\S]*?\*\/)/.exec(rest) ?? []
    if (text !== undefined)
      tokens.push([
        'text',
        text.slice(1, -1).replace(/\\([\s\S])|''/gu, (_, c?: string) => {
          if (c === undefined) return "'"
          return c === '%' || c === '_' ? `\\${c}` : (ESCAPES[c] ?? c)
        }),
      ])
    else if (name !== undefined) tokens.push(['name', name.slice(1, -1).replaceAll('``', '`')])
    else if (word !== undefined) tokens.push(['word', word])
    else if (gap === undefined && /^['"`]/.test(rest)) return undefined
    else if (gap === undefined) tokens.push(['sign', rest.slice(0, 1)])
    at += (text ?? name ?? word ?? gap ?? ' ').length
  }
  return tokens
}

const account = (more: object) => ({ user: 'shop', host: '%', password: new Secret('x'), servers: ['one'], me: 'one', ...more })
const sqlOf = (more: object): string => accountSql(databaseAccount(account(more)).spec as never, [])

describe('a hostile value in SQL', () => {
  it('is checked by a lexer', () => {
    expect(lexed("SELECT 'a\\'b' -- c\n, `d``e`;")).toEqual([
      ['word', 'SELECT'],
      ['text', "a'b"],
      ['sign', ','],
      ['name', 'd`e'],
      ['sign', ';'],
    ])
    expect(lexed("'it's'")).toBeUndefined()
  })

  it('is one text or one name with that value', () => {
    fc.assert(
      fc.property(hostile(200), (value) => {
        expect(lexed(`${sqlText(value)};`)).toEqual([
          ['text', value],
          ['sign', ';'],
        ])
        // It is part of scripts as well, in which a separate line could end the SQL.
        if (/[\n\0]/.test(sqlText(value))) expect.fail(`more than one line: ${sqlText(value)}`)
        expect(lexed(`${sqlName(value)};`)).toEqual([
          ['name', value],
          ['sign', ';'],
        ])
      }),
      { numRuns: 2000 },
    )
  })

  it('as a password is sent to a host only as its hash, with any characters and length', () => {
    const usual = lexed(sqlOf({}))?.map(([sort]) => sort)
    fc.assert(
      fc.property(fc.oneof(hostile(), fc.string({ unit: 'grapheme', minLength: 200, maxLength: 200 })), (password) => {
        const tokens = lexed(sqlOf({ password: new Secret(password) }))
        expect(tokens?.map(([sort]) => sort)).toEqual(usual)
        expect(tokens?.filter(([sort, text]) => sort === 'text' && text.length > 4).map(([, text]) => text)).toEqual([
          expect.stringMatching(/^\*[0-9A-F]{40}$/),
          expect.stringMatching(/^\*[0-9A-F]{40}$/),
        ])
      }),
    )
  })

  // Each value is refused, or is a word that ends no statement.
  const names: readonly (readonly [string, (value: string) => string])[] = [
    ['user', (user) => sqlOf({ user })],
    ['host', (host) => sqlOf({ host })],
    ['place of a grant', (on) => sqlOf({ grants: [{ on, privileges: ['SELECT'] }] })],
    ['privilege', (one) => sqlOf({ grants: [{ on: 'shop.*', privileges: [one] }] })],
  ]
  it.each(names)('as the %s is refused, or does not change the number of statements', (_, sql) => {
    fc.assert(
      fc.property(hostile(12), fc.boolean(), (value, behind) => {
        const given = behind ? `shop${value}` : value
        let made: string
        try {
          made = sql(given)
        } catch {
          return
        }
        const tokens = lexed(made) ?? expect.fail(`an open quote: ${given}`)
        const ends = tokens.filter(([sort, sign]) => sort === 'sign' && sign === ';').length
        expect([given, ends]).toEqual([given, tokens.some(([, word]) => word === 'GRANT') ? 3 : 2])
      }),
      { numRuns: 400 },
    )
  })

  it.each(["shop'; DROP DATABASE shop; -- ", 'shop`', 'shop\\', 'shop"', 'shop$(id)', 'shop\nuser', '', 'x'.repeat(81), 'шоп'])(
    'as the name of an account (%j) is refused by the role',
    (name) => {
      expect(mysql.options.safeParse({ users: [{ name, password: 'x' }] }).success).toBe(false)
      expect(mysql.options.safeParse({ databases: [{ name }] }).success).toBe(false)
    },
  )
})
