// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references of YAML
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { file } from '../../../../src/index.ts'
import { type Content, shownText } from '../../../../src/resource/kind/content.ts'
import { keyOf } from '../../../../src/resource/kind/kind.ts'
import { defineRole, type Role } from '../../../../src/role/role.ts'
import { declaredBy, INVENTORY, problemsOf } from './declared.ts'

const ROLE = `summary: a shop
options:
  port: 8080
  domain: { type: string, description: name of the site, examples: [shop.example.org] }
  tls: true
  names: [a1]
  password: { type: string, format: password }
  limits: { type: object, default: { nofile: 100 } }
resources:
  - file:
      path: /etc/\${role.name}.conf
      mode: '600'
      content: "\${options.port} \${options.domain} \${options.tls} \${options.limits.nofile} \${options.password}"
  - each: \${options.names}
    package: { name: "\${item}" }
  - file: { path: "/etc/\${role.name}.motd", source: ./files/motd }
  - file: { path: "/etc/\${role.name}.page", source: page }
repeatable: true
`
const FILES = { 'roles/app/role.yaml': ROLE, 'roles/app/files/motd': 'hello', page: 'x' }
const PLAY = "- { hosts: all, roles: [{ app: { domain: example.org, password: '${env:PASSWORD}' } }] }\n"

const specs = async (playbook: string, files = FILES) => (await declaredBy(playbook, { files })).map(({ spec }) => spec)
const problems = (role: string, playbook = '- { hosts: all, roles: [app] }\n', inventory = INVENTORY) =>
  problemsOf(() => declaredBy(playbook, { inventory, files: { ...FILES, 'roles/app/role.yaml': role } }))

describe('a role in YAML', () => {
  test('declares its resources with its options, their defaults and files of its folder', async () => {
    const [conf] = (await specs(PLAY)) as unknown as [{ content: Content }]
    expect(shownText(conf.content)).toBe('8080 example.org true 100 •••')
    expect(await specs(PLAY)).toMatchObject([
      { path: '/etc/app.conf' },
      { name: 'a1' },
      { path: '/etc/app.motd', content: { type: 'local', size: 5 } },
      { path: '/etc/app.page', content: { size: 1 } },
    ])
  })

  test('may be bound several times under different names, with the options of each name', async () => {
    const inventory = INVENTORY.replace('vars:', 'vars:\n  second: { domain: two.example, password: 0123456789abcd, names: [b1] }')
    const playbook = `${PLAY.trimEnd()}\n- hosts: all\n  roles:\n    - { role: app, as: second, options: { port: 81 } }\n`
    const resources = await declaredBy(playbook, { inventory, files: FILES })
    expect(resources.map(keyOf)).toEqual([
      ...['file:/etc/app.conf', 'package:a1', 'file:/etc/app.motd', 'file:/etc/app.page'],
      ...['file:/etc/second.conf', 'package:b1', 'file:/etc/second.motd', 'file:/etc/second.page'],
    ])
  })

  test('is bound under its own name only, unless it permits more', async () => {
    expect(await problems(ROLE.replace('repeatable: true', ''), '- { hosts: all, roles: [{ role: app, as: two }] }\n')).toEqual([
      expect.stringMatching(/^1:42 role app cannot be bound under another name \(.*`repeatable: true`\) → remove `as`$/),
      expect.stringContaining('`domain` is missing in role two'),
      expect.stringContaining('`password` is missing in role two'),
    ])
  })
})

