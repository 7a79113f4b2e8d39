import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, expect, test } from 'vitest'
import { z } from 'zod'
import { Problem, Problems } from '../../../src/problem.ts'
import { placeOfError } from '../../../src/role/error-place.ts'
import { guardedRole } from '../../../src/role/guarded-role.ts'
import type { Exposes, HostContext, HostView, Listen, Role, SiteContext } from '../../../src/role/role.ts'
import { sh } from '../../../src/shell/sh.ts'
import { problemOf } from '../problem-of.ts'

const scratch = mkdtempSync(join(tmpdir(), 'provision-role-'))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

const context = {} as SiteContext<unknown> & HostContext<unknown>
const roleOf = (parts: Partial<Role>): Role => ({ name: 'mine', summary: '', options: z.unknown(), resources: () => [], ...parts })

test('an error in a role is an input error with the line of the role', async () => {
  const file = join(scratch, 'roles/mine/role.mjs')
  mkdirSync(join(scratch, 'roles/mine'), { recursive: true })
  writeFileSync(file, 'export const resources = () => {\n  return [nonsense]\n}\n')
  const { resources } = (await import(/* @vite-ignore */ pathToFileURL(file).href)) as Pick<Role, 'resources'>
  const { where, what, why } = await problemOf(() => guardedRole(roleOf({ resources }), file).resources(context))
  expect(where).toEqual({ file, line: 2, column: 11 })
  expect(what).toBe('role mine is invalid')
  expect(why).toBe('ReferenceError: nonsense is not defined')
})

test('an error in a file that a role imports has its line, not that of the role', async () => {
  const [file, inner] = ['role.mjs', 'lines of it.mjs'].map((name) => join(scratch, 'roles/outer', name))
  if (file === undefined || inner === undefined) throw new Error('two files')
  mkdirSync(join(scratch, 'roles/outer'), { recursive: true })
  writeFileSync(file, "import { lines } from './lines of it.mjs'\nexport const resources = () => lines()\n")
  writeFileSync(inner, '\nexport const lines = () => {\n  throw new TypeError("no line")\n}\n')
  const { resources } = (await import(/* @vite-ignore */ pathToFileURL(file).href)) as Pick<Role, 'resources'>
  const { where, why } = await problemOf(() => guardedRole(roleOf({ resources }), file).resources(context))
  expect(where).toEqual({ file: relative(process.cwd(), inner), line: 3, column: 9 })
  expect(why).toBe('TypeError: no line')
})

test.each<[string, string[], object | undefined]>([
  ['a file of a user', ['at f (file:///p/roles/a.ts:3:9)', 'at g (/p/b.ts:1:1)'], { file: '/p/roles/a.ts', line: 3, column: 9 }],
  [
    'after frames of provision, of a package and of Node',
    [
      'at /own/src/x.ts:1:2',
      'at /p/node_modules/z/i.js:1:2',
      'at node:fs:1:2',
      'at process.next (node:internal/process/task_queues:104:5)',
      'at async /p/a%20b.ts?v=2:5:6',
    ],
    { file: '/p/a b.ts', line: 5, column: 6 },
  ],
  ['nowhere', ['at /own/src/x.ts:1:2', 'at Array.map (<anonymous>)'], undefined],
])('the place of an error is %s', (_, frames, place) => {
  const error = Object.assign(new Error('x'), { stack: ['Error: x at /p/no.ts:1:1', ...frames.map((frame) => `    ${frame}`)].join('\n') })
  expect(placeOfError(error, ['/own'])).toEqual(place)
  expect(placeOfError('a text', ['/own'])).toBeUndefined()
})

test('drains must return two scripts, or undefined', async () => {
  const drainsOf = (given: unknown) => guardedRole(roleOf({ drains: () => given as never }), 'role.ts').drains?.(context, {} as HostView)
  expect(drainsOf(undefined)).toBeUndefined()
  expect(drainsOf({ out: 'a', back: 'b' })).toEqual({ out: 'a', back: 'b' })
  expect(String(drainsOf({ out: sh`a`, back: sh`b` })?.out)).toBe('a')
  expect((await problemOf(() => drainsOf({ out: sh`a`, back: 1 }))).why).toMatch(/^drains: must return \{ out, back \}/)
  expect((await problemOf(() => drainsOf({ out: 'a' }))).why).toMatch(/^drains: must return \{ out, back \}/)
})

