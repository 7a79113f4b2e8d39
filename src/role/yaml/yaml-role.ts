import { z } from 'zod'
import { type Problem, Problems, type Where } from '../../problem.ts'
import { isSecret } from '../../secret/secret.ts'
import { isNothing, keepValid } from '../../site/schema/keep-valid.ts'
import type { Place } from '../../site/source/input-problem.ts'
import { emptyNode, entriesOf, entryOf, locatedValue, type SourceNode, type SourceScalar } from '../../site/source/source-map.ts'
import { parseYaml } from '../../site/yaml/yaml.ts'
import { withoutFacts } from '../no-facts.ts'
import { type PackagedRole, packageFiles } from '../package/packaged-role.ts'
import type { HostContext, Role, SiteContext } from '../role.ts'
import { declare, misspeltIn } from './declare.ts'
import { entriesIn, type Kinds } from './entries.ts'
import { optionsSchema } from './options-schema.ts'
import { publishedBy } from './published.ts'
import { plainMap, type Scope } from './scope.ts'
import { KNOWN, type SiteValues, scopeOf } from './scopes.ts'

/** A role in YAML: its name, its content, and its folder, relative to the project or to its package. */
export interface YamlRoleFile {
  readonly name: string
  readonly node: SourceNode
  readonly folder: string
  readonly packaged?: PackagedRole
}

const schema = z.strictObject({
  summary: z
    .string()
    .min(1)
    .meta({ description: 'one line for help', examples: ['small tools'] }),
  options: z
    .record(z.string(), z.unknown())
    .nullish()
    .meta({ description: 'its options: a default value of each, or its type in JSON Schema' }),
  resources: z
    .array(z.unknown())
    .min(1)
    .meta({ description: 'its resources', examples: ['[package: { name: htop }]'] }),
  repeatable: z.boolean().optional().meta({ description: 'whether plays may bind it several times to a host, with `as`' }),
})

/** Returns a role that is written in YAML. Adds problems that are visible without a host. */
export const yamlRole = (
  { name, node, folder, packaged }: YamlRoleFile,
  site: SiteValues,
  { kinds, problems }: { readonly kinds: Kinds; readonly problems: Problem[] },
): Role => {
  const before = problems.length
  const valid = keepValid(node, { label: `role ${name}`, schema, hint: (key) => HINTS.get(key) }, problems)
  const options = entryOf(valid, 'options')?.node
  const declared = options?.is === 'map' ? options : emptyNode(node.place)
  const entries = entriesIn(entryOf(valid, 'resources')?.node ?? emptyNode(node.place), {
    kinds,
    problems,
    names: { ...KNOWN, options: entriesOf(declared).map(([key]) => key), role: ['name'] },
  })
  const schemaOfOptions = optionsSchema(declared, problems)
  // Nothing is declared where the role is wrong, so its other entries are checked now.
  if (problems.length > before) problems.push(...misspeltIn(entries))
  const summary = entryOf(valid, 'summary')?.node
  const repeatable = entryOf(valid, 'repeatable')?.node
  const scope = (context: SiteContext<unknown> & Pick<HostContext<unknown>, 'facts'>): Scope => ({
    ...scopeOf(context, site),
    options: () => placed(context.options, [], placesOf(context, { name, site, declared })),
    role: () => plainMap({ name: context.as ?? packaged?.name ?? name }),
  })
  return {
    name,
    summary: summary?.is === 'scalar' && !isNothing(summary) ? String(summary.value) : name,
    // Wrong options would be a consequence of a mistake in the role.
    options: problems.length > before ? z.unknown() : schemaOfOptions,
    repeatable: repeatable?.is === 'scalar' && repeatable.value === true,
    listens: (context) => publishedBy(entries, scope(withoutFacts(context))),
    resources: (context) =>
      declare(entries, scope(context), {
        files: packaged === undefined ? context.files : packageFiles(packaged.of, context.files),
        folder,
      }),
  }
}

const HINTS: ReadonlyMap<string, string> = new Map([
  ['name', 'remove it; the name of the role is that of its folder'],
  ['defaults', 'write `options`, with a default value for each'],
  ['tasks', 'write `resources`'],
  ['vars', 'write `options`, with a default value for each'],
  ['handlers', 'remove it; a `service` names the files that it loads or restarts for (`loads`, `restarts`)'],
  ['become', 'remove it; resources are always applied as root'],
  ['meta', 'write `summary`'],
  ['galaxy_info', 'write `summary`'],
  ['dependencies', 'list the other role before this one in the play'],
])

type WhereOf = (path: readonly PropertyKey[]) => Where

/** The places of the role's options on a host, so that an invalid one is reported where it is set: a default in the role. */
const placesOf = (
  { host, as }: SiteContext<unknown>,
  { name, site, declared }: { readonly name: string; readonly site: SiteValues; readonly declared: SourceNode },
): WhereOf => {
  const use = site.plays
    .filter(({ hosts }) => hosts.includes(host.name))
    .flatMap(({ roles }) => roles)
    .find((one) => one.name === (as ?? name) && one.resources === undefined)
  const written = use && site.roleOptions(host.name, use)
  const isSet = (key: PropertyKey | undefined): boolean =>
    typeof written?.value === 'object' && written.value !== null && key !== undefined && key in written.value
  return (path) =>
    written !== undefined && isSet(path[0]) ? written.whereOf(path) : (entryOf(declared, String(path[0]))?.node.place ?? declared.place)
}

const placed = (value: unknown, path: readonly PropertyKey[], whereOf: WhereOf): SourceNode => {
  const where = whereOf(path)
  const place: Place = 'file' in where ? where : { file: '' }
  if (Array.isArray(value)) return { is: 'list', place, items: value.map((item, i) => placed(item, [...path, i], whereOf)) }
  if (typeof value !== 'object' || value === null || isSecret(value)) return { is: 'scalar', place, value: value as SourceScalar['value'] }
  const entries = Object.entries(value).map(([key, inner]) => [key, { key: place, node: placed(inner, [...path, key], whereOf) }] as const)
  return { is: 'map', place, entries: new Map(entries) }
}

/** Returns a role in YAML from its text, for its options only. Throws its problems. */
export const roleFromText = (name: string, file: { readonly path: string; readonly text: string }, kinds: Kinds): Role => {
  const { root, problems } = parseYaml(file.path, file.text)
  const all = [...problems]
  const node = root ?? emptyNode({ file: file.path, line: 1, column: 1 })
  const role = yamlRole(
    { name, node, folder: '' },
    { hosts: new Map(), plays: [], roleOptions: () => locatedValue(node) },
    { kinds, problems: all },
  )
  if (all.length > 0) throw new Problems(all)
  return role
}
