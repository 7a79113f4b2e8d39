import { Problem, Problems } from '../../problem.ts'
import type { Content, TextPart } from '../../resource/kind/content.ts'
import type { Resource } from '../../resource/kind/kind.ts'
import { yamlForms } from '../../resource/option/yaml-form.ts'
import { isSecret, Secret } from '../../secret/secret.ts'
import { scriptOf } from '../../shell/script.ts'
import { shownText } from '../../shown-name.ts'
import { keysAt, registeredAt } from '../../site/schema/schema-at.ts'
import { zodProblems } from '../../site/schema/zod.ts'
import { inputProblem } from '../../site/source/input-problem.ts'
import {
  entriesOf,
  entryOf,
  type LocatedValue,
  locatedValue,
  omitKeys,
  type SourceMap,
  type SourceNode,
} from '../../site/source/source-map.ts'
import { suggestion } from '../../site/source/suggest.ts'
import { projectFile } from '../project-file.ts'
import type { HostContext } from '../role.ts'
import type { Declarable } from './entries.ts'
import { rendered } from './rendered.ts'
import type { Scope } from './scope.ts'

/** The files of the project, and the folder of the role: a path that begins with `./` is below it. */
export interface Files {
  readonly files: HostContext<unknown>['files']
  readonly folder?: string
}

/** What the options of a resource may name: files of the project, and earlier resources of the same list by their keys. */
export interface Nameable extends Files {
  /** What templates may use. */
  readonly scope: Scope
  readonly earlier: ReadonlyMap<string, Resource>
  /** An earlier resource is not known yet, because it needs facts. */
  readonly isIncomplete: boolean
}

/** Thrown for a resource that names one which is not known yet. */
export const SKIPPED = new Error('the resource names another that needs facts')

type Path = readonly PropertyKey[]

/**
 * Makes a resource of a kind, or those of a composite, from options without references. Throws `Problems` at the places of the options.
 */
export const makeResources = (kind: Declarable, options: SourceMap, nameable: Nameable): readonly Resource[] => {
  const problems: Problem[] = []
  const sourced = withSource(kind, options, nameable)
  const convert = (node: SourceNode, path: Path): unknown => {
    if (sourced !== undefined && path.length === 1 && path[0] === sourced.option) return sourced.value
    const form = registeredAt(kind.schema, path, yamlForms)?.form
    if ((form === 'content' || form === 'file') && isSource(node)) return readSource(node, 'content', nameable)
    if ((form === 'content' || form === 'file') && isTemplate(node)) return readTemplate(node, nameable)
    if (node.is === 'map') return Object.fromEntries([...node.entries].map(([key, entry]) => [key, convert(entry.node, [...path, key])]))
    if (node.is === 'list')
      return node.items.map((item, i) => (form === 'resources' ? named(item, nameable, problems) : convert(item, [...path, i])))
    if (form === 'resources') return named(node, nameable, problems)
    if (form === 'script' && typeof node.value === 'string') return scriptOf(node.value)
    if (form === 'content') return contentOf(node)
    return isSecret(node.value) && node.parts !== undefined ? new Secret(node.value.reveal()) : node.value
  }
  const given = sourced?.options ?? options
  const value = convert(given, [])
  const located: LocatedValue = { ...locatedValue(given), value }
  const checked = problems.length > 0 ? undefined : kind.schema.safeParse(value)
  if (checked?.success)
    return 'resources' in kind ? kind.resources(checked.data) : [{ kind, id: kind.id(checked.data), spec: checked.data }]
  throw new Problems(checked === undefined ? problems : zodProblems(checked.error, located, labelOf(kind), kind.schema))
}

/** The problems that are visible while facts are unknown: misspelt options. */
export const misspelt = (kind: Declarable, options: SourceNode): readonly Problem[] => {
  const known = [...keysAt(kind.schema, []), ...Object.keys(projectOptions(kind))]
  return entriesOf(options).flatMap(([key, entry]) =>
    known.length === 0 || known.includes(key)
      ? []
      : [inputProblem(entry.key, `unknown option \`${shownText(key)}\` in ${labelOf(kind)}`, suggestion(key, known, 'remove it'))],
  )
}

const labelOf = ({ name }: Declarable): string => `resource ${name}`

/** A text with its secrets as separate parts. Other values are left to the schema. */
const contentOf = ({ value, parts }: Extract<SourceNode, { is: 'scalar' }>): unknown => {
  if (typeof value !== 'string' && !isSecret(value)) return value
  const texts: readonly TextPart[] = parts?.map((part) => ('value' in part ? part.value : part.written)) ?? [value]
  return { type: 'text', parts: texts } satisfies Content
}

/** The option that `source` fills from a file or a directory of the project: `content` or a list of files, if the kind has no option `source` itself. */
export const sourceOption = (kind: Declarable): { readonly option: string; readonly form: 'content' | 'files' } | undefined => {
  const keys = keysAt(kind.schema, [])
  if (keys.includes('source')) return undefined
  return keys
    .flatMap((option) => {
      const form = registeredAt(kind.schema, [option], yamlForms)?.form
      return form === 'files' || (form === 'content' && option === 'content') ? [{ option, form }] : []
    })
    .at(0)
}

