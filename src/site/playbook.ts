import type { Problem } from '../problem.ts'
import { shownText } from '../shown-name.ts'
import { matchTerms, type PatternScope, type Term } from './inventory/pattern.ts'
import { isNothing, keepValid } from './schema/keep-valid.ts'
import { playSchema } from './schema/settings.ts'
import type { Play, RoleUse } from './site.ts'
import { inputProblem } from './source/input-problem.ts'
import { entriesOf, entryOf, plainValue, type SourceMap, type SourceNode, withOrigin } from './source/source-map.ts'
import { suggestion } from './source/suggest.ts'

/** The inventory and roles that plays are checked against. `scope` is undefined if the inventory is invalid; host names are not checked then. */
export interface PlayContext {
  readonly scope: PatternScope | undefined
  readonly knownRoles: readonly string[]
  readonly problems: Problem[]
  /** Source positions of the options in the playbook. */
  readonly optionsOf: WeakMap<RoleUse, SourceMap>
}

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
    { label: name === undefined ? `play ${index + 1}` : `play "${shownText(name)}"`, schema: playSchema, hint: ansibleHint },
    problems,
  )
  const terms = termsOf(entryOf(play, 'hosts')?.node)
  const matched = scope === undefined || terms.length === 0 ? { hosts: [], problems: [] } : matchTerms(scope, terms)
  problems.push(...matched.problems)
  const [serial, failures] = [entryOf(play, 'serial')?.node, entryOf(play, 'max_failures')?.node]
  if (failures !== undefined && entryOf(item, 'serial') === undefined)
    problems.push(inputProblem(failures.place, '`max_failures` needs `serial`', 'add `serial: 1`, or remove `max_failures`'))
  return {
    name: name ?? terms.map(({ text }) => text).join(','),
    hosts: matched.hosts,
    roles: rolesOf(entryOf(play, 'roles')?.node, context),
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

const rolesOf = (node: SourceNode | undefined, context: PlayContext): readonly RoleUse[] => {
  const seen = new Set<string>()
  return (node?.is === 'list' ? node.items : []).flatMap((item) => {
    const use = readRole(item, context)
    if (use === undefined) return []
    if (seen.has(use.name))
      context.problems.push(
        inputProblem(use.where, `role ${use.name} is listed twice in this play`, 'keep one entry, with the options of both'),
      )
    seen.add(use.name)
    return [use]
  })
}

/** Reads `nginx` or `nginx: {content: site}`. */
const readRole = (item: SourceNode, { knownRoles, problems, optionsOf }: PlayContext): RoleUse | undefined => {
  const [[key, entry] = [], ...more] = entriesOf(item)
  if (item.is === 'map' && (more.length > 0 || key === 'role' || entry === undefined)) {
    const fix =
      more.length > 0 && key !== 'role'
        ? 'indent the options below the role, or start each role with a dash'
        : 'write `- nginx: {…}`, with the options as a map below the name'
    problems.push(inputProblem(entry?.key ?? item.place, 'role entry is neither a name nor a name with options', fix))
    return undefined
  }
  const name = item.is === 'scalar' && typeof item.value === 'string' ? item.value : key
  const where = entry?.key ?? item.place
  if (name === undefined) {
    problems.push(inputProblem(where, 'role entry is neither a name nor a name with options', 'write the name of a role'))
    return undefined
  }
  if (!knownRoles.includes(name)) {
    problems.push(
      inputProblem(where, `unknown role \`${shownText(name)}\``, suggestion(name, knownRoles, `create roles/${shownText(name)}/role.ts`)),
    )
    return undefined
  }
  const node = entry === undefined || isNothing(entry.node) ? undefined : entry.node
  if (node !== undefined && node.is !== 'map')
    problems.push(inputProblem(node.place, `options of role ${name} must be a map`, 'write them as indented `key: value` lines'))
  const options = node?.is === 'map' ? (withOrigin(node, 'playbook') as SourceMap) : undefined
  const use: RoleUse = { name, where, options: options && { value: plainValue(options), where: options.place, origin: 'playbook' } }
  if (options !== undefined) optionsOf.set(use, options)
  return use
}

const ansibleHint = (key: string): string | undefined => ANSIBLE.get(key)

const NO_TASKS = 'declare resources in a role instead of tasks; see docs/writing-roles.md in the package provision'

const ANSIBLE: ReadonlyMap<string, string> = new Map(
  Object.entries({
    tasks: NO_TASKS,
    pre_tasks: NO_TASKS,
    post_tasks: NO_TASKS,
    handlers: 'remove it; services reload automatically after a change of their configuration',
    become: 'remove it; roles always run as root, with sudo if the user is not root',
    gather_facts: 'remove it; facts are always gathered',
    vars: 'move the options to the role (`- nginx: {…}`) or to the inventory',
    import_playbook: 'remove it and name the playbooks on the command line: provision run a.yaml b.yaml',
  }),
)
