import { expect, test } from 'vitest'
import type { Command } from '../../../../src/cli/command.ts'
import { command as kinds } from '../../../../src/cli/project/kinds.ts'
import { command as roles } from '../../../../src/cli/project/roles.ts'
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

test('roles are listed with their origin and summary', async () => {
  const lines = await run(roles, root('first-kind'))
  expect(lines).toEqual(
    expect.arrayContaining([
      'ROLE  ORIGIN  SUMMARY',
      '@acme/redis  @acme/redis 1.2.3  cache',
      '@acme/redis/redis  @acme/redis 1.2.3  cache',
      'mine  roles/mine/role.yaml  of the project',
      expect.stringMatching(/^nginx {2}provision {2}serves /),
    ]),
  )
}, 60_000)

test('a role is shown with its options', async () => {
  expect(await run(roles, root('second-kind'), '@acme/redis')).toEqual([
    '@acme/redis  cache',
    '',
    'OPTION  TYPE  DEFAULT  DESCRIPTION',
    'memory  text  "64mb"',
    'ports  list of number  required',
    '',
  ])
}, 60_000)

test('kinds are listed with their origin, and one is shown with its options', async () => {
  const directory = root()
  expect(await run(kinds, directory)).toEqual(
    expect.arrayContaining(['listed-kind  @acme/redis 1.2.3', 'file  provision', 'timer  provision']),
  )
  expect(await run(kinds, directory, 'listed-kind')).toEqual([
    'listed-kind  kind of @acme/redis 1.2.3',
    '',
    'OPTION  TYPE  DEFAULT  DESCRIPTION',
    'name  text  required  its name; for example x',
    '',
  ])
  const file = await run(kinds, directory, 'file')
  expect(file.join('\n')).toContain('\nstate  "present" | "absent"  "present"')
  expect(file.map((line) => line.split(/ {2,}/).slice(0, 2).join(' '))).toEqual(
    expect.arrayContaining(['content text | { source } | { template }', 'source text', 'template text', 'values map', 'set.root text']),
  )
  const names = async (kind: string): Promise<readonly string[]> =>
    (await run(kinds, directory, kind)).map((line) => line.split(' ')[0] ?? '')
  const options = ['name', 'state', 'environment', 'jobs', 'jobs[].schedule', 'jobs[].user', 'jobs[].command']
  expect(await names('cron')).toEqual(['cron', '', 'OPTION', ...options, ''])
  expect(await names('database-dump')).toEqual(expect.arrayContaining(['content', 'source']))
  expect(await names('database-dump')).not.toContain('template')
})

test.each([
  [roles, 'ngnix', 'unknown role ngnix', 'did you mean `nginx`?'],
  [kinds, 'fil', 'unknown kind fil', 'did you mean `file`?'],
  [kinds, 'authorized_key', 'unknown kind authorized_key', 'use the kind `authorized-keys`'],
])(
  'an unknown name has a suggestion',
  async (command, name, what, fix) => {
    const { what: found, fix: suggested } = await problemOf(run(command, project({}), name))
    expect([found, suggested]).toEqual([expect.stringContaining(what), fix])
  },
  60_000,
)
