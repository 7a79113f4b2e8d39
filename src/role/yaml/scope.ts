import { Problem, Problems } from '../../problem.ts'
import { isSecret, Secret } from '../../secret/secret.ts'
import { shownText } from '../../shown-name.ts'
import { inputProblem } from '../../site/source/input-problem.ts'
import { entriesOf, entryOf, fromPlain, type SourceEntry, type SourceNode } from '../../site/source/source-map.ts'
import { suggestion } from '../../site/source/suggest.ts'
import { isReference, piecesOf, type Reference, ROOTS, type Root, referenceText } from './template.ts'

/** The maps that references name. A map is read when it is needed: facts are unknown before the host was contacted. */
export type Scope = Readonly<Partial<Record<Root, () => SourceNode>>> & {
  /** Returns what is wrong with a variable that the host does not have, if others have it. */
  readonly missingVariable?: (name: string) => string | undefined
}

/** Returns the value of a reference. Throws a `Problem` at its place if there is none. */
export const lookUp = (reference: Reference, scope: Scope): SourceNode => {
  const { root, path, place } = reference
  const found = scope[root]
  if (found === undefined) throw inputProblem(place, `\`${referenceText(reference)}\` is not known here`, 'use another value')
  return path.reduce((node: SourceNode, step, i) => {
    const next = entryOf(node, step)
    if (next !== undefined) return next.node
    const above = [root, ...path.slice(0, i)].join('.')
    const known = entriesOf(node).map(([key]) => key)
    if (node.is !== 'map')
      throw inputProblem(
        place,
        `\`${referenceText(reference)}\` does not exist: \`${above}\` is not a map`,
        `use \`\${${above}}\`, or correct the name`,
      )
    const what = above === 'vars' ? scope.missingVariable?.(step) : undefined
    throw inputProblem(
      place,
      what ?? `\`${above}\` has no \`${shownText(step)}\``,
      suggestion(step, known, FIX[root] ?? 'correct the name'),
    )
  }, found())
}

const FIX: Partial<Record<Root, string>> = { vars: 'set it under `vars` in the inventory' }

/**
 * Returns a copy of a node with the values of its references. A value that is only a reference keeps its type; one inside a text becomes
 * text. Throws the `Problems` of all invalid references, at their places.
 */
export const resolve = (node: SourceNode, scope: Scope): SourceNode => {
  const problems: Problem[] = []
  const resolved = resolveIn(node, scope, problems)
  if (problems.length > 0) throw new Problems(problems)
  return resolved
}

const resolveIn = (node: SourceNode, scope: Scope, problems: Problem[]): SourceNode => {
  if (node.is === 'list') return { ...node, items: node.items.map((item) => resolveIn(item, scope, problems)) }
  if (node.is === 'map') {
    const inner = ({ key, node: value }: SourceEntry): SourceEntry => ({ key, node: resolveIn(value, scope, problems) })
    return { ...node, entries: new Map([...node.entries].map(([key, entry]) => [key, inner(entry)])) }
  }
  if (node.parts === undefined && typeof node.value !== 'string') return node
  const collected = <T>(act: () => T, fallback: T): T => {
    try {
      return act()
    } catch (error) {
      if (!(error instanceof Problem)) throw error
      problems.push(error)
      return fallback
    }
  }
  const pieces = piecesOf(node, { roots: ROOTS, problems: [] })
  const [only] = pieces
  if (pieces.length === 1 && only !== undefined && isReference(only)) return collected(() => lookUp(only, scope), node)
  if (isSecret(node.value) && pieces.length === 1) return node
  const parts = pieces.map((piece) => (isReference(piece) ? collected(() => textOf(piece, scope), '') : piece))
  const { parts: _, ...plain } = node
  if (!parts.some(isSecret)) return pieces.some(isReference) || typeof node.value === 'string' ? { ...plain, value: parts.join('') } : node
  const text = parts.map((part) => (isSecret(part) ? part.reveal() : part)).join('')
  // Its secrets are masked. The text as a whole becomes a secret where an option takes one.
  return { ...plain, value: new Secret(text, true), parts: parts.map((value) => ({ value })) }
}

/** Returns the value of a reference inside a text, as the user wrote it. */
const textOf = (reference: Reference, scope: Scope): string | Secret => {
  const node = lookUp(reference, scope)
  if (node.is === 'scalar' && isSecret(node.value)) return node.value
  // The text of a value that itself was a reference is that reference.
  if (node.is === 'scalar' && node.value !== null) return (node.parts === undefined ? node.written : undefined) ?? String(node.value)
  const what = node.is === 'scalar' ? 'empty' : `a ${node.is}`
  throw inputProblem(
    reference.place,
    `\`${referenceText(reference)}\` is ${what}, and cannot be a part of a text`,
    node.is === 'scalar' ? 'set it, or remove the reference' : 'make it the whole value, or name one of its values',
  )
}

/** Returns a scope of plain values. */
export const plainMap = (values: Readonly<Record<string, unknown>>): SourceNode => fromPlain(values, { file: '' })
