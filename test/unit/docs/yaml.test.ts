import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { parse, stringify } from 'yaml'
import { shippedKinds } from '../../../src/engine/shipped-kinds.ts'
import { ensureAgeKey } from '../../../src/keystore/age-key.ts'
import { lineOf, problemsIn } from '../../../src/problem.ts'
import { bindRoles } from '../../../src/role/bind.ts'
import { findRoles, type RoleFiles, yamlRolesIn } from '../../../src/role/discover.ts'
import { namedRoles } from '../../../src/role/named-roles.ts'
import type { Facts, HostContext, Role } from '../../../src/role/role.ts'
import { buildSite } from '../../../src/site/build.ts'
import { readProject } from '../../../src/site/read.ts'
import { encryptSecrets } from '../../../src/site/secrets.ts'
import type { Site } from '../../../src/site/site.ts'
import { project } from '../site/project.ts'
import { blocks, filesIn, pages, read, root, shipped } from './pages.ts'

/** Hosts and groups that the examples refer to. */
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

/** The package that examples use. */
const PACKAGE = {
  'package.json': '{ "dependencies": { "@acme/provision-redis": "1" } }',
  'node_modules/@acme/provision-redis/package.json': '{ "provision": { "roles": { "redis": "./role.yaml" } } }',
  'node_modules/@acme/provision-redis/role.yaml':
    // biome-ignore lint/suspicious/noTemplateCurlyInString: a reference of YAML
    "summary: cache\noptions: { memory: 64mb }\nresources: [file: { path: /etc/redis.conf, content: 'maxmemory ${options.memory}' }]\n",
}

/** `BASE` without the hosts and variables that the examples define. */
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

/** Completes an example to the file that it is a part of. */
const wholeFile = (example: string): { readonly playbook: string } | { readonly inventory: string } | { readonly role: string } => {
  if (example.startsWith('# roles/')) return { role: example }
  const text = dedented(example).replace('age1…', `age1${'q'.repeat(58)}`)
  const value: object = parse(text)
  if (Array.isArray(value)) return { playbook: text }
  if (Object.keys(value).every((key) => ['vars', 'hosts', 'groups'].includes(key))) return { inventory: text }
  const level = Object.values(value).every((inner: object) => 'hosts' in inner) ? 'groups' : 'vars'
  return { inventory: `${level}:\n${text.replaceAll(/^/gm, '  ')}\n` }
}

/** Options in sentences (`base.ssh.root_login: no`), each as an inventory file. */
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