const wrong: readonly (readonly [name: string, role: string, ...expected: readonly string[]])[] = [
  ['no resources', 'summary: x\n', '1:1 `resources` is missing in role app → add `resources: [package: { name: htop }]` (its resources)'],
  [
    'a misspelt member',
    'summary: x\noption: { a: 1 }\nresources: [package: { name: a1 }]\n',
    '2:1 unknown option `option` in role app → did you mean `options`?',
  ],
  [
    'members of Ansible',
    'summary: x\ntasks: []\nresources: [package: { name: a1 }]\n',
    '2:1 unknown option `tasks` in role app → write `resources`',
  ],
  [
    'an undeclared option',
    'summary: x\noptions: { port: 1 }\nresources: [file: { path: "/${options.prt}" }]\n',
    '3:29 `${options.prt}` does not exist → did you mean `port`?',
  ],
  [
    'an option without a type',
    'summary: x\noptions: { port: { description: y } }\nresources: [package: { name: a1 }]\n',
    '2:12 option has no `type` → write one of string, integer, number, boolean, array, object; for a default that is a map, write { type: object, default: {…} }',
  ],
  [
    'an option without a default',
    'summary: x\noptions: { port: }\nresources: [package: { name: a1 }]\n',
    '2:12 option has no default and no type → write a default, or its type: { type: string }',
  ],
  [
    'an unknown type',
    'summary: x\noptions: { port: { type: int } }\nresources: [package: { name: a1 }]\n',
    '2:26 unknown type `int` → write another type (available: string, integer, number, boolean, array, object)',
  ],
  [
    'an unknown keyword',
    'summary: x\noptions: { port: { type: integer, minimun: 1 } }\nresources: [package: { name: a1 }]\n',
    '2:35 unknown keyword `minimun` for type integer → did you mean `minimum`?',
  ],
  [
    'a default of another type',
    'summary: x\noptions: { port: { type: integer, default: a } }\nresources: [package: { name: a1 }]\n',
    '2:44 `default` does not match the type of its option → correct one of the two',
  ],
  [
    'a secret as a default',
    'summary: x\noptions: { p: "${env:PASSWORD}" }\nresources: [package: { name: a1 }]\n',
    '2:15 default of an option must not be a secret → write { type: string, format: password }, and set it in the inventory',
  ],
  ['broken syntax', 'summary: [x\n', expect.stringMatching(/^roles\/app\/role.yaml:/) as unknown as string],
]

test.each(wrong)('%s in a role is reported with its place and a fix', async (_, role, ...expected) => {
  expect((await problems(role)).map((one) => one.replace('roles/app/role.yaml:', ''))).toEqual(
    expected.map((one) => (typeof one === 'string' ? one : expect.anything())),
  )
})

test('an invalid option is reported where it is set', async () => {
  const role =
    'summary: x\noptions: { name: htop, port: { type: integer, minimum: 1 } }\nresources:\n  - package: { name: "${options.name}" }\n'
  expect(await problems(role, '- hosts: all\n  roles:\n    - app: { port: 0 }\n')).toEqual([
    expect.stringMatching(/^3:20 `port`: 0 must be at least 1/),
  ])
  expect(await problems(role, '- hosts: all\n  roles:\n    - app: { port: 1, name: UPPER }\n')).toEqual([
    expect.stringMatching(/^3:29 `name`: "UPPER" must be a Debian package name/),
  ])
  const wrongDefault = role.replace('name: htop', 'name: UPPER')
  expect(await problems(wrongDefault, '- { hosts: all, roles: [{ app: { port: 1 } }] }\n')).toEqual([
    expect.stringMatching(/^roles\/app\/role.yaml:2:18 `name`: "UPPER"/),
  ])
})

test('a role in TypeScript learns its other name, and is found by its own', async () => {
  const seen: unknown[] = []
  const nginx = defineRole({
    name: 'nginx',
    summary: 's',
    options: z.strictObject({ port: z.int().default(80) }),
    repeatable: true,
    listens: ({ as = 'nginx', options }) => [{ service: as, port: options.port, protocol: 'tcp', from: ['anyone'] }],
    resources: ({ as, options, flows, site }) => {
      seen.push([
        as,
        options.port,
        flows.map(({ role, port }) => [role, port]),
        site.withRole('nginx').length,
        site.withRole('shop').length,
      ])
      return [file({ path: `/etc/${as ?? 'nginx'}` })]
    },
  }) as unknown as Role
  const playbook = '- { hosts: all, roles: [nginx, { role: nginx, as: shop, options: { port: 81 } }] }\n'
  expect((await declaredBy(playbook, { roles: [nginx], inventory: INVENTORY.replace(/shop: .*/, 'shop: {}') })).map(keyOf)).toEqual([
    'file:/etc/nginx',
    'file:/etc/shop',
  ])
  const flows = [
    ['nginx', 80],
    ['shop', 81],
  ]
  expect(seen).toEqual([
    [undefined, 80, flows, 1, 0],
    ['shop', 81, flows, 1, 0],
  ])
})
