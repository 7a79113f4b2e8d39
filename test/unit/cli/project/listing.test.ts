import { expect, test } from 'vitest'
import type { Command } from '../../../../src/cli/command.ts'
import { command as kinds } from '../../../../src/cli/project/kinds.ts'
import { command as roles } from '../../../../src/cli/project/roles.ts'
import { shippedKinds } from '../../../../src/engine/shipped-kinds.ts'
import { problemOf } from '../../problem-of.ts'
import { linkedProject, packageFiles } from '../../role/package/installed.ts'
import { project } from '../../site/project.ts'

const run = async ({ run: act }: Command, directory: string, ...positionals: readonly string[]): Promise<readonly string[]> => {
  const printed: string[] = []
  const same = (text: string): string => text
  const paint = { bold: same, dim: same, red: same, green: same, yellow: same, cyan: same }
  const context = { directory, out: (text: string) => printed.push(text), view: { paint, columns: 200, verbose: false } }
  await act({ positionals, rest: [], values: {} }, context as unknown as Parameters<Command['run']>[1])
  return printed
    .join('')
    .split('\n')
    .map((line) => line.replaceAll(/ {2,}/g, '  '))
}

const ROLE =
  'summary: cache\noptions: { memory: 64mb, ports: { type: array, items: { type: integer } } }\nresources: [file: { path: /etc/x, content: x }]\n'
/** A process knows a name of a kind once. */
const kindNamed = (name: string) => `import { defineKind, z } from 'provision/kind'
export const made = defineKind({ name: '${name}', schema: z.strictObject({ name: z.string().meta({ description: 'its name', examples: ['x'] }) }),
  id: ({ name }) => name, observe: () => ({ script: '', parse: () => new Map() }), plan: () => undefined, *apply() {}, orphan: { forget: true } })
`

const root = (kind = 'listed-kind') =>
  linkedProject(['@acme/redis'], {
    'roles/mine/role.yaml': ROLE.replace('cache', 'of the project'),
    ...packageFiles(
      '@acme/redis',
      { roles: { redis: './role.yaml' }, kinds: { [kind]: './kind.js' } },
      { 'role.yaml': ROLE, 'kind.js': kindNamed(kind) },
    ),
  })

test('roles are listed with their summary, and their origin unless it is provision', async () => {
  const lines = await run(roles, root('first-kind'))
  expect(lines).toEqual(
    expect.arrayContaining([
      '@acme/redis  cache (@acme/redis 1.2.3)',
      '@acme/redis/redis  cache (@acme/redis 1.2.3)',
      'mine  of the project (roles/mine/role.yaml)',
      'nginx  serves directories of the project and applications to the',
    ]),
  )
}, 60_000)

test('a role is shown with its options', async () => {
  expect(await run(roles, root('second-kind'), '@acme/redis')).toEqual([
    '@acme/redis',
    'cache (@acme/redis 1.2.3)',
    '',
    'memory  text, default "64mb"',
    'ports  list of number, required',
    '',
  ])
}, 60_000)

test('one option is shown with its description, its example and the options below it', async () => {
  const page = (name: string) => run(roles, project({}), name)
  expect(await page('redis.port')).toEqual(['port  number, default 6379', '  port, with TLS only', ''])
  const cors = await page('nginx.sites.cors')
  expect(cors[0]).toBe('sites[].cors  map')
  expect(cors.map((line) => line.trim().split('  ')[0])).toEqual(expect.arrayContaining(['origins', 'methods', 'headers', 'credentials']))
  expect(await page('nginx.sites[].cors')).toEqual(cors)
  expect(await page('nginx.sites.locations')).toContain('  *.proxy  text | list of text')
  expect(await page('redis.users')).toContain('users  list of map, default []')
  expect(await page('redis.password')).toContain(`  for example \${secret:redis}`)
  expect(await page('redis.password')).toContain('password  secret, required')
}, 60_000)

test('no line of a page is wider than 80 columns, unless a single word is', async () => {
  const pages = await Promise.all(
    ['nginx', 'haproxy-tls', 'mysql', undefined].map((name) => run(roles, project({}), ...(name === undefined ? [] : [name]))),
  )
  expect(pages.flat().length).toBeGreaterThan(200)
  expect(pages.flat().filter((line) => line.length > 80)).toEqual([])
}, 60_000)

test('kinds are listed with summary and origin, and one is shown with its options', async () => {
  const directory = root()
  expect(await run(kinds, directory)).toEqual(
    expect.arrayContaining(['listed-kind  kind of resource (@acme/redis 1.2.3)', 'file  file with content, mode and owner']),
  )
  expect(await run(kinds, directory, 'listed-kind')).toEqual([
    ...['listed-kind', 'kind of resource (@acme/redis 1.2.3)', ''],
    ...['name  text, required', '  its name', '  for example x', ''],
  ])
  const file = await run(kinds, directory, 'file')
  expect(file).toEqual(
    expect.arrayContaining([
      ...['state  "present" | "absent", default "present"', 'content  text | { source } | { template }', 'source  text', 'template  text'],
      ...['values  map', '  root  text, required'],
    ]),
  )
  const names = async (kind: string): Promise<readonly string[]> =>
    (await run(kinds, directory, kind)).flatMap((line) => /^ *(\S+) {2}\S/.exec(line)?.[1] ?? [])
  expect(await names('cron')).toEqual(['name', 'state', 'environment', 'jobs', '[].schedule', '[].user', '[].command'])
  expect(await names('database-dump')).toEqual(expect.arrayContaining(['content', 'source']))
  expect(await names('database-dump')).not.toContain('template')
})

test('every kind of provision has a summary of one line', async () => {
  const summaries = [...(await shippedKinds())].map(([name, { summary = '' }]) => [name, summary] as const)
  expect(summaries.filter(([, summary]) => !/^[^\n]{5,78}[^.\n]$/.test(summary))).toEqual([])
})

test.each([
  [roles, 'ngnix', 'unknown role ngnix', 'did you mean `nginx`?'],
  [roles, 'ngnix.sites', 'unknown role ngnix.sites', 'did you mean `nginx`?'],
  [roles, 'nginx.sites.aap', 'unknown option aap in nginx.sites.aap', 'did you mean `app`?'],
  [kinds, 'fil', 'unknown kind fil', 'did you mean `file`?'],
  [kinds, 'cron.job', 'unknown option job in cron.job', 'did you mean `jobs`?'],
  [kinds, 'authorized_key', 'unknown kind authorized_key', 'use the kind `authorized-keys`'],
])(
  'an unknown name has a suggestion',
  async (command, name, what, fix) => {
    const { what: found, fix: suggested } = await problemOf(run(command, project({}), name))
    expect([found, suggested]).toEqual([expect.stringContaining(what), fix])
  },
  60_000,
)
