import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { networkFaults } from '../../../roles/firewall/networks.ts'
import firewall from '../../../roles/firewall/role.ts'
import haproxy from '../../../roles/haproxy-tls/role.ts'
import nginx from '../../../roles/nginx/role.ts'
import { shownText } from '../../../src/resource/kind/content.ts'
import { keyOf, type Resource } from '../../../src/resource/kind/kind.ts'
import type { HostContext, HostView, Role } from '../../../src/role/role.ts'
import { hostNameProblem } from '../../../src/site/schema/names.ts'
import { hostile } from './values.ts'

const host = (name: string, address: string): HostView => ({
  name,
  user: 'ops',
  sshPort: 22,
  addresses: [address],
  publicAddresses: [address],
  groups: [],
})
const [LB, WEB] = [host('lb-01', '10.0.0.11'), host('web-01', '10.0.0.12')]

/** The files that a role makes of these options, by path; undefined where it refuses them. */
const filesOf = (role: Role, of: HostView, written: unknown): ReadonlyMap<string, string> | undefined => {
  const read = role.options.safeParse(written)
  if (!read.success) return undefined
  const context = {
    host: of,
    options: read.data,
    site: { hosts: [LB, WEB], group: (name: string) => (name === 'web' ? [WEB] : [LB]), withRole: () => [LB] },
    facts: { distribution: 'debian', release: '12' },
    flows: [
      {
        host: 'web-01',
        role: 'nginx',
        service: 'site',
        port: 8443,
        protocol: 'tcp',
        encrypted: true,
        from: [{ name: 'lb-01', addresses: LB.addresses }],
      },
    ],
    files: () => [],
    acmeAccount: () => ({ key: 'acme-account:x', thumbprint: { later: 't', get: () => 't' } }),
    authority: ({ domain }: { domain: string }) => ({
      key: `authority:${domain}`,
      zone: `${domain}.internal`,
      certificate: { later: 'c', get: () => 'c' },
      trusted: () => [],
      nameOf: (name: string) => `${name}.${domain}.internal`,
    }),
    warn: () => {},
  } as unknown as HostContext<unknown>
  if ((role.check?.(context) ?? []).length > 0) return undefined
  const texts = role.resources(context).flatMap((resource: Resource): readonly (readonly [string, string])[] => {
    const { content, file } = resource.spec as { content?: never; file?: { content: never } }
    const text = content ?? file?.content
    return text === undefined ? [] : [[keyOf(resource), shownText(text) ?? '']]
  })
  return new Map(texts)
}

/** nginx: words, quotes, `;` and braces, comments. Returns the structure of a file, with words replaced by their number. */
const nginxShape = (text: string): readonly string[] => {
  const shape: string[] = []
  let words = 0
  for (const [token] of text.matchAll(
    /#[^\n]*|"(?:\\[\s\S]|[^"\\])*"|'(?:\\[\s\S]|[^'\\])*'|[;{}]|(?:\\[\s\S]|\$\{[^}]*\}|[^\s;{}"'#\\]|(?<=[^\s;{}])["'#])+|["'\\]/g,
  )) {
    if (token.startsWith('#')) continue
    if (/^[;{}]$/.test(token)) {
      shape.push(`${words}${token}`)
      words = 0
    } else words += 1
  }
  return [...shape, String(words)]
}

/** HAProxy: a line consists of words; backslash, quotes and (except in single quotes) dollar signs are special; `#` begins a comment. */
const haproxyShape = (text: string): readonly number[] =>
  text.split('\n').map((line) => {
    let words = 0
    let rest = line.trim()
    while (rest !== '' && !rest.startsWith('#')) {
      const [word] = /^(?:"(?:\\.|[^"\\$]|\$(?![A-Za-z_{]))*"|'[^']*'|\\.|[^\s"'\\$#]|\$(?![A-Za-z_{]))+/.exec(rest) ?? []
      if (word === undefined) return -1
      words += 1
      rest = rest.slice(word.length).trimStart()
    }
    return words
  })

/** systemd: lines; a backslash at the end continues the line. */
const unitShape = (text: string): readonly string[] =>
  text
    .replaceAll('\\\n', ' ')
    .split('\n')
    .map((line) => line.split('=', 1)[0] ?? '')

const shapesOf = (files: ReadonlyMap<string, string>): ReadonlyMap<string, unknown> =>
  new Map(
    [...files].map(([key, text]) => [
      key,
      key.startsWith('unit:') ? unitShape(text) : key.includes('haproxy') ? haproxyShape(text) : nginxShape(text),
    ]),
  )

