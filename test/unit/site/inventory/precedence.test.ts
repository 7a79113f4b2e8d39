import { expect, test } from 'vitest'
import { buildSite } from '../../../../src/site/build.ts'
import { describeInventory, describeVariables } from '../../../../src/site/describe.ts'
import { readProject } from '../../../../src/site/read.ts'
import { project, siteOf } from '../project.ts'

const inventory = `
vars:
  user: ops
  port: 22
  nginx: {content: all, headers: {a: all, b: all}, names: [all, every]}
hosts:
  web-01:
    address: 10.0.0.11
    port: 2222
    vars:
      nginx: {headers: {b: host}}
  web-02: {address: 10.0.0.12}
  db-01: {address: 10.0.0.13}
groups:
  # Nested groups win over outer groups, in any order.
  paris_web:
    hosts: [web-01]
    vars:
      nginx: {headers: {a: paris_web, b: paris_web, c: paris_web}}
  web:
    hosts: [web-02]
    children: [paris_web]
    vars:
      user: www
      nginx: {content: web, headers: {a: web}, names: [web]}
  # At the same depth, the later group wins.
  early:
    hosts: [web-02]
    vars: {nginx: {content: early}}
`

test('levels are merged from all hosts to outer groups, inner groups and the host: maps by key, lists as a whole', async () => {
  const site = await siteOf(inventory)
  const { hosts } = describeInventory(site)
  expect(hosts['web-01']).toMatchObject({ address: '10.0.0.11', port: 2222, user: 'www', groups: ['paris_web', 'web'] })
  expect(hosts['web-01']?.vars.nginx).toEqual({ content: 'web', headers: { a: 'paris_web', b: 'host', c: 'paris_web' }, names: ['web'] })
  expect(hosts['web-02']?.vars.nginx).toEqual({ content: 'early', headers: { a: 'web', b: 'all' }, names: ['web'] })
  expect(hosts['db-01']?.vars.nginx).toEqual({ content: 'all', headers: { a: 'all', b: 'all' }, names: ['all', 'every'] })
})

test('each part of a variable has the level and line that set it', async () => {
  const host = (await siteOf(inventory)).hosts.get('web-01')
  const origins = host && describeVariables(host).map(({ name, origin, where }) => `${name} < ${origin} ${where}`)
  expect(origins).toEqual([
    'nginx.content < group web inventory/hosts.yaml:25:24',
    'nginx.headers.a < group paris_web inventory/hosts.yaml:19:28',
    'nginx.headers.b < host web-01 inventory/hosts.yaml:11:28',
    'nginx.headers.c < group paris_web inventory/hosts.yaml:19:56',
    'nginx.names < group web inventory/hosts.yaml:25:48',
    'port < host web-01 inventory/hosts.yaml:9:11',
    'user < group web inventory/hosts.yaml:24:13',
  ])
})

test('groups contain the hosts of their nested groups, in inventory order', async () => {
  const { groups } = await siteOf(inventory)
  expect(Object.fromEntries(groups)).toEqual({ paris_web: ['web-01'], web: ['web-01', 'web-02'], early: ['web-02'] })
})

test('options in the playbook win over the inventory, key by key', async () => {
  const playbook = `
- hosts: web-01
  roles:
    - firewall
    - nginx:
        headers: {a: playbook}
`
  const site = await siteOf(inventory, { playbook })
  const [firewall, nginx] = site.plays[0]?.roles ?? []
  if (firewall === undefined || nginx === undefined) throw new Error('the play has two roles')
  expect(site.roleOptions('web-01', firewall)).toMatchObject({ value: {} })
  const options = site.roleOptions('web-01', nginx)
  expect(options.value).toEqual({ content: 'web', headers: { a: 'playbook', b: 'host', c: 'paris_web' }, names: ['web'] })
  const place = (path: readonly PropertyKey[], part?: 'key') => Object.values(options.whereOf(path, part)).slice(0, 3)
  expect(place(['headers', 'a'])).toEqual(['playbooks/site.yaml', 6, 22])
  expect(place(['headers', 'a'], 'key')).toEqual(['playbooks/site.yaml', 6, 19])
  expect(place(['headers', 'b'])).toEqual(['inventory/hosts.yaml', 11, 28])
  expect(place(['names', 0])).toEqual(['inventory/hosts.yaml', 25, 56])
  // A missing option has the position of the deepest existing key.
  expect(place(['headers', 'z', 'deep'])).toEqual(['playbooks/site.yaml', 6, 9])
  expect(place(['none'])).toEqual(['playbooks/site.yaml', 5, 7])
})

test('a role without a value keeps the options of other levels', async () => {
  const site = await siteOf('vars: {nginx: {content: all}}\nhosts: {web-01: {vars: {nginx: }}}\n')
  expect(site.hosts.get('web-01')?.vars.get('nginx')?.value).toEqual({ content: 'all' })
})

test('files of a directory are merged, without examples, secrets and hidden files', async () => {
  const root = project({
    'inventory/b.yaml': 'groups: {web: {hosts: [web-01], vars: {nginx: {content: b}}}}\nvars: {user: ops}\n',
    'inventory/a.yml': 'hosts: {web-01: , web-02: }\ngroups: {web: {hosts: [web-02], vars: {nginx: {headers: {x: a}}}}}\n',
    'inventory/production.example.yaml': 'hosts: {example: }\n',
    'inventory/secrets.yaml': 'not read unless referred to',
    'inventory/.a.yml.swp.yaml': '\0',
    'inventory/notes.txt': 'x',
  })
  const raw = await readProject({ root, env: {}, playbooks: [] })
  expect(raw.inventory.map(({ path }) => path)).toEqual(['inventory/a.yml', 'inventory/b.yaml'])
  const site = buildSite(raw, { knownRoles: ['nginx'] })
  expect(site.groups.get('web')).toEqual(['web-01', 'web-02'])
  expect(site.hosts.get('web-01')?.vars.get('nginx')?.value).toEqual({ content: 'b', headers: { x: 'a' } })
})

test('one file of a directory can be selected, and is shown as the user typed it', async () => {
  const root = project({ 'inventory/a.yaml': 'hosts: {a: }\n', 'inventory/b.yaml': 'hosts: {b: }\n' })
  const site = buildSite(await readProject({ root, env: {}, inventory: './inventory/b.yaml', playbooks: [] }), { knownRoles: [] })
  expect([...site.hosts.values()].map(({ name, where }) => [name, where])).toEqual([
    ['b', { file: './inventory/b.yaml', line: 1, column: 9, key: 'hosts.b' }],
  ])
})
