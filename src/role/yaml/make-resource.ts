import { type Problem, Problems, problemsIn } from '../../problem.ts'
import type { Content, TextPart } from '../../resource/kind/content.ts'
import type { Resource } from '../../resource/kind/kind.ts'
import { yamlForms } from '../../resource/option/yaml-form.ts'
import { isSecret, Secret } from '../../secret/secret.ts'
import { scriptOf } from '../../shell/script.ts'
import { shownText } from '../../shown-name.ts'
import { registeredAt } from '../../site/schema/schema-at.ts'
import { inFileOrder, inputProblem } from '../../site/source/input-problem.ts'
import type { SourceMap, SourceNode } from '../../site/source/source-map.ts'
import { suggestion } from '../../site/source/suggest.ts'
import type { Declarable } from './entries.ts'
import { optionProblems } from './option-problems.ts'
import { isSource, isTemplate, type Nameable, readSource, readTemplate, withSource } from './project-source.ts'

/** Thrown for a resource that names one which is not known yet. */
export const SKIPPED = new Error('the resource names another that needs facts')

type Path = readonly PropertyKey[]

/**
 * Makes a resource of a kind, or those of a composite, from options without references. Throws `Problems` at the places of the options, all
 * together.
 */
export const makeResources = (kind: Declarable, options: SourceMap, nameable: Nameable): readonly Resource[] => {
  const problems: Problem[] = []
  const unread: Path[] = []
  const attempt = (path: Path, act: () => unknown): unknown => {
    try {
      return act()
    } catch (error) {
      const found = error === SKIPPED ? undefined : problemsIn(error)
      if (found === undefined) throw error
      problems.push(...found)
      unread.push(path)
      return undefined
    }
  }
  const sourced = withSource(kind, options, nameable, (option, act) => attempt([option], act))
  const convert = (node: SourceNode, path: Path): unknown => {
    if (sourced !== undefined && path.length === 1 && path[0] === sourced.option) return sourced.value
    const form = registeredAt(kind.schema, path, yamlForms)?.form
    const isContent = form === 'content' || form === 'file'
    if ((isContent || form === 'local') && isSource(node)) return attempt(path, () => readSource(node, 'content', nameable))
    if (isContent && isTemplate(node)) return attempt(path, () => readTemplate(node, nameable))
    if (form === 'resources' && node.is !== 'map')
      return node.is === 'list'
        ? node.items.map((item, i) => attempt([...path, i], () => named(item, nameable)))
        : attempt(path, () => named(node, nameable))
    if (node.is === 'map') return Object.fromEntries([...node.entries].map(([key, entry]) => [key, convert(entry.node, [...path, key])]))
    if (node.is === 'list') return node.items.map((item, i) => convert(item, [...path, i]))
    if (form === 'script' && typeof node.value === 'string') return scriptOf(node.value)
    if (form === 'content') return contentOf(node)
    return isSecret(node.value) && node.parts !== undefined ? new Secret(node.value.reveal()) : node.value
  }
  const given = sourced?.options ?? options
  const value = convert(given, [])
  const checked = kind.schema.safeParse(value)
  if (checked.success && problems.length === 0)
    return 'resources' in kind ? kind.resources(checked.data) : [{ kind, id: kind.id(checked.data), spec: checked.data }]
  const issues = checked.error?.issues ?? []
  throw new Problems(inFileOrder([...problems, ...optionProblems(kind, { options: given, value, unread }, issues)]))
}

/** A text with its secrets as separate parts. Other values are left to the schema. */
const contentOf = ({ value, parts }: Extract<SourceNode, { is: 'scalar' }>): unknown => {
  if (typeof value !== 'string' && !isSecret(value)) return value
  const texts: readonly TextPart[] = parts?.map((part) => ('value' in part ? part.value : part.written)) ?? [value]
  return { type: 'text', parts: texts } satisfies Content
}

/** Returns the earlier resource with this key. What is no text is left to the schema. */
const named = (item: SourceNode, { earlier, isIncomplete }: Nameable): unknown => {
  if (item.is !== 'scalar' || typeof item.value !== 'string') return item.is === 'scalar' ? item.value : undefined
  const found = earlier.get(item.value)
  if (found === undefined && isIncomplete) throw SKIPPED
  if (found === undefined)
    throw inputProblem(
      item.place,
      `no resource \`${shownText(item.value)}\` is declared before`,
      suggestion(item.value, earlier.keys(), 'declare it above, and name it by kind and identity, for example file:/etc/motd'),
    )
  return found
}
