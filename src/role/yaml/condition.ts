import type { Problem } from '../../problem.ts'
import { shownText } from '../../shown-name.ts'
import { inputProblem, type Place } from '../../site/source/input-problem.ts'
import type { SourceNode } from '../../site/source/source-map.ts'
import { lookUp, type Scope } from './scope.ts'
import { isReference, piecesOf, type Reference, referenceText, type Scanning } from './template.ts'

type Literal = string | number | boolean

/** `${vars.tls}`, `not ${vars.tls}`, or a comparison. */
interface Term {
  readonly reference: Reference
  readonly negated: boolean
  readonly compared?: Literal
}

/** Terms of a condition. With `and`, all must be true; with `or`, at least one. */
export interface Condition {
  readonly join: 'and' | 'or'
  readonly terms: readonly Term[]
}

type Token = Reference | { readonly word: string } | { readonly literal: string }

const FIX = `write \${facts.NAME} == 'text', \${vars.NAME} or not \${vars.NAME}, joined by and, or by or`

/** Reads a condition; undefined if it is invalid, which is added to the problems. */
export const conditionOf = (node: SourceNode, scanning: Scanning): Condition | undefined => {
  const invalid = (what: string, fix = FIX, place: Place = node.place): undefined => {
    scanning.problems.push(inputProblem(place, what, fix))
    return undefined
  }
  if (node.is !== 'scalar' || typeof node.value !== 'string') return invalid('condition is not a text')
  const before = scanning.problems.length
  const pieces = piecesOf(node, scanning)
  if (scanning.problems.length > before) return undefined
  const tokens = pieces.flatMap((piece): readonly Token[] =>
    typeof piece === 'string' ? wordsOf(piece) : isReference(piece) ? [piece] : [{ word: '•••' }],
  )
  const joins = new Set(tokens.flatMap((token) => ('word' in token && (token.word === 'and' || token.word === 'or') ? [token.word] : [])))
  if (joins.size > 1) return invalid('condition has both `and` and `or`', 'write two entries, each with one of them')
  const terms: Term[] = []
  for (const some of split(tokens)) {
    const term = termOf(some)
    if ('wrong' in term) return invalid(term.wrong)
    terms.push(term)
  }
  return { join: joins.has('or') ? 'or' : 'and', terms }
}

const wordsOf = (text: string): readonly Token[] =>
  [...text.matchAll(/'([^']*)'|"([^"]*)"|==|!=|[^\s'"=!]+|\S/g)].map(([word, single, double]) => {
    const literal = single ?? double
    return literal === undefined ? { word } : { literal }
  })

const split = (tokens: readonly Token[]): readonly (readonly Token[])[] => {
  const terms: Token[][] = [[]]
  for (const token of tokens)
    if ('word' in token && (token.word === 'and' || token.word === 'or')) terms.push([])
    else terms.at(-1)?.push(token)
  return terms
}

const termOf = (tokens: readonly Token[]): Term | { readonly wrong: string } => {
  const [first, ...others] = tokens
  const negated = first !== undefined && 'word' in first && first.word === 'not'
  const [reference, operator, value, ...more] = negated ? others : tokens
  if (reference === undefined) return { wrong: 'condition ends where a reference is expected' }
  if (!('root' in reference)) return { wrong: `condition has ${textOf(reference)} where a reference is expected` }
  if (operator === undefined) return { reference, negated }
  if (!('word' in operator) || (operator.word !== '==' && operator.word !== '!='))
    return { wrong: `condition has ${textOf(operator)} after ${referenceText(reference)}; it can compare with == and != only` }
  if (negated) return { wrong: 'condition has `not` before a comparison' }
  if (value === undefined || 'root' in value)
    return { wrong: `condition compares ${referenceText(reference)} with ${value === undefined ? 'nothing' : 'another reference'}` }
  if (more[0] !== undefined) return { wrong: `condition has ${textOf(more[0])} after a comparison` }
  return { reference, negated: operator.word === '!=', compared: 'literal' in value ? value.literal : literalOf(value.word) }
}

const textOf = (token: Token): string =>
  'root' in token ? referenceText(token) : `\`${shownText('word' in token ? token.word : token.literal)}\``

const literalOf = (word: string): Literal => {
  if (word === 'true' || word === 'false') return word === 'true'
  return /^-?(0|[1-9][0-9]*)(\.[0-9]+)?$/.test(word) ? Number(word) : word
}

/** Whether a condition holds. Throws a `Problem` for a value that cannot be tested. */
export const holds = ({ join, terms }: Condition, scope: Scope): boolean =>
  join === 'and' ? terms.every((term) => termHolds(term, scope)) : terms.some((term) => termHolds(term, scope))

const termHolds = ({ reference, negated, compared }: Term, scope: Scope): boolean => {
  const node = lookUp(reference, scope)
  const value = node.is === 'scalar' ? node.value : undefined
  const shown = `\`${referenceText(reference)}\``
  const fault = (what: string, fix: string): Problem => inputProblem(reference.place, `${shown} ${what}`, fix)
  if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean')
    throw fault(`is ${nameOf(node)}, which a condition cannot test`, 'test text, a number, or true or false')
  if (compared === undefined) {
    if (typeof value !== 'boolean') throw fault(`is ${typeName(value)}, not true or false`, 'compare it with == or !=')
    return value !== negated
  }
  if (typeof value !== typeof compared)
    throw fault(
      `is ${typeName(value)}, and is compared with ${typeName(compared)}`,
      typeof value === 'string' ? `put the value in quotes: '${String(compared)}'` : `compare it with ${typeName(value)}`,
    )
  return (value === compared) !== negated
}

const nameOf = (node: SourceNode): string => (node.is === 'scalar' ? (node.value === null ? 'empty' : 'a secret') : `a ${node.is}`)

const typeName = (value: Literal): string =>
  ({ string: 'text', number: 'a number', boolean: 'true or false' })[typeof value as string] ?? ''
