import { keyOf } from '../resource/kind/kind.ts'
import type { DeclaredResource } from './plan/declared.ts'

type Index = ReadonlyMap<string, unknown>
const indexes = new WeakMap<readonly unknown[], Index>()

/** Returns the first entry with this key. The index of a list is built once: a host has thousands of resources. */
const entryIn = <T>(list: readonly T[], key: string, keyIn: (one: T) => string): T | undefined => {
  const known = indexes.get(list)
  const index = known ?? new Map(list.toReversed().map((one) => [keyIn(one), one]))
  if (known === undefined) indexes.set(list, index)
  return index.get(key) as T | undefined
}

/** Returns the declared resource, or the pending change, with this key (`kind:identity`). The list must not change afterwards. */
export const withKey = <T extends Pick<DeclaredResource, 'resource'>>(list: readonly T[], key: string): T | undefined =>
  entryIn(list, key, ({ resource }) => keyOf(resource))

/** Returns the shown change of the resource with this key. The list must not change afterwards. */
export const changeWithKey = <T extends { readonly resource: string }>(list: readonly T[], key: string): T | undefined =>
  entryIn(list, key, ({ resource }) => resource)
