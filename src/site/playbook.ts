import type { Problem } from '../problem.ts'
import { shownText } from '../shown-name.ts'
import { matchTerms, type Term } from './inventory/pattern.ts'
import { type PlayContext, readRole } from './role-entry.ts'
import { keepValid } from './schema/keep-valid.ts'
import { playSchema } from './schema/settings.ts'
import type { Play, RoleUse } from './site.ts'
import { inputProblem } from './source/input-problem.ts'
import { entriesOf, entryOf, plainValue, type SourceMap, type SourceNode } from './source/source-map.ts'

/** Returns the plays of a playbook in order. */
export const readPlaybook = (root: SourceNode, context: PlayContext): readonly Play[] => {
  const { problems } = context
  if (root.is !== 'list') {
    problems.push(inputProblem(root.place, 'playbook is not a list of plays', 'start each play with `- hosts: …`'))
    return []
  }
  if (root.items.length === 0)
    problems.push(inputProblem(root.place, 'playbook has no plays', 'add a play: `- hosts: all`, followed by `roles: […]`'))
  return root.items.map((item, i) => readPlay(item, i, context))
}

const readPlay = (item: SourceNode, index: number, context: PlayContext): Play => {
  const { problems, scope } = context
  const named = entryOf(item, 'name')?.node
  const name = named?.is === 'scalar' && typeof named.value === 'string' ? named.value : undefined
  const play = keepValid(
    item,
    {
      label: name === undefined ? `play ${index + 1}` : `play "${shownText(name)}"`,
      schema: playSchema(entryOf(item, 'resources') !== undefined),
      hint: ansibleHint,
    },
    problems,
  )
  const terms = termsOf(entryOf(play, 'hosts')?.node)
  const matched = scope === undefined || terms.length === 0 ? { hosts: [], problems: [] } : matchTerms(scope, terms)
  problems.push(...matched.problems)
  const [serial, failures] = [entryOf(play, 'serial')?.node, entryOf(play, 'max_failures')?.node]
  if (failures !== undefined && entryOf(item, 'serial') === undefined)
    problems.push(inputProblem(failures.place, '`max_failures` needs `serial`', 'add `serial: 1`, or remove `max_failures`'))
  const shown = name ?? terms.map(({ text }) => text).join(',')
  return {
    name: shown,
    hosts: matched.hosts,
    roles: usesOf(play, shown, context),
    serial: serialOf(serial, matched.hosts.length),
    maxFailures: failures === undefined ? 0 : hostCount(plainValue(failures), matched.hosts.length),
    where: item.place,
  }
}

const termsOf = (node: SourceNode | undefined): readonly Term[] => {
  if (node?.is === 'list') return node.items.flatMap(termsOf)
  return node?.is === 'scalar' && typeof node.value === 'string' ? [{ text: node.value, where: node.place, inset: node.inset }] : []
}

const serialOf = (node: SourceNode | undefined, hosts: number): readonly number[] =>
  node === undefined ? [] : [plainValue(node)].flat().map((amount) => Math.max(1, hostCount(amount, hosts)))

/** Returns the number of hosts for `2` or `25%`. */
const hostCount = (amount: unknown, hosts: number): number =>
  typeof amount === 'number' ? amount : Math.floor((hosts * Number.parseInt(String(amount), 10)) / 100)

/** Returns the roles and the resources of a play, in the order in which it has them. */
const usesOf = (play: SourceMap, name: string, context: PlayContext): readonly RoleUse[] =>
  entriesOf(play).flatMap(([key, { key: where, node }]) => {
    if (key === 'roles') return rolesOf(node, context)
    return key === 'resources' && node.is === 'list' ? [{ name, role: name, resources: node, options: undefined, where }] : []
  })

const rolesOf = (node: SourceNode, context: PlayContext): readonly RoleUse[] => {
  const seen = new Set<string>()
  return (node.is === 'list' ? node.items : []).flatMap((item) => {
    const use = readRole(item, context)
    if (use === undefined) return []
    if (seen.has(use.name)) context.problems.push(twice(use))
    seen.add(use.name)
    return [use]
  })
}

const twice = ({ name, where }: RoleUse): Problem =>
  inputProblem(where, `role ${name} is listed twice in this play`, 'keep one entry, with the options of both')

const ansibleHint = (key: string): string | undefined => ANSIBLE.get(key)

const NO_TASKS = 'write `resources`, a list of kinds with their options; see docs/resources.md in the package provision'
const AS_ROOT = 'remove it; roles always run as root, with sudo if the user is not root'
const CONNECTION = 'set it in the inventory; see docs/connections.md in the package provision'
const VARIABLES = 'move the options to the role (`- nginx: {…}`) or to the inventory'
const FAILURES = 'write `max_failures`, with `serial`'

const ANSIBLE: ReadonlyMap<string, string> = new Map(
  Object.entries({
    tasks: NO_TASKS,
    pre_tasks: NO_TASKS,
    post_tasks: NO_TASKS,
    handlers: 'remove it; services reload automatically after a change of their configuration',
    become: AS_ROOT,
    become_user: AS_ROOT,
    become_method: AS_ROOT,
    gather_facts: 'remove it; facts are always gathered',
    vars: VARIABLES,
    vars_files: VARIABLES,
    vars_prompt: `write \${env:NAME} or \${secret:NAME} in the inventory; a run asks for no values`,
    environment: VARIABLES,
    remote_user: 'set `user` in the inventory',
    connection: CONNECTION,
    port: CONNECTION,
    tags: 'remove it; `--role` selects the resources of a role',
    when: 'write a group as `hosts`, or `if` in an entry of `resources`',
    strategy: 'remove it; hosts of a batch work in parallel, and plays are barriers',
    max_fail_percentage: FAILURES,
    any_errors_fatal: FAILURES,
    ignore_errors: 'remove it; a change that fails ends the run on its host',
    no_log: 'remove it; secrets are masked everywhere',
    import_playbook: 'remove it and name the playbooks on the command line: provision run a.yaml b.yaml',
  }),
)
