import type { Problem } from '../problem.ts'
import { shownText } from '../shown-name.ts'
import type { PatternScope } from './inventory/pattern.ts'
import { isNothing, keepValid } from './schema/keep-valid.ts'
import { roleEntrySchema } from './schema/settings.ts'
import type { RoleUse } from './site.ts'
import { inputProblem, type Place } from './source/input-problem.ts'
import { entriesOf, entryOf, plainValue, type SourceMap, type SourceNode, withOrigin } from './source/source-map.ts'
import { nearest, suggestion } from './source/suggest.ts'

/** The inventory and roles that plays are checked against. `scope` is undefined if the inventory is invalid; host names are not checked then. */
export interface PlayContext {
  readonly scope: PatternScope | undefined
  readonly knownRoles: readonly string[]
  readonly problems: Problem[]
  /** Source positions of the options in the playbook. */
  readonly optionsOf: WeakMap<RoleUse, SourceMap>
}

/** Parts of an entry: the name of the role, the name in this site, and the options. */
interface Entry {
  readonly role: { readonly name: string; readonly where: Place }
  readonly as?: { readonly name: string; readonly where: Place } | undefined
  readonly options: SourceNode | undefined
}

/** Reads `nginx`, `nginx: {content: site}` or `{role: nginx, as: shop, options: {content: site}}`. */
export const readRole = (item: SourceNode, { knownRoles, problems, optionsOf }: PlayContext): RoleUse | undefined => {
  const entry = isLong(item) ? longEntry(item, problems) : shortEntry(item, problems)
  if (entry === undefined) return undefined
  const { name: role, where } = entry.role
  if (!knownRoles.includes(role)) {
    problems.push(inputProblem(where, `unknown role \`${shownText(role)}\``, fixFor(role, knownRoles)))
    return undefined
  }
  const name = entry.as?.name ?? role
  if (name !== role && knownRoles.includes(name))
    problems.push(inputProblem(entry.as?.where ?? where, `name \`${name}\` is that of another role`, 'use another name'))
  const node = entry.options === undefined || isNothing(entry.options) ? undefined : entry.options
  if (node !== undefined && node.is !== 'map')
    problems.push(inputProblem(node.place, `options of role ${name} must be a map`, 'write them as indented `key: value` lines'))
  const options = node?.is === 'map' ? (withOrigin(node, 'playbook') as SourceMap) : undefined
  const use: RoleUse = {
    name,
    role,
    where: entry.as?.where ?? where,
    options: options && { value: plainValue(options), where: options.place, origin: 'playbook' },
  }
  if (options !== undefined) optionsOf.set(use, options)
  return use
}

/** Returns the fix for an unknown role. A name with a slash, or an `@`, is that of a package. */
const fixFor = (role: string, knownRoles: readonly string[]): string => {
  const [, packageName = ''] = /^(@[\w.~-]+\/[\w.~-]+|[\w.~-]+(?=\/))(?:\/[\w-]*)?$/.exec(role) ?? []
  if (packageName === '') return suggestion(role, knownRoles, `create roles/${shownText(role)}/role.yaml, or role.ts`)
  const others = knownRoles.filter((name) => name === packageName || name.startsWith(`${packageName}/`))
  if (others.length > 0) return suggestion(role, others, 'name a role of this package')
  const near = nearest(role, knownRoles)
  return near === undefined ? `install a package that declares it: npm install ${shownText(packageName)}` : `did you mean \`${near}\`?`
}

const LONG = ['role', 'as', 'options']

/** Options beside `role` are not the long form: the user may know this from Ansible. */
const isLong = (item: SourceNode): boolean =>
  entryOf(item, 'role') !== undefined && entriesOf(item).every(([key]) => HINTS.has(key) || nearest(key, LONG) !== undefined)

/** Keys that Ansible has beside a role. */
const HINTS: ReadonlyMap<string, string> = new Map([
  ['vars', 'write `options`'],
  ['tags', 'remove it; `--role` selects the resources of a role'],
  ['when', 'bind the role in a separate play, for a group of hosts'],
  ['become', 'remove it; roles always run as root'],
])

const shortEntry = (item: SourceNode, problems: Problem[]): Entry | undefined => {
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
  return { role: { name, where }, options: entry?.node }
}

const longEntry = (item: SourceNode, problems: Problem[]): Entry | undefined => {
  const valid = keepValid(item, { label: 'role entry', schema: roleEntrySchema, hint: (key) => HINTS.get(key) }, problems)
  const textAt = (key: string) => {
    const node = entryOf(valid, key)?.node
    return node?.is === 'scalar' && typeof node.value === 'string' ? { name: node.value, where: node.place } : undefined
  }
  const role = textAt('role')
  return role && { role, as: textAt('as'), options: entryOf(valid, 'options')?.node }
}