test.each([
  ['nothing', undefined],
  ['a hole in the list', [undefined]],
  [
    'a list without an end',
    (function* () {
      for (;;) yield { kind: {}, spec: {} }
    })(),
  ],
])('resources must return a list of resources: %s', async (_, given) => {
  const resources = () => given as never
  expect((await problemOf(() => guardedRole(roleOf({ resources }), 'role.ts').resources(context))).why).toMatch(
    /^resources: must return a list/,
  )
})

test('listens is checked at run time', async () => {
  const listens = () => [{ service: 'metrics', port: 9100, protocol: 'tcp', from: { group: 'monitoring' } }] as unknown as Listen[]
  const { why } = await problemOf(() => guardedRole(roleOf({ listens }), 'role.ts').listens?.(context))
  expect(why).toMatch(/^listens\[0\]\.from: /)
})

test('a problem that a role throws is unchanged', async () => {
  const own = new Problem({ class: 'input', where: { file: 'playbooks/site' }, what: 'is not there', fix: 'make it' })
  const resources = () => {
    throw own
  }
  expect(await problemOf(() => guardedRole(roleOf({ resources }), 'role.ts').resources(context))).toBe(own)
})

test('exposes is checked at run time', async () => {
  const exposes = (given: object) => () => guardedRole(roleOf({ exposes: () => [given] as Exposes[] }), 'role.ts').exposes?.(context)
  const metrics = { type: 'metrics', job: 'shop', format: 'prometheus', at: 'http://127.0.0.1:9200/metrics' }
  expect(exposes(metrics)()).toEqual([metrics])
  expect((await problemOf(exposes({ ...metrics, format: 'json' }))).why).toMatch(/^exposes\[0\]\.format: /)
  expect((await problemOf(exposes({ type: 'probe', name: 'shop' }))).why).toMatch(/^exposes\[0\]\./)
})

const LISTEN = { service: 'site', port: 80, protocol: 'tcp', from: ['anyone', { group: 'web' }, { host: 'a' }, 'administrators'] }

test.each<[string, object, string | undefined]>([
  ['all fields', { encrypted: true, sites: [{ names: ['a.test'], probe: { path: '/', status: 200 } }, { names: [] }] }, undefined],
  ['no protocol that is known', { protocol: 'icmp' }, 'protocol'],
  ['no service', { service: 5 }, 'service'],
  ['a port in a text', { port: '80' }, 'port'],
  ['another peer', { from: ['everyone'] }, 'from[0]'],
  ['a peer without a name', { from: ['anyone', {}] }, 'from[1]'],
  ['a word for yes', { encrypted: 'yes' }, 'encrypted'],
  ['one name in place of a list', { sites: [{ names: 'a.test' }] }, 'sites[0].names'],
  ['a probe without a status', { sites: [{ names: [], probe: { path: '/' } }] }, 'sites[0].probe.status'],
  ['a probe without a path', { sites: [{ names: [], probe: { status: 200 } }] }, 'sites[0].probe.path'],
])('a port with %s is checked', async (_, more, wrong) => {
  const given = [{ ...LISTEN, ...more }]
  const listens = () => guardedRole(roleOf({ listens: () => given as unknown as Listen[] }), 'role.ts').listens?.(context)
  if (wrong === undefined) expect(listens()).toBe(given)
  else expect((await problemOf(listens)).why).toMatch(new RegExp(`^listens\\[0\\]\\.${wrong.replace(/[[\]]/g, '\\$&')}: `))
})

const PROBE = { type: 'probe', name: 'a', of: 'site', url: 'https://10.0.0.1/', server: 'a.test', trusts: 'public' }