/** Sets each option to a hostile value: the role refuses it, or its files differ from those of a harmless value in that word only. */
const everyOption = (role: Role, of: HostView, options: Readonly<Record<string, readonly [(value: string) => unknown, string]>>): void => {
  for (const [name, [written, harmless]] of Object.entries(options)) {
    const usual = filesOf(role, of, written(harmless))
    if (usual === undefined) throw new Error(`${name} refuses ${harmless}`)
    fc.assert(
      // Refused as a key by site/yaml/yaml-reader.ts, so it never reaches this schema.
      fc.property(
        hostile(12).filter((text) => text !== '__proto__'),
        fc.boolean(),
        (value, behind) => {
          const given = behind ? `${harmless}${value}` : value
          const files = filesOf(role, of, written(given))
          if (files !== undefined) expect([name, given, ...shapesOf(files).values()]).toEqual([name, given, ...shapesOf(usual).values()])
        },
      ),
      { numRuns: 250 },
    )
  }
}

describe('a hostile value', () => {
  it('is checked by a lexer for each language', () => {
    expect(nginxShape('a b; c "x;y" { d; } # no\n')).toEqual(['2;', '2{', '1;', '0}', '0'])
    expect(nginxShape('a "b')).not.toEqual(nginxShape('a b'))
    expect(haproxyShape('a "b c" # d\n  e\\ f g')).toEqual([2, 2])
    expect(haproxyShape('a "b')).toEqual([-1])
  })

  it('in an option of nginx is refused, or stays one word of its configuration', { timeout: 60_000 }, () => {
    // Content that is not deployed is not searched for the files that options name.
    const site = (more: object) => ({ release: 'previous', sites: [{ name: 'shop', content: 'site', ...more }] })
    const app = (more: object) => ({ sites: [{ name: 'shop', app: { command: '/bin/app', port: 3000, ...more } }] })
    everyOption(nginx as Role, WEB, {
      hosts: [(value) => site({ hosts: [value] }), 'shop.test'],
      index: [(value) => site({ index: value }), 'index.html'],
      fallback: [(value) => site({ fallback: value }), '/index.html'],
      errors: [(value) => site({ errors: { 404: value } }), '/404.html'],
      header: [(value) => site({ headers: { 'X-A': value } }), 'a'],
      'name of a header': [(value) => site({ headers: { [value]: 'a' } }), 'X-A'],
      cache: [(value) => site({ cache: { [value]: 1 } }), '*.css'],
      body: [(value) => site({ body_max: value }), '1m'],
      name: [(value) => ({ sites: [{ name: value, app: { command: '/bin/app', port: 3000 } }] }), 'shop'],
      redirect: [(value) => ({ sites: [{ name: 'shop', redirect: value }] }), 'https://shop.test'],
      proxy: [(value) => ({ sites: [{ name: 'shop', proxy: value }] }), 'http://127.0.0.1:3000'],
      health: [
        (value) => app({ health: undefined }) && { sites: [{ name: 'shop', health: value, app: { command: '/bin/app', port: 3000 } }] },
        '/health',
      ],
      command: [(value) => app({ command: value }), '/bin/app'],
      directory: [(value) => app({ directory: value }), '/srv'],
      writes: [(value) => app({ writes: [value] }), '/srv'],
      user: [(value) => app({ user: value }), 'www-data'],
      memory: [(value) => app({ memory: value }), '64m'],
      variable: [(value) => app({ environment: { [value]: 'x' } }), 'NAME'],
    })
  })

  it('in an option of haproxy-tls is refused, or stays one word of its configuration', { timeout: 60_000 }, () => {
    const options = (more: object) => ({ certificates: [{ names: ['www.example.org'] }], ...more })
    everyOption(haproxy as Role, LB, {
      names: [(value) => ({ certificates: [{ names: [value] }] }), 'www.example.org'],
      health_path: [(value) => options({ health_path: value }), '/healthz'],
      health_host: [(value) => options({ health_host: value }), 'www.example.org'],
      header: [(value) => options({ headers: { 'X-A': value } }), 'a'],
      'name of a header': [(value) => options({ headers: { [value]: 'a' } }), 'X-A'],
      except: [(value) => options({ rate_limit: { except: [value] } }), '192.0.2.1'],
    })
  })

  it('among the administrators of the firewall is refused, is an address, or the name of a set', () => {
    fc.assert(
      fc.property(hostile(12), fc.constantFrom('', '192.0.2.1', 'fe80::1', '2001:db8::/32'), (value, before) => {
        const text = `${before}${value}`
        const { data } = firewall.options.safeParse({ administrators: [text] })
        if (data !== undefined && networkFaults(data, () => false).length === 0) expect(text).toMatch(/^[0-9A-Fa-f.:/]+$/)
      }),
      { numRuns: 1000 },
    )
  })

  it('as a host name, which rules, certificates and files contain, is refused or is a plain word', () => {
    fc.assert(
      fc.property(hostile(12), (text) => {
        if (hostNameProblem(text) === undefined) expect(text).toMatch(/^[a-z0-9][a-z0-9.-]*$/)
      }),
      { numRuns: 1000 },
    )
  })
})