/** Faults of the role options on any host; empty if the examples of a page are valid. */
const faultsIn = async (readme: string, own: readonly Role[]): Promise<readonly string[]> => {
  const files = blocks(readme, 'yaml')
    .flatMap((block) => block.split(/^(?=# (?:playbooks|inventory|roles))/m))
    .map(wholeFile)
  const inventories = [...files.flatMap((file) => ('inventory' in file ? [file.inventory] : [])), ...inSentences(readme)]
  const playbooks = files.flatMap((file) => ('playbook' in file ? [file.playbook] : []))
  const rolesInYaml = files.flatMap((file) => ('role' in file ? [[/^# (\S+)/.exec(file.role)?.[1] ?? '', file.role] as const] : []))
  const directory = project({
    ...PACKAGE,
    'inventory/base.yaml': baseFor(inventories),
    ...Object.fromEntries(inventories.map((text, i) => [`inventory/example-${i}.yaml`, text])),
    'playbooks/site.yaml': playbooks.join(''),
    ...Object.fromEntries(rolesInYaml),
  })
  const env = { ...environmentIn(readme), HOME: directory, USER: 'ops', PROVISION_AGE_KEY_FILE: join(directory, 'age.txt') }
  const { recipients } = await ensureAgeKey(directory, env)
  const path = 'inventory/secrets.yaml'
  writeFileSync(join(directory, path), await encryptSecrets(path, stringify(secretsIn(readme)), recipients))

  const roles = [...shippedRoles, ...own]
  const paths = yamlRolesIn(findRoles(directory), directory)
  const raw = await readProject({ root: directory, env, roles: paths, ...(playbooks.length === 0 ? { playbooks: [] } : {}) })
  const site = buildSite(raw, { knownRoles: [...roles.map(({ name }) => name), ...paths.keys()] })
  const faultOf = (host: string, role: string, given: unknown): readonly string[] => {
    const checked = roles.find(({ name }) => name === role)?.options.safeParse(given)
    return checked === undefined || checked.success ? [] : [`${host} ${role}: ${checked.error.message}`]
  }
  const inVars = [...site.hosts.values()].flatMap(({ name: host, vars }) =>
    [...vars].flatMap(([role, given]) => faultOf(host, role, given.value)),
  )
  const inPlays = site.plays.flatMap(({ hosts, roles: uses }) =>
    uses.flatMap(({ name: role, options }) =>
      hosts.flatMap((host) => {
        const below = site.hosts.get(host)?.vars.get(role)?.value
        return options === undefined ? [] : faultOf(host, role, { ...(below as object | undefined), ...(options.value as object) })
      }),
    ),
  )
  return [...inVars, ...inPlays, ...(await faultsInResources(site, paths))]
}

const facts = { distribution: 'debian', release: '13', codename: 'trixie', cpus: 2, container: false } as Facts

/** Faults of the resources that plays and roles in YAML list. Files of the project need not exist. */
const faultsInResources = async (site: Site, paths: RoleFiles): Promise<readonly string[]> => {
  const { roles, problems } = namedRoles(site, new Map(), { kinds: await shippedKinds(), paths })
  const content = { type: 'local' as const, path: '', sha256: '', size: 0, open: () => Buffer.from('') }
  const files = (_: string, name = 'a file') => [{ path: name, content }]
  try {
    for (const { role, context } of bindRoles(site, roles, problems).bound)
      role.resources({ ...context, facts, files } as unknown as HostContext<unknown>)
    return []
  } catch (error) {
    return (problemsIn(error) ?? []).map(lineOf)
  }
}

const roleIn = async (path: string): Promise<Role> => ((await import(path)) as { default: Role }).default

const shippedRoles = await Promise.all(shipped.map((name) => roleIn(join(root, 'roles', name, 'role.ts'))))

const withExamples = pages.filter((path) => blocks(read(path), 'yaml').length + inSentences(read(path)).length > 0)

test('examples in YAML are found', () => {
  expect(withExamples).toEqual(expect.arrayContaining(['README.md', 'docs/variables.md', 'docs/rolling-updates.md', 'docs/connections.md']))
  expect(withExamples).toEqual(expect.arrayContaining(shipped.map((name) => `roles/${name}/README.md`)))
})

test.each(withExamples)('%s: the loader reads every example in YAML, and the roles accept its options', async (path) => {
  const page = read(path)
  const files = filesIn(page)
  const directory = project(files)
  const own = Object.keys(files).flatMap((name) => (/^roles\/.*(?<!\.test)\.ts$/.test(name) ? [join(directory, name)] : []))
  expect(await faultsIn(page, await Promise.all(own.map(roleIn)))).toEqual([])
})

test.each([
  ['in a block', '```yaml\n# inventory\nvars:\n  base:\n    ssh: { root_login: maybe }\n```\n'],
  ['in a play', '```yaml\n# playbooks/site.yaml\n- hosts: lb-01\n  roles:\n    - base: { ssh: { root_login: maybe } }\n```\n'],
  ['in a sentence', 'then `base.ssh.root_login: maybe` refuses logins of root'],
])('an example with an invalid option is found: %s', async (_, readme) => {
  expect(await faultsIn(readme, [])).toContainEqual(expect.stringMatching(/^lb-01 base: [\s\S]*root_login/))
})

test.each([
  [
    'in a play',
    '```yaml\n# playbooks/site.yaml\n- hosts: lb-01\n  resources: [{ package: { nmae: htop } }]\n```\n',
    /^playbooks\/site.yaml:\d+:\d+: unknown option `nmae`/,
  ],
  [
    'in a role',
    '```yaml\n# roles/x/role.yaml\nsummary: x\nresources: [{ package: { nmae: htop } }]\n\n# playbooks/site.yaml\n- hosts: lb-01\n  roles: [x]\n```\n',
    /^roles\/x\/role.yaml:3:\d+: unknown option `nmae`/,
  ],
])('a resource with an invalid option is found: %s', async (_, page, expected) => {
  expect(await faultsIn(page, [])).toContainEqual(expect.stringMatching(expected))
})
