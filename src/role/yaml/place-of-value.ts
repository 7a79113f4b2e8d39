import type { Where } from '../../problem.ts'
import type { SourceNode } from '../../site/source/source-map.ts'

/** Returns a function for the place of a value in a text of YAML; undefined if the value is not there exactly once. */
export const placeOfValue =
  (node: SourceNode) =>
  (sought: unknown): Where | undefined => {
    const [found, another] = placesIn(node, sought)
    return another === undefined ? found : undefined
  }

const placesIn = (node: SourceNode, sought: unknown): readonly Where[] => {
  if (node.is === 'scalar') return node.value === sought ? [node.place] : []
  const inner = node.is === 'list' ? node.items : [...node.entries.values()].map((entry) => entry.node)
  return inner.flatMap((one) => placesIn(one, sought))
}
