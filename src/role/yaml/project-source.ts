import { Problem } from '../../problem.ts'
import type { Resource } from '../../resource/kind/kind.ts'
import { yamlForms } from '../../resource/option/yaml-form.ts'
import { keysAt, registeredAt } from '../../site/schema/schema-at.ts'
import { inputProblem, type Place } from '../../site/source/input-problem.ts'
import { entriesOf, entryOf, omitKeys, type SourceMap, type SourceNode } from '../../site/source/source-map.ts'
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

type Form = 'content' | 'local' | 'files'

/** The option that `source` fills from a file or a directory of the project: `content` or a list of files, if the kind has no option `source` itself. */
export const sourceOption = (kind: Declarable): { readonly option: string; readonly form: Form } | undefined => {
  const keys = keysAt(kind.schema, [])
  if (keys.includes('source')) return undefined
  return keys
    .flatMap((option) => {
      const form = registeredAt(kind.schema, [option], yamlForms)?.form
      return form === 'files' || ((form === 'content' || form === 'local') && option === 'content') ? [{ option, form }] : []
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
  const source = `${form === 'files' ? 'directory' : 'file'} of the project, in place of \`${option}\``
  if (form !== 'content') return { source }
  return { source, template: `template of the project, in place of \`${option}\``, values: 'values for the template' }
}

/** Returns the names of all options of a kind in YAML. Those that name files of the project follow the option that they replace. */
export const optionNames = (kind: Declarable): readonly string[] => {
  const replaced = sourceOption(kind)?.option
  const more = Object.keys(projectOptions(kind))
  return keysAt(kind.schema, []).flatMap((key) => (key === replaced ? [key, ...more] : [key]))
}

/** Calls a function, and adds its problems to those of the option. */
type Attempt = (option: string, act: () => unknown) => unknown

/** Reads the file, template or directory that `source` or `template` beside the options names; undefined if there is none. */
export const withSource = (kind: Declarable, options: SourceMap, nameable: Nameable, attempt: Attempt): Sourced | undefined => {
  const found = sourceOption(kind)
  if (found === undefined) return undefined
  const { option, form } = found
  const named = ['source', ...(form === 'content' ? ['template'] : [])]
  const [name, other] = [...named, option].filter((key) => options.entries.has(key))
  const entry = name === undefined ? undefined : entryOf(options, name)
  const value = attempt(option, () => {
    if (name !== 'template' && form === 'content') refuseValues(options)
    if (entry === undefined || name === undefined || name === option) return undefined
    if (other !== undefined) throw bothSet(name, other, entryOf(options, other)?.key ?? entry.key)
    return name === 'source' ? readSource(entry.node, form, nameable) : readTemplate(options, nameable)
  })
  const rest = omitKeys(options, new Set(form === 'content' ? ['source', 'template', 'values'] : ['source']))
  if (entry === undefined || name === undefined || name === option) return undefined
  const entries = new Map([...rest.entries, [option, { key: entry.key, node: entry.node }]])
  return { option, value, options: { ...rest, entries } }
}

const bothSet = (name: string, other: string, place: Place): Problem =>
  inputProblem(place, `\`${name}\` and \`${other}\` are both set`, `remove one of them: \`${name}\` is a path of the project`)

const refuseValues = (options: SourceMap): void => {
  const values = entryOf(options, 'values')
  if (values !== undefined) throw inputProblem(values.key, '`values` is set without `template`', 'name the template that uses them')
}

/** Whether a value is `{ template: PATH, values: {…} }`. */
export const isTemplate = (node: SourceNode): boolean =>
  entryOf(node, 'template') !== undefined && entriesOf(node).every(([key]) => key === 'template' || key === 'values')

/** Renders the template that a value names. */
export const readTemplate = (given: SourceNode, { files, folder, scope }: Nameable): unknown => {
  const node = entryOf(given, 'template')?.node ?? given
  return rendered({ path: pathIn(node, 'template', folder), node, values: entryOf(given, 'values')?.node }, files, scope)
}

/** Whether a value is `{ source: PATH }`. */
export const isSource = (node: SourceNode): boolean => entriesOf(node).length === 1 && entryOf(node, 'source') !== undefined

/** Reads the file or directory that `source` names. */
export const readSource = (given: SourceNode, form: Form, { files, folder }: Files): unknown => {
  const node = entryOf(given, 'source')?.node ?? given
  const path = pathIn(node, form === 'files' ? 'directory' : 'file', folder)
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

const read = (files: Files['files'], path: string, form: Form): unknown =>
  form !== 'files'
    ? projectFile(
        { files },
        path,
        `create it, or correct the path, which begins at the directory of the ${path.startsWith('./') ? 'package' : 'project'}`,
      )
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
