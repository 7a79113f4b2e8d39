import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import base from '../../../roles/base/role.ts'
import firewall from '../../../roles/firewall/role.ts'
import haproxy from '../../../roles/haproxy-tls/role.ts'
import nginx from '../../../roles/nginx/role.ts'

/** The options and defaults of each table of a README, by path: `['timeouts.connect', 3]`. Defaults in words are left out. */
const tablesOf = (role: string): readonly (readonly (readonly [string, unknown])[])[] =>
  readFileSync(new URL(`../../../roles/${role}/README.md`, import.meta.url), 'utf8')
    .split('\n\n')
    .flatMap((block) => {
      const [head = '', , ...rows] = block.split('\n')
      const found = /^\| option(?: of `(\w+)`)? \| default \|/.exec(head)
      return found === null ? [] : [rows.flatMap((row) => defaultsOf(row, found[1] === undefined ? '' : `${found[1]}.`))]
    })

const defaultsOf = (row: string, prefix: string): readonly (readonly [string, unknown])[] => {
  const [, first = '', second = '', third = ''] = row.split('|').map((cell) => cell.trim())
  const names = [...first.matchAll(/`([\w.]+)`/g)].map(([, name]) => `${prefix}${name}`)
  const values = second.match(/`[^`]+`|[^,`]+/g)?.filter((one) => one.trim() !== '') ?? []
  const codes = values.map((one) => (one.startsWith('`') ? (parse(one.slice(1, -1)) as unknown) : undefined))
  if (names[0] === 'share') return [...third.matchAll(/`(\w+)` \((\d+)\)/g)].map(([, key, value]) => [`share.${key}`, Number(value)])
  // `connect: 3`, `client: 30` are the members of one option.
  if (names.length === 1 && codes.length > 1 && codes.every((code) => typeof code === 'object'))
    return codes.flatMap((code) => Object.entries(Object(code)).map(([key, value]) => [`${names[0]}.${key}`, value] as const))
  return names.flatMap((name, i) => (codes.length === names.length && codes[i] !== undefined ? [[name, codes[i]] as const] : []))
}

const valueAt = (given: unknown, path: string): unknown =>
  path.split('.').reduce((value, key) => (value as Readonly<Record<string, unknown>> | undefined)?.[key], given)

const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ/LMZhCtfW8cBGGJhmlfUfVYDdiX08PBo+cxJAJjF4C me'

describe('the defaults of a README', () => {
  it.each<[string, number, number | undefined, unknown, number]>([
    ['base', 0, 1, base.options.parse({ administrators: [{ name: 'ann', keys: [KEY] }] }).administrators[0], 5],
    ['base', 1, undefined, base.options.parse({ syslog: { server: 'logs.test' } }), 16],
    ['firewall', 0, undefined, firewall.options.parse({}), 6],
    ['haproxy-tls', 0, undefined, haproxy.options.parse({ certificates: [{ names: ['www.site.test'] }] }), 28],
    ['nginx', 0, 1, nginx.options.parse({}), 10],
    ['nginx', 1, 2, nginx.options.parse({ sites: [{ name: 'www' }] }).sites[0], 2],
    [
      'nginx',
      2,
      undefined,
      nginx.options.parse({ sites: [{ name: 'www', app: { command: '/usr/bin/true', port: 3000, php: {} } }] }).sites[0]?.app,
      4,
    ],
  ])('of the role %s are those of its options: tables from %i to %s', (role, from, to, given, count) => {
    const promised = tablesOf(role).slice(from, to).flat()
    expect(promised.length).toBeGreaterThanOrEqual(count)
    // `{}` has the defaults of its members.
    for (const [path, value] of promised) expect({ [path]: valueAt(given, path) }).toMatchObject({ [path]: value })
  })
})
