import { plainValue, type SourceEntry, type SourceMap, type SourceNode } from '../source/source-map.ts'
import type { Value, ValuePart } from './host.ts'

/** Merges two levels: maps key by key, while lists and scalars of `over` replace those of `under`. */
export const mergeMaps = (under: SourceMap, over: SourceMap): SourceMap => {
  const entries = new Map(under.entries)
  for (const [key, entry] of over.entries) {
    const existing = entries.get(key)
    entries.set(key, existing === undefined ? entry : mergeEntries(existing, entry))
  }
  return { ...over, entries }
}

const mergeEntries = (under: SourceEntry, over: SourceEntry): SourceEntry =>
  under.node.is === 'map' && over.node.is === 'map' ? { key: over.key, node: mergeMaps(under.node, over.node) } : over

/** Merges all levels, lowest precedence first. */
export const mergeAll = (levels: readonly SourceMap[], empty: SourceMap): SourceMap => levels.reduce(mergeMaps, empty)

/** Returns a merged variable with the origin of each of its parts. */
export const variableOf = ({ node }: SourceEntry): Value => ({
  value: plainValue(node),
  node,
  where: node.place,
  origin: node.origin ?? 'all',
  ...(node.is === 'map' ? { parts: partsOf(node, []) } : {}),
})

const partsOf = (node: SourceNode, path: readonly string[]): readonly ValuePart[] =>
  node.is === 'map'
    ? [...node.entries].flatMap(([key, entry]) => partsOf(entry.node, [...path, key]))
    : [{ path, value: plainValue(node), where: node.place, origin: node.origin ?? 'all' }]
