import { plainOf, type Written, type WrittenEntry, type WrittenMap } from '../source/source-map.ts'
import type { Value, ValuePart } from './host.ts'

/** Lays one level over another: maps are united key by key, lists and scalars replace what was there. */
export const mergeMaps = (under: WrittenMap, over: WrittenMap): WrittenMap => {
  const entries = new Map(under.entries)
  for (const [key, entry] of over.entries) {
    const below = entries.get(key)
    entries.set(key, below === undefined ? entry : mergeEntries(below, entry))
  }
  return { ...over, entries }
}

const mergeEntries = (under: WrittenEntry, over: WrittenEntry): WrittenEntry =>
  under.node.is === 'map' && over.node.is === 'map' ? { key: over.key, node: mergeMaps(under.node, over.node) } : over

/** All levels over one another, the first lowest. */
export const mergeAll = (levels: readonly WrittenMap[], empty: WrittenMap): WrittenMap => levels.reduce(mergeMaps, empty)

/** A merged variable as the site shows it, with the origin of each of its parts. */
export const variableOf = ({ node }: WrittenEntry): Value => ({
  value: plainOf(node),
  where: node.place,
  origin: node.origin ?? 'all',
  ...(node.is === 'map' ? { parts: partsOf(node, []) } : {}),
})

const partsOf = (node: Written, path: readonly string[]): readonly ValuePart[] =>
  node.is === 'map'
    ? [...node.entries].flatMap(([key, entry]) => partsOf(entry.node, [...path, key]))
    : [{ path, value: plainOf(node), where: node.place, origin: node.origin ?? 'all' }]
