import { shippedKinds } from '../../../../src/engine/shipped-kinds.ts'
import { placeOf, problemsIn } from '../../../../src/problem.ts'
import { keyOf, type Resource } from '../../../../src/resource/kind/kind.ts'
import { bindRoles } from '../../../../src/role/bind.ts'
import { projectFiles } from '../../../../src/role/files.ts'
import { namedRoles } from '../../../../src/role/named-roles.ts'
import { noFacts } from '../../../../src/role/no-facts.ts'
import type { Facts, HostContext, Role } from '../../../../src/role/role.ts'
import { siteOf } from '../../site/project.ts'

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
  /** The directory of the project, for `source`. */
  readonly root?: string
}

/** The resources that the plays of a playbook list for web-01. */
export const declaredBy = async (playbook: string, given: Given = {}): Promise<readonly Resource[]> => {
  const site = await siteOf(given.inventory ?? INVENTORY, {
    playbook,
    env: { PASSWORD: 'correct horse battery', TOKEN: `\${vars.shop.port}` },
  })
  const loaded = new Map((given.roles ?? []).map((role) => [role.name, role]))
  const { roles, problems } = namedRoles(site, loaded, await shippedKinds())
  const { bound } = bindRoles(site, roles, problems)
  const files: HostContext<unknown>['files'] = (directory, name) => projectFiles(given.root ?? site.root, directory, name)
  return bound.flatMap(({ role, context }) =>
    role.resources({ ...context, facts: given.facts ?? facts, files } as unknown as HostContext<unknown>),
  )
}

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

/** The names of what a playbook binds, in order. */
export const boundNames = async (playbook: string, ...loaded: readonly Role[]): Promise<readonly string[]> => {
  const site = await siteOf(INVENTORY, { playbook, env: { PASSWORD: 'correct horse battery' } })
  const { roles, problems } = namedRoles(site, new Map(loaded.map((role) => [role.name, role])), await shippedKinds())
  return bindRoles(site, roles, problems).bound.map(({ role }) => role.name)
}
