import { type AnyKind, isKindFunction } from '../resource/kind/kind.ts'

/** The kinds of provision by name, as YAML uses them: those that role authors can import. */
export const shippedKinds = async (): Promise<ReadonlyMap<string, AnyKind>> => {
  const names: object = await import('../index.ts')
  return new Map(Object.values(names).flatMap((one: unknown) => (isKindFunction(one) ? [[one.kind.name, one.kind] as const] : [])))
}
