// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references of YAML
import { shippedKinds } from '../../../../src/engine/shipped-kinds.ts'
import { placeOf, problemsIn } from '../../../../src/problem.ts'
import { keyOf, type Resource } from '../../../../src/resource/kind/kind.ts'
import { bindRoles } from '../../../../src/role/bind.ts'
import { findRoles, yamlRolesIn } from '../../../../src/role/discover.ts'
import { projectFiles } from '../../../../src/role/files.ts'
import { namedRoles } from '../../../../src/role/named-roles.ts'
import { noFacts } from '../../../../src/role/no-facts.ts'
import type { Facts, Flow, HostContext, Role } from '../../../../src/role/role.ts'
import { buildSite } from '../../../../src/site/build.ts'
import { readProject } from '../../../../src/site/read.ts'
import { project } from '../../site/project.ts'

export const facts = {
  distribution: 'debian',
  release: '13',
  codename: 'trixie',
  cpus: 2,
  container: false,
  networks: [],
} as unknown as Facts

export const INVENTORY = `vars:
  user: ops
  tools: [htop, jq]
  people:
    - { name: ann, shell: /bin/zsh }
    - { name: bob, shell: /bin/sh }
  shop: { port: 8080, tls: true, version: 1.10, password: "\${env:PASSWORD}" }
  empty:
hosts:
  web-01: { address: 192.0.2.11, internal: [10.0.0.11, 'fd00::11'], vars: { role_of_host: 'first' } }
`

interface Given {
  readonly inventory?: string
  readonly facts?: Facts
  readonly roles?: readonly Role[]
  /** More files of the project. */
  readonly files?: Readonly<Record<string, string>>
}

const ENV = { HOME: '/home/ops', USER: 'ops', PASSWORD: 'correct horse battery', TOKEN: '${vars.shop.port}' }

/** Binds the plays of a playbook, with the roles of its project. */
const bind = async (playbook: string, { inventory = INVENTORY, roles = [], files = {} }: Given) => {
  const root = project({ 'inventory/hosts.yaml': inventory, 'playbooks/site.yaml': playbook, ...files })
  const paths = yamlRolesIn(findRoles(root), root)
  const loaded = new Map(roles.map((role) => [role.name, role]))
  const site = buildSite(await readProject({ root, env: ENV, roles: paths }), { knownRoles: ['nginx', ...loaded.keys(), ...paths.keys()] })
  const named = namedRoles(site, loaded, { kinds: await shippedKinds(), paths })
  return { root, ...bindRoles(site, named.roles, named.problems) }
}

/** The resources that the plays of a playbook list for web-01. */
export const declaredBy = async (playbook: string, given: Given = {}): Promise<readonly Resource[]> => {
  const { root, bound, flows } = await bind(playbook, given)
  const files: HostContext<unknown>['files'] = (directory, name) => projectFiles(root, directory, name)
  return bound.flatMap(({ role, context }) =>
    role.resources({ ...context, flows, facts: given.facts ?? facts, files } as unknown as HostContext<unknown>),
  )
}

/** The permitted flows of a playbook. */
export const flowsOf = async (playbook: string, given: Given = {}): Promise<readonly Flow[]> => (await bind(playbook, given)).flows

/** The names of what a playbook binds, in order. */
export const boundNames = async (playbook: string, ...roles: readonly Role[]): Promise<readonly string[]> =>
  (await bind(playbook, { roles })).bound.map(({ role }) => role.name)

/** The resources of one play, given below `resources:`, as keys and specs. */
export const resources = async (list: string, given: Given = {}): Promise<readonly (readonly [key: string, spec: unknown])[]> =>
  (await declaredBy(playOf(list), given)).map((one) => [keyOf(one), one.spec] as const)

/** The problems of a play: `line:column what → fix`. */
export const problems = async (list: string, given: Given = {}): Promise<readonly string[]> =>
  problemsOf(() => declaredBy(playOf(list), given))

/** The problems that are found before any host is contacted. */
export const problemsAhead = (list: string): Promise<readonly string[]> => problems(list, { facts: noFacts(() => {}) })

export const problemsOf = async (act: () => Promise<unknown>): Promise<readonly string[]> => {
  try {
    await act()
    return []
  } catch (error) {
    const found = problemsIn(error)
    if (found === undefined) throw error
    return found.map(({ where, what, why, fix }) => {
      const place = placeOf(where).replace('playbooks/site.yaml:', '')
      return `${place} ${what}${why === undefined ? '' : ` (${why})`} → ${fix}`
    })
  }
}

// The list begins in line 4.
const playOf = (list: string): string => `- name: tools
  hosts: all
  resources:
${list.replaceAll(/^(?=.)/gm, '    ')}`