interface Sourced {
  readonly option: string
  readonly value: unknown
  /** The options, with the option at the place of `source`. */
  readonly options: SourceMap
}

/** The options beside those of a kind that name files of the project, with their descriptions. */
export const projectOptions = (kind: Declarable): Readonly<Partial<Record<'source' | 'template' | 'values', string>>> => {
  const found = sourceOption(kind)
  if (found === undefined) return {}
  const { option, form } = found
  const source = `${form === 'content' ? 'file' : 'directory'} of the project, in place of \`${option}\``
  if (form !== 'content') return { source }
  return { source, template: `template of the project, in place of \`${option}\``, values: 'values for the template' }
}

const withSource = (kind: Declarable, options: SourceMap, nameable: Nameable): Sourced | undefined => {
  const found = sourceOption(kind)
  if (found === undefined) return undefined
  const { option, form } = found
  const named = ['source', ...(form === 'content' ? ['template'] : [])]
  const [name, other] = [...named, option].filter((key) => options.entries.has(key))
  const entry = name === undefined ? undefined : entryOf(options, name)
  if (name !== 'template' && form === 'content') refuseValues(options)
  if (entry === undefined || name === undefined || name === option) return undefined
  if (other !== undefined)
    throw inputProblem(
      entryOf(options, other)?.key ?? entry.key,
      `\`${name}\` and \`${other}\` are both set`,
      `remove one of them: \`${name}\` is a path of the project`,
    )
  const rest = omitKeys(options, new Set(['source', 'template', 'values']))
  const entries = new Map([...rest.entries, [option, { key: entry.key, node: entry.node }]])
  const value = name === 'source' ? readSource(entry.node, form, nameable) : readTemplate(options, nameable)
  return { option, value, options: { ...rest, entries } }
}

const refuseValues = (options: SourceMap): void => {
  const values = entryOf(options, 'values')
  if (values !== undefined) throw inputProblem(values.key, '`values` is set without `template`', 'name the template that uses them')
}

const isTemplate = (node: SourceNode): boolean =>
  entryOf(node, 'template') !== undefined && entriesOf(node).every(([key]) => key === 'template' || key === 'values')

const readTemplate = (given: SourceNode, { files, folder, scope }: Nameable): unknown => {
  const node = entryOf(given, 'template')?.node ?? given
  return rendered({ path: pathIn(node, 'template', folder), node, values: entryOf(given, 'values')?.node }, files, scope)
}

const isSource = (node: SourceNode): boolean => entriesOf(node).length === 1 && entryOf(node, 'source') !== undefined

/** Reads the file or directory that `source` names. */
const readSource = (given: SourceNode, form: 'content' | 'files', { files, folder }: Files): unknown => {
  const node = entryOf(given, 'source')?.node ?? given
  const path = pathIn(node, form === 'content' ? 'file' : 'directory', folder)
  return atPlace(node, () => read(files, path, form))
}

/** The path below the project; `./` is the folder of the role. */
const pathIn = (node: SourceNode, what: 'file' | 'directory' | 'template', folder: string | undefined): string => {
  if (node.is !== 'scalar' || typeof node.value !== 'string' || node.value === '')
    throw inputProblem(
      node.place,
      `\`${what === 'template' ? what : 'source'}\` is not a path`,
      `write the path of a ${what} of the project`,
    )
  return node.value.startsWith('./') ? `${folder === undefined ? '' : `${folder}/`}${node.value.slice(2)}` : node.value
}

const read = (files: Files['files'], path: string, form: 'content' | 'files'): unknown =>
  form === 'content'
    ? projectFile({ files }, path, 'create it, or correct the path, which begins at the directory of the project')
    : files(path)

/** Moves problems of a file of the project to the option that names it. */
const atPlace = (node: SourceNode, act: () => unknown): unknown => {
  try {
    return act()
  } catch (error) {
    if (!(error instanceof Problem) || !('file' in error.where)) throw error
    const { where, what, fix, why } = error
    throw inputProblem(node.place, `${where.file}: ${what}`, fix, why)
  }
}

/** Returns the earlier resource with this key. What is no text is left to the schema. */
const named = (item: SourceNode, { earlier, isIncomplete }: Nameable, problems: Problem[]): unknown => {
  if (item.is !== 'scalar' || typeof item.value !== 'string') return item.is === 'scalar' ? item.value : undefined
  const found = earlier.get(item.value)
  if (found === undefined && isIncomplete) throw SKIPPED
  if (found === undefined)
    problems.push(
      inputProblem(
        item.place,
        `no resource \`${shownText(item.value)}\` is declared before`,
        suggestion(item.value, earlier.keys(), 'declare it above, and name it by kind and identity, for example file:/etc/motd'),
      ),
    )
  return found
}
