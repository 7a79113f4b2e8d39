// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references of YAML
import { expect, test } from 'vitest'
import { keyOf } from '../../../../src/resource/kind/kind.ts'
import { packageFiles } from '../package/installed.ts'
import { declaredBy, problemsOf } from './declared.ts'

const ROLE = `summary: cache
options: { memory: 64mb }
resources:
  - file: { path: '/etc/\${role.name}.conf', source: ./files/redis.conf }
  - file: { path: /etc/memory, content: "\${options.memory}" }
  - file: { path: /etc/of-the-project, source: files/page }
`

const project = (playbook: string, role = ROLE) =>
  declaredBy(playbook, {
    files: {
      'package.json': '{ "dependencies": { "@acme/redis": "1" } }',
      'files/page': 'of the project\n',
      ...packageFiles(
        '@acme/redis',
        { roles: { redis: './roles/redis/role.yaml' } },
        {
          'roles/redis/role.yaml': role,
          'roles/redis/files/redis.conf': 'of the package\n',
          'roles/redis/wrong.j2': 'a\n{{ values.nil }}\n',
          'roles/redis/outer.j2': '{% include "./none.j2" %}\n',
        },
      ),
    },
  })

test.each(["'@acme/redis'", "'@acme/redis/redis'"])(
  'a role in YAML of a package is bound as %s, with its files and its own name',
  async (name) => {
    const resources = await project(`- hosts: all\n  roles: [{ ${name}: { memory: 1gb } }]\n`)
    const texts = resources.map((one) => {
      const { content } = one.spec as { content: { parts?: readonly string[]; open?(): Buffer } }
      return [keyOf(one), content.parts?.join('') ?? String(content.open?.())]
    })
    expect(texts).toEqual([
      ['file:/etc/redis.conf', 'of the package\n'],
      ['file:/etc/memory', '1gb'],
      ['file:/etc/of-the-project', 'of the project\n'],
    ])
  },
)

test.each(['${env:PASSWORD}', '${secret:db.password}', '${command:id}'])(
  'a role of a package cannot read %s of the project',
  async (reference) => {
    const role = `summary: s\nresources: [file: { path: /etc/x, mode: '600', content: '${reference}' }]\n`
    expect(await problemsOf(() => project("- hosts: all\n  roles: ['@acme/redis']\n", role))).toEqual([
      `node_modules/@acme/redis/roles/redis/role.yaml:2:57 \`${reference}\` is not allowed in a package ` +
        '(a package does not choose what it reads of a project and its secrets) → ' +
        'declare an option, and write ${options.NAME}; a project sets it to this reference',
    ])
  },
)

test.each([
  ['template: ./wrong.j2', '@acme/redis/roles/redis/wrong.j2:2:11 `values` has no `nil`'],
  ['template: ./outer.j2', '@acme/redis/roles/redis/outer.j2:1:1'],
  [
    'template: ./none.j2',
    'node_modules/@acme/redis/roles/redis/role.yaml:2:45 @acme/redis/roles/redis/none.j2: file does not exist in the package',
  ],
  [
    'source: ./none',
    'node_modules/@acme/redis/roles/redis/role.yaml:2:43 @acme/redis/roles/redis/none: file does not exist in the package',
  ],
])('a problem with %s of a role of a package has the name of the package', async (option, expected) => {
  const role = `summary: s\nresources: [file: { path: /etc/x, ${option} }]\n`
  const [found, ...more] = await problemsOf(() => project("- hosts: all\n  roles: ['@acme/redis']\n", role))
  expect([found, more]).toEqual([expect.stringContaining(expected), []])
})

test.each([
  ["'@acme/redis/rediss'", 'did you mean `@acme/redis/redis`?'],
  ["'@acme/redis/unrelated-name'", 'name a role of this package (available: @acme/redis, @acme/redis/redis)'],
  ["'@acme/rediss'", 'did you mean `@acme/redis`?'],
  ["'@other/postgresql'", 'install a package that declares it: npm install @other/postgresql'],
  ['postgresql/main', 'install a package that declares it: npm install postgresql'],
])('the unknown role %s of a package has a fix', async (name, fix) => {
  expect(await problemsOf(() => project(`- hosts: all\n  roles: [${name}]\n`))).toEqual([
    `2:11 unknown role \`${name.replaceAll("'", '')}\` → ${fix}`,
  ])
})
