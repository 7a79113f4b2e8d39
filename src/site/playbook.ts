import type { Problem } from '../problem.ts'
import { type Choice, matchTerms, type Term } from './inventory/pattern.ts'
import { isNothing, keepValid } from './schema/keep-valid.ts'
import { playSchema } from './schema/settings.ts'
import type { Play, RoleUse } from './site.ts'
import { complaint } from './source/complaint.ts'
import { entriesOf, entryOf, plainOf, stamped, type Written, type WrittenMap } from './source/source-map.ts'
import { suggestion } from './source/suggest.ts'

/** What plays are checked against; `choice` is undefined where the inventory could not be read, so that names cannot be judged. */
export interface PlayContext {
  readonly choice: Choice | undefined
  readonly knownRoles: readonly string[]
  readonly problems: Problem[]
  /** Remembers where the options beside a role were written. */
  readonly optionsOf: WeakMap<RoleUse, WrittenMap>
}

/** The plays of one playbook, in their order. */
export const readPlaybook = (root: Written, context: PlayContext): readonly Play[] => {
  const { problems } = context
  if (root.is !== 'list') {
    problems.push(complaint(root.place, 'a playbook is a list of plays', 'begin each play with `- hosts: …`'))
    return []
  }
  if (root.items.length === 0)
    problems.push(complaint(root.place, 'this playbook has no plays', 'write a play: `- hosts: all` and below it `roles: […]`'))
  return root.items.map((item, i) => readPlay(item, i, context))
}

const readPlay = (item: Written, index: number, context: PlayContext): Play => {
  const { problems, choice } = context
  const named = entryOf(item, 'name')?.node
  const name = named?.is === 'scalar' && typeof named.value === 'string' ? named.value : undefined
  const play = keepValid(
    item,
    { whatFor: name === undefined ? `play ${index + 1}` : `play "${name}"`, schema: playSchema, hint: ansibleHint },
    problems,
  )
  const terms = termsOf(entryOf(play, 'hosts')?.node)
  const matched = choice === undefined || terms.length === 0 ? { hosts: [], problems: [] } : matchTerms(choice, terms)
  problems.push(...matched.problems)
  const [serial, failures] = [entryOf(play, 'serial')?.node, entryOf(play, 'max_failures')?.node]
  if (failures !== undefined && entryOf(item, 'serial') === undefined)
    problems.push(complaint(failures.place, '`max_failures` needs `serial`', 'say how many hosts at a time: `serial: 1`, or leave it out'))
  return {
    name: name ?? terms.map(({ text }) => text).join(','),
    hosts: matched.hosts,
    roles: rolesOf(entryOf(play, 'roles')?.node, context),
    serial: serialOf(serial, matched.hosts.length),
    maxFailures: failures === undefined ? 0 : partOf(plainOf(failures), matched.hosts.length),
    where: item.place,
  }
}

const termsOf = (node: Written | undefined): readonly Term[] => {
  if (node?.is === 'list') return node.items.flatMap(termsOf)
  return node?.is === 'scalar' && typeof node.value === 'string' ? [{ text: node.value, where: node.place, inset: node.inset }] : []
}

const serialOf = (node: Written | undefined, hosts: number): readonly number[] =>
  node === undefined ? [] : [plainOf(node)].flat().map((amount) => Math.max(1, partOf(amount, hosts)))

/** `2`, or `25%` of so many hosts. */
const partOf = (amount: unknown, hosts: number): number =>
  typeof amount === 'number' ? amount : Math.floor((hosts * Number.parseInt(String(amount), 10)) / 100)

const rolesOf = (node: Written | undefined, context: PlayContext): readonly RoleUse[] => {
  const seen = new Set<string>()
  return (node?.is === 'list' ? node.items : []).flatMap((item) => {
    const use = readRole(item, context)
    if (use === undefined) return []
    if (seen.has(use.name))
      context.problems.push(
        complaint(use.where, `role ${use.name} stands twice in this play`, 'keep one of the two; its options are merged into one'),
      )
    seen.add(use.name)
    return [use]
  })
}

/** `nginx`, or `nginx: {content: site}`. */
const readRole = (item: Written, { knownRoles, problems, optionsOf }: PlayContext): RoleUse | undefined => {
  const [[key, entry] = [], ...more] = entriesOf(item)
  if (item.is === 'map' && (more.length > 0 || key === 'role' || entry === undefined)) {
    const fix =
      more.length > 0 && key !== 'role'
        ? 'indent its options below it, or begin each role with a dash'
        : 'write `- nginx: {…}`, the options below the role’s name'
    problems.push(complaint(entry?.key ?? item.place, 'a role is a name, or a name and its options', fix))
    return undefined
  }
  const name = item.is === 'scalar' && typeof item.value === 'string' ? item.value : key
  const where = entry?.key ?? item.place
  if (name === undefined) {
    problems.push(complaint(where, 'a role is a name, or a name and its options', 'write the name of the role'))
    return undefined
  }
  if (!knownRoles.includes(name)) {
    problems.push(complaint(where, `there is no role \`${name}\``, suggestion(name, knownRoles, `write it as roles/${name}/role.ts`)))
    return undefined
  }
  const node = entry === undefined || isNothing(entry.node) ? undefined : entry.node
  if (node !== undefined && node.is !== 'map')
    problems.push(complaint(node.place, `the options of role ${name} must be a map`, 'write `key: value` lines below it, indented'))
  const options = node?.is === 'map' ? (stamped(node, 'playbook') as WrittenMap) : undefined
  const use: RoleUse = { name, where, options: options && { value: plainOf(options), where: options.place, origin: 'playbook' } }
  if (options !== undefined) optionsOf.set(use, options)
  return use
}

const ansibleHint = (key: string): string | undefined => ANSIBLE.get(key)

const NO_TASKS = 'there are no tasks here: a role says what shall be so, see docs/writing-roles.md'

const ANSIBLE: ReadonlyMap<string, string> = new Map(
  Object.entries({
    tasks: NO_TASKS,
    pre_tasks: NO_TASKS,
    post_tasks: NO_TASKS,
    handlers: 'remove it: a service reloads by itself when its configuration changed',
    become: 'remove it: roles always act as root, through sudo where the user is not root',
    gather_facts: 'remove it: facts are always gathered',
    vars: 'write the options beside the role (`- nginx: {…}`), or into the inventory',
    import_playbook: 'name several playbooks on the command line: provision run a.yaml b.yaml',
  }),
)
