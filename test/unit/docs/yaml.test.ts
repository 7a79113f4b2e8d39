import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { parse, stringify } from 'yaml'
import { ensureAgeKey } from '../../../src/keystore/age-key.ts'
import type { Role } from '../../../src/role/role.ts'
import { buildSite } from '../../../src/site/build.ts'
import { readProject } from '../../../src/site/read.ts'
import { encryptSecrets } from '../../../src/site/secrets.ts'
import { project } from '../site/project.ts'
import { blocks, filesIn, pages, read, root, shipped } from './pages.ts'

/** Hosts and groups as all examples mean them. */
const BASE = `vars: { user: ops, key: key }
hosts:
  lb-01: { address: 198.51.100.10, internal: 10.1.0.10 }
  lb-02: { address: 198.51.100.11, internal: 10.1.0.11 }
  web-01: { address: 198.51.100.12, internal: 10.1.0.12 }
  web-02: { address: 198.51.100.13, internal: 10.1.0.13 }
groups:
  web: { hosts: [web-01, web-02] }
  database: { hosts: [web-01, web-02] }
  database_arbitrators: { hosts: [lb-01] }
  load_balancers: { hosts: [lb-01] }
  monitoring_servers: { hosts: [lb-01] }
`

/** `BASE` without the hosts and variables that examples have themselves. */
const baseFor = (inventories: readonly string[]): string => {
  const { hosts, vars, groups } = parse(BASE) as Readonly<Record<'hosts' | 'vars' | 'groups', object>>
  const without = (level: 'hosts' | 'vars', map: object): object => {
    const own = inventories.flatMap((text) => Object.keys((parse(text) as { hosts?: object; vars?: object })[level] ?? {}))
    return Object.fromEntries(Object.entries(map).filter(([name]) => !own.includes(name)))
  }
  return stringify({ vars: without('vars', vars), hosts: without('hosts', hosts), groups })
}

const dedented = (text: string): string => {
  const margins = text.split('\n').flatMap((line) => (/^\s*[^\s#]/.test(line) ? [line.search(/\S/)] : []))
  return text.replaceAll(new RegExp(`^ {${Math.min(...margins)}}`, 'gm'), '')
}

/** An example as the file that it is a part of. */
const wholeFile = (example: string): { readonly playbook: string } | { readonly inventory: string } => {
  const text = dedented(example).replace('age1…', `age1${'q'.repeat(58)}`)
  const value: object = parse(text)
  if (Array.isArray(value)) return { playbook: text }
  if (Object.keys(value).every((key) => ['vars', 'hosts', 'groups'].includes(key))) return { inventory: text }
  const level = Object.values(value).every((inner: object) => 'hosts' in inner) ? 'groups' : 'vars'
  return { inventory: `${level}:\n${text.replaceAll(/^/gm, '  ')}\n` }
}

/** An option in a sentence (`base.ssh.root_login: no`), as a file. */
const inSentences = (readme: string): readonly string[] =>
  [...readme.matchAll(/`((?:[a-z-]+\.)+[a-z_]+: [^`]+)`/g)].flatMap(([, option = '']) => {
    const steps = option.split('.')
    return shipped.includes(steps[0] ?? '') ? [`vars: { ${steps.join(': { ')}${' }'.repeat(steps.length)}\n`] : []
  })

/** The secrets that a text refers to. */
const secretsIn = (text: string): object => {
  const secrets: Record<string, unknown> = {}
  for (const [, path = ''] of text.matchAll(/\$\{secret:([^}]+)\}/g)) {
    const [last = '', ...above] = path.split('.').toReversed()
    const map = above.toReversed().reduce((at, step) => {
      at[step] ??= {}
      return at[step] as Record<string, unknown>
    }, secrets)
    map[last] = 'a secret'
  }
  return secrets
}

/** The environment variables that a text refers to. */
const environmentIn = (text: string): Readonly<Record<string, string>> =>
  Object.fromEntries([...text.matchAll(/\$\{env:(\w+)/g)].map(([, name = '']) => [name, 'a value of the environment']))

/** What is wrong with the options of a role, on any host. */
const faultsIn = async (readme: string, own: readonly Role[]): Promise<readonly string[]> => {
  const files = blocks(readme, 'yaml')
    .flatMap((block) => block.split(/^(?=# (?:playbooks|inventory))/m))
    .map(wholeFile)
  const inventories = [...files.flatMap((file) => ('inventory' in file ? [file.inventory] : [])), ...inSentences(readme)]
  const playbooks = files.flatMap((file) => ('playbook' in file ? [file.playbook] : []))
  const directory = project({
    'inventory/base.yaml': baseFor(inventories),
    ...Object.fromEntries(inventories.map((text, i) => [`inventory/example-${i}.yaml`, text])),
    'playbooks/site.yaml': playbooks.join(''),
  })
  const env = { ...environmentIn(readme), HOME: directory, USER: 'ops', PROVISION_AGE_KEY_FILE: join(directory, 'age.txt') }
  const { recipients } = await ensureAgeKey(directory, env)
  const path = 'inventory/secrets.yaml'
  writeFileSync(join(directory, path), await encryptSecrets(path, stringify(secretsIn(readme)), recipients))

  const roles = [...(await Promise.all(shipped.map((name) => roleIn(join(root, 'roles', name, 'role.ts'))))), ...own]
  const raw = await readProject({ root: directory, env, ...(playbooks.length === 0 ? { playbooks: [] } : {}) })
  const site = buildSite(raw, { knownRoles: roles.map(({ name }) => name) })
  return [...site.hosts.values()].flatMap(({ name: host, vars }) =>
    roles.flatMap(({ name, options }) => {
      const given = vars.get(name)
      const checked = given === undefined ? undefined : options.safeParse(given.value)
      return checked === undefined || checked.success ? [] : [`${host} ${name}: ${checked.error.message}`]
    }),
  )
}

const roleIn = async (path: string): Promise<Role> => ((await import(path)) as { default: Role }).default

const withExamples = pages.filter((path) => blocks(read(path), 'yaml').length + inSentences(read(path)).length > 0)

test('examples in YAML are found', () => {
  expect(withExamples).toEqual(expect.arrayContaining(['README.md', 'docs/variables.md', 'docs/rolling-updates.md', 'docs/connections.md']))
  expect(withExamples).toEqual(expect.arrayContaining(shipped.map((name) => `roles/${name}/README.md`)))
})

test.each(withExamples)('%s: every example in YAML is read, and the roles take its options', async (path) => {
  const page = read(path)
  const files = filesIn(page)
  const directory = project(files)
  const own = Object.keys(files).flatMap((name) => (/^roles\//.test(name) ? [join(directory, name)] : []))
  expect(await faultsIn(page, await Promise.all(own.map(roleIn)))).toEqual([])
})

test.each([
  ['in a block', '```yaml\n# inventory\nvars:\n  base:\n    ssh: { root_login: maybe }\n```\n'],
  ['in a sentence', 'then `base.ssh.root_login: maybe` shuts the door to root'],
])('an example that no role takes would be found: %s', async (_, readme) => {
  expect(await faultsIn(readme, [])).toContainEqual(expect.stringMatching(/^lb-01 base: [\s\S]*root_login/))
})
