import type { Problem } from '../../problem.ts'
import type { AnyComposite } from '../../resource/composite.ts'
import type { AnyKind } from '../../resource/kind/kind.ts'
import { shownText } from '../../shown-name.ts'
import { isNothing } from '../../site/schema/keep-valid.ts'
import { inputProblem, type Place } from '../../site/source/input-problem.ts'
import { entriesOf, entryOf, type SourceMap, type SourceNode, type SourceScalar } from '../../site/source/source-map.ts'
import { nearest, suggestion } from '../../site/source/suggest.ts'
import { ansibleKey, FREE_FORM } from './ansible/keys.ts'
import { ansibleKind } from './ansible/modules.ts'
import { type Condition, conditionOf } from './condition.ts'
import { isReference, piecesOf, type Reference, type Root, referenceText } from './template.ts'

/** What an entry of `resources` can name. */
export type Declarable = AnyKind | AnyComposite

/** Kinds and composites by name. */
export type Kinds = ReadonlyMap<string, Declarable>

/** An entry of `resources`: a kind with its options, and perhaps a condition and a list. */
export interface Entry {
  readonly kind: Declarable
  /** Place of the name of the kind. */
  readonly where: Place
  /** A map, or a reference to one. */
  readonly options: SourceNode
  readonly condition?: Condition
  readonly each?: SourceNode
}

/** What entries may use. `names` has the known names of a root. */
export interface EntryContext {
  readonly kinds: Kinds
  readonly names: Readonly<Partial<Record<Root, readonly string[] | 'any'>>>
  readonly problems: Problem[]
}

/** Returns the entries of `resources` in order. Adds all problems that are visible without a host. */
export const entriesIn = (list: SourceNode, context: EntryContext): readonly Entry[] =>
  list.is === 'list' ? list.items.flatMap((item) => readEntry(item, context)) : []

const CONTROL = ['if', 'each']

const readEntry = (item: SourceNode, context: EntryContext): readonly Entry[] => {
  const { problems, kinds } = context
  const report = (place: Place, what: string, fix: string): readonly [] => {
    problems.push(inputProblem(place, what, fix))
    return []
  }
  if (item.is !== 'map') {
    const fix =
      item.is === 'scalar' && typeof item.value === 'string' && kinds.has(item.value)
        ? `write \`- ${item.value}: {…}\`, with the options as a map below the name`
        : 'write, for example, `- package: { name: htop }`'
    return report(item.place, 'resource entry is not a kind with its options', fix)
  }
  const named = entriesOf(item).filter(([key]) => !CONTROL.includes(key))
  const hinted = named.flatMap(([key, entry]) => {
    const fix = kinds.has(key) ? undefined : ansibleKey(key)
    return fix === undefined ? [] : [{ key, entry, fix }]
  })
  for (const { key, entry, fix } of hinted) report(entry.key, `unknown option \`${shownText(key)}\` beside a kind`, fix)
  const [[name, entry] = [], another] = named.filter(([key]) => !hinted.some((one) => one.key === key))
  if (name === undefined || entry === undefined)
    return hinted.length > 0 ? [] : report(item.place, 'resource entry has no kind', 'add one, for example `package: { name: htop }`')
  if (another !== undefined) {
    const key = [name, another[0]].find((one) => nearest(one, CONTROL) !== undefined && !kinds.has(one))
    if (key !== undefined)
      return report(
        entryOf(item, key)?.key ?? item.place,
        `unknown option \`${shownText(key)}\` beside a kind`,
        suggestion(key, CONTROL, ''),
      )
    return report(
      another[1].key,
      `resource entry has two kinds, \`${shownText(name)}\` and \`${shownText(another[0])}\``,
      'start each resource with a dash, and indent options below their kind',
    )
  }
  const kind = kinds.get(name)
  if (kind === undefined)
    return report(
      entry.key,
      `unknown kind \`${shownText(name)}\``,
      ansibleKind(name, kinds) ?? suggestion(name, kinds.keys(), 'correct the name'),
    )
  return withKind(item, { kind, where: entry.key, node: entry.node }, context)
}

const withKind = (
  item: SourceMap,
  { kind, where, node }: { readonly kind: Declarable; readonly where: Place; readonly node: SourceNode },
  context: EntryContext,
): readonly Entry[] => {
  const before = context.problems.length
  const options: SourceNode = isNothing(node) ? { is: 'map', entries: new Map(), place: where } : node
  const each = entryOf(item, 'each')?.node
  const outer = without(context, 'item')
  if (each !== undefined) checkEach(each, outer)
  const inner: EntryContext = each === undefined ? outer : { ...context, names: { ...context.names, item: 'any' } }
  const tested = entryOf(item, 'if')?.node
  const condition = tested === undefined ? undefined : conditionOf(tested, scanning(inner))
  if (condition !== undefined) for (const { reference } of condition.terms) checkName(reference, inner)
  checkReferences(options, inner)
  if (options.is !== 'map' && !isOneReference(options, inner)) context.problems.push(notAMap(kind, options))
  if (context.problems.length > before) return []
  return [{ kind, where, options, ...(condition !== undefined && { condition }), ...(each !== undefined && { each }) }]
}

const without = (context: EntryContext, root: Root): EntryContext => {
  const { [root]: _, ...names } = context.names
  return { ...context, names }
}

const scanning = ({ names, problems }: EntryContext) => ({ roots: Object.keys(names) as Root[], problems })

const checkEach = (each: SourceNode, context: EntryContext): void => {
  const before = context.problems.length
  checkReferences(each, context)
  if (each.is !== 'scalar' || context.problems.length > before || isOneReference(each, context)) return
  context.problems.push(inputProblem(each.place, '`each` is neither a list nor a map', `write a list, or the name of one: \${vars.NAME}`))
}

const isOneReference = (node: SourceNode, context: EntryContext): boolean => {
  if (node.is !== 'scalar' || typeof node.value !== 'string') return false
  const pieces = piecesOf(node, { ...scanning(context), problems: [] })
  return pieces.length === 1 && pieces.every(isReference)
}

export const notAMap = ({ name }: Declarable, { place, is }: SourceNode): Problem =>
  inputProblem(
    place,
    `options of ${name} must be a map`,
    (is === 'list' ? ansibleKey(name) : is === 'scalar' ? FREE_FORM.get(name) : undefined) ?? 'write them as indented `key: value` lines',
  )

const checkReferences = (node: SourceNode, context: EntryContext): void => {
  if (node.is === 'list') for (const item of node.items) checkReferences(item, context)
  else if (node.is === 'map') for (const [, entry] of node.entries) checkReferences(entry.node, context)
  else checkScalar(node, context)
}

const checkScalar = (node: SourceScalar, context: EntryContext): void => {
  if (node.parts === undefined && typeof node.value !== 'string') return
  for (const piece of piecesOf(node, scanning(context))) if (isReference(piece)) checkName(piece, context)
}

/** Adds a problem if a reference names a fact or an option that does not exist. */
const checkName = (reference: Reference, { names, problems }: EntryContext): void => {
  const known = names[reference.root]
  const [name] = reference.path
  if (known === undefined || known === 'any' || name === undefined || known.includes(name)) return
  problems.push(
    inputProblem(
      reference.place,
      `\`${referenceText(reference)}\` does not exist`,
      suggestion(name, known, reference.root === 'options' ? 'declare it under `options`' : 'use a name that exists'),
    ),
  )
}
