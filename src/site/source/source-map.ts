import type { Where } from '../../problem.ts'
import type { Secret } from '../../secret/secret.ts'
import { isSecret } from '../../secret/secret.ts'
import type { Place } from './complaint.ts'

/**
 * What a YAML file says, with the place of every part. A scalar's place is its value; that of a map or a list is the key
 * it stands under, because that is the line one looks for.
 */
export type Written = WrittenScalar | WrittenMap | WrittenList

export interface WrittenScalar {
  readonly is: 'scalar'
  readonly value: string | number | boolean | null | Secret
  readonly place: Place
  /** Columns between the place and the first character of the text: 1 within quotes; undefined where columns do not follow the text. */
  readonly inset?: number
  readonly origin?: string
}

export interface WrittenList {
  readonly is: 'list'
  readonly items: readonly Written[]
  readonly place: Place
  readonly origin?: string
}

export interface WrittenMap {
  readonly is: 'map'
  readonly entries: ReadonlyMap<string, WrittenEntry>
  readonly place: Place
  readonly origin?: string
}

export interface WrittenEntry {
  readonly key: Place
  readonly node: Written
}

/** A value as it was written, and the place of any part of it. */
export interface WrittenOptions {
  readonly value: unknown
  /**
   * The place of the deepest part of the path that was written: a scalar's own, the key of a map or a list. With `key`
   * always the key, which is what an unknown option is wrong about.
   */
  whereOf(path: readonly PropertyKey[], part?: 'key' | 'value'): Where
}

/** The value without its places. Keys that JavaScript treats specially were refused when the file was parsed. */
export const plainOf = (node: Written): unknown => {
  if (node.is === 'scalar') return node.value
  if (node.is === 'list') return Object.freeze(node.items.map(plainOf))
  return Object.freeze(Object.fromEntries([...node.entries].map(([key, entry]) => [key, plainOf(entry.node)])))
}

/** One entry of a map, or undefined. */
export const entryOf = (node: Written | undefined, key: string): WrittenEntry | undefined =>
  node?.is === 'map' ? node.entries.get(key) : undefined

/** The entries of a map; none for anything else. */
export const entriesOf = (node: Written | undefined): readonly (readonly [string, WrittenEntry])[] =>
  node?.is === 'map' ? [...node.entries] : []

/** A map without some of its keys. */
export const without = (node: WrittenMap, keys: ReadonlySet<PropertyKey>): WrittenMap => ({
  ...node,
  entries: new Map([...node.entries].filter(([key]) => !keys.has(key))),
})

/** The same, every part of it bearing the level it was written at: `all`, `group web`, `host web-01`. */
export const stamped = (node: Written, origin: string): Written => {
  if (node.is === 'scalar') return { ...node, origin }
  if (node.is === 'list') return { ...node, origin, items: node.items.map((item) => stamped(item, origin)) }
  const entries = [...node.entries].map(([key, entry]) => [key, { key: entry.key, node: stamped(entry.node, origin) }] as const)
  return { ...node, origin, entries: new Map(entries) }
}

/** Values from outside any file (a test, another caller), all of them at one place. */
export const fromPlain = (value: unknown, place: Place): Written => {
  if (Array.isArray(value)) return { is: 'list', place, items: value.map((item) => fromPlain(item, place)) }
  if (typeof value === 'object' && value !== null && !isSecret(value)) {
    const entries = Object.entries(value).map(([key, inner]) => [key, { key: place, node: fromPlain(inner, place) }] as const)
    return { is: 'map', place, entries: new Map(entries) }
  }
  return { is: 'scalar', place, value: value as WrittenScalar['value'] }
}

/** A tree as roles and checks see it: its value, and the place of any part of it. */
export const writtenOptions = (node: Written): WrittenOptions => {
  const value = plainOf(node)
  return {
    value,
    whereOf: (path, part = 'value') => {
      const found = follow(node, path)
      return part === 'key' ? found.key : found.node.place
    },
  }
}

/** The deepest part of a path that was written. */
const follow = (root: Written, path: readonly PropertyKey[]): WrittenEntry => {
  let found: WrittenEntry = { key: root.place, node: root }
  for (const step of path) {
    const item = found.node.is === 'list' && typeof step === 'number' ? found.node.items[step] : undefined
    const next = item === undefined ? entryOf(found.node, String(step)) : { key: item.place, node: item }
    if (next === undefined) return { key: found.key, node: { ...found.node, place: found.key } }
    found = next
  }
  return found
}