test.each<[string, object, string | undefined]>([
  ['all fields', { status: 100, trusts: { domain: 'edge' } }, undefined],
  ['the highest status', { status: 599, of: 'direct', trusts: 'anybody' }, undefined],
  ['a status too low', { status: 99 }, 'status'],
  ['a status too high', { status: 600 }, 'status'],
  ['another trust', { trusts: 'nobody' }, 'trusts'],
  ['a domain that is no word', { trusts: { domain: 'Edge' } }, 'trusts'],
  ['no URL', { url: 'a.test' }, 'url'],
  ['an empty server', { server: '' }, 'server'],
  ['an empty name', { name: '' }, 'name'],
  ['another place', { of: 'elsewhere' }, 'of'],
])('a probe with %s is checked', async (_, more, wrong) => {
  const given = [{ ...PROBE, ...more }]
  const exposes = () => guardedRole(roleOf({ exposes: () => given as unknown as Exposes[] }), 'role.ts').exposes?.(context)
  if (wrong === undefined) expect(exposes()).toBe(given)
  else expect((await problemOf(exposes)).why).toMatch(new RegExp(`^exposes\\[0\\]\\.${wrong}`))
})

test('metrics need a job that is a word, a format and a place', async () => {
  const metrics = { type: 'metrics', job: 'shop', format: 'mysqld', at: '/run/x' }
  const exposes = (more: object) => () =>
    guardedRole(roleOf({ exposes: () => [{ ...metrics, ...more }] as unknown as Exposes[] }), 'role.ts').exposes?.(context)
  expect(exposes({ format: 'nginx-status' })()).toHaveLength(1)
  for (const [more, field] of [
    [{ job: 'my shop' }, 'job'],
    [{ job: '1shop' }, 'job'],
    [{ at: '' }, 'at'],
    [{ type: 'other' }, 'type'],
  ] as const)
    expect((await problemOf(exposes(more))).why).toMatch(new RegExp(`^exposes\\[0\\]\\.${field}: `))
})

test('serves must return a script', async () => {
  const serves = (given: unknown) => () => guardedRole(roleOf({ serves: () => given as never }), 'role.ts').serves?.(context)
  expect(serves('true')()).toBe('true')
  expect(String(serves(sh`true`)())).toBe('true')
  const problem = await problemOf(serves(undefined))
  expect(problem).toMatchObject({ class: 'input', where: { file: 'role.ts' }, what: 'role mine is invalid', fix: 'correct the role' })
  expect(problem.why).toMatch(/^serves: /)
})

test('every hook of a role is caught, called with its role, and left out if the role does not have it', async () => {
  const hooks = ['resources', 'listens', 'exposes', 'drains', 'serves', 'check', 'verify'] as const
  const guarded = guardedRole(roleOf({}), 'role.ts')
  expect(hooks.filter((hook) => guarded[hook] !== undefined)).toEqual(['resources'])
  for (const hook of hooks) {
    const role = roleOf({
      [hook](this: Role) {
        throw new RangeError(`of ${this.name}`)
      },
    })
    const call = guardedRole(role, 'role.ts')[hook] as (...given: unknown[]) => unknown
    const { why, cause } = await problemOf(() => call(context, {}))
    expect(why).toBe('RangeError: of mine')
    expect(cause).toBeInstanceOf(RangeError)
  }
  const thrown = guardedRole(
    roleOf({
      check: () => {
        throw 'a text'
      },
    }),
    'role.ts',
  )
  expect(await problemOf(() => thrown.check?.(context))).toMatchObject({ why: 'a text', where: { file: 'role.ts' } })
})

test('an invalid resource and several problems are thrown as they are', () => {
  const invalid = z.string().safeParse(1).error
  const several = new Problems([new Problem({ class: 'input', where: { file: 'x' }, what: 'is wrong', fix: 'mend it' })])
  for (const error of [invalid, several])
    expect(() =>
      guardedRole(
        roleOf({
          resources: () => {
            throw error
          },
        }),
        'role.ts',
      ).resources(context),
    ).toThrow(error)
})
