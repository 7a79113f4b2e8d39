import type { Where } from '../../problem.ts'
import type { Secret } from '../../secret/secret.ts'
import { isSecret } from '../../secret/secret.ts'
import type { Place } from './input-problem.ts'

/**
 * Content of a YAML file with the position of every part. The position of a scalar is its value; that of a map or a list is its key,
 * because that is the line a user looks for.
 */
export type SourceNode = SourceScalar | SourceMap | SourceList

export interface SourceScalar {
  readonly is: 'scalar'
  readonly value: string | number | boolean | null | Secret
  readonly place: Place
  /** The text in the file, if the value is no text: `0o644` of 420. */
  readonly written?: string
  /** Columns between the position and the first character of the text: 1 within quotes; undefined for block scalars. */
  readonly inset?: number
  /** The text in parts, if it has references that were resolved: they can have text that looks like one. */
  readonly parts?: readonly ScalarPart[]
  /** Position of the first character of a literal block (`|`), whose lines are those of the file. */
  readonly block?: Place
  readonly origin?: string
}

/** A part of a text: as the file has it, or the value of a reference. */
export type ScalarPart = { readonly written: string } | { readonly value: string | Secret }

export interface SourceList {
  readonly is: 'list'
  readonly items: readonly SourceNode[]
  readonly place: Place
  readonly origin?: string
}

export interface SourceMap {
  readonly is: 'map'
  readonly entries: ReadonlyMap<string, SourceEntry>
  readonly place: Place
  readonly origin?: string
}

export interface SourceEntry {
  readonly key: Place
  readonly node: SourceNode
}

/** A value and the source positions of its parts. */
export interface LocatedValue {
  readonly value: unknown
  /**
   * Returns the position of the deepest existing part of the path: of a scalar, or of the key of a map or list. `key` returns the position
   * of the key, for example of an unknown option.
   */
  whereOf(path: readonly PropertyKey[], part?: 'key' | 'value'): Where
  /** Returns the text in the file of a number or another value that is no text: `1.10` of 1.1. */
  writtenAt?(path: readonly PropertyKey[]): string | undefined
}

/** Returns the value without positions. The parser has rejected keys that JavaScript treats specially. */
export const plainValue = (node: SourceNode): unknown => {
  if (node.is === 'scalar') return node.value
  if (node.is === 'list') return Object.freeze(node.items.map(plainValue))
  return Object.freeze(Object.fromEntries([...node.entries].map(([key, entry]) => [key, plainValue(entry.node)])))
}

/** Returns an entry of a map, or undefined. */
export const entryOf = (node: SourceNode | undefined, key: string): SourceEntry | undefined =>
  node?.is === 'map' ? node.entries.get(key) : undefined

/** Returns the entries of a map; none for another node. */
export const entriesOf = (node: SourceNode | undefined): readonly (readonly [string, SourceEntry])[] =>
  node?.is === 'map' ? [...node.entries] : []

/** Returns a map without the given keys. */
export const omitKeys = (node: SourceMap, keys: ReadonlySet<PropertyKey>): SourceMap => ({
  ...node,
  entries: new Map([...node.entries].filter(([key]) => !keys.has(key))),
})

/** Marks every part of a node with the level that set it: `all`, `group web`, `host web-01`. */
export const withOrigin = (node: SourceNode, origin: string): SourceNode => {
  if (node.is === 'scalar') return { ...node, origin }
  if (node.is === 'list') return { ...node, origin, items: node.items.map((item) => withOrigin(item, origin)) }
  const entries = [...node.entries].map(([key, entry]) => [key, { key: entry.key, node: withOrigin(entry.node, origin) }] as const)
  return { ...node, origin, entries: new Map(entries) }
}

/** Returns the position of a character. Unknown for folded and quoted text of several lines, where it is that of the text. */
export const placeInText = ({ place, inset, block }: Omit<SourceScalar, 'value'>, text: string, index: number): Place => {
  const above = text.slice(0, index).split('\n')
  const [line, column] = [above.length - 1, above.at(-1)?.length ?? 0]
  if (block !== undefined) return { ...block, line: (block.line ?? 0) + line, column: (block.column ?? 1) + column }
  return inset === undefined || line > 0 ? place : { ...place, column: (place.column ?? 1) + inset + column }
}

/** Returns an empty map. */
export const emptyNode = (place: Place): SourceMap => ({ is: 'map', entries: new Map(), place })

/** Returns a node for a value that is not from a file, with one position for all of its parts. */
export const fromPlain = (value: unknown, place: Place): SourceNode => {
  if (Array.isArray(value)) return { is: 'list', place, items: value.map((item) => fromPlain(item, place)) }
  if (typeof value === 'object' && value !== null && !isSecret(value)) {
    const entries = Object.entries(value).map(([key, inner]) => [key, { key: place, node: fromPlain(inner, place) }] as const)
    return { is: 'map', place, entries: new Map(entries) }
  }
  return { is: 'scalar', place, value: value as SourceScalar['value'] }
}

/** Returns the value of a node with the positions of its parts. */
export const locatedValue = (node: SourceNode): LocatedValue => {
  const value = plainValue(node)
  return {
    value,
    whereOf: (path, part = 'value') => {
      const found = deepestEntry(node, path)
      return part === 'key' ? found.key : found.node.place
    },
    writtenAt: (path) => {
      const { node: found } = deepestEntry(node, path)
      return found.is === 'scalar' ? found.written : undefined
    },
  }
}

/** Returns the deepest existing entry on a path. */
const deepestEntry = (root: SourceNode, path: readonly PropertyKey[]): SourceEntry => {
  let found: SourceEntry = { key: root.place, node: root }
  for (const step of path) {
    const item = found.node.is === 'list' && typeof step === 'number' ? found.node.items[step] : undefined
    const next = item === undefined ? entryOf(found.node, String(step)) : { key: item.place, node: item }
    if (next === undefined) return { key: found.key, node: { ...found.node, place: found.key } }
    found = next
  }
  return found
}
