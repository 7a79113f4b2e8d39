import type { AnyKind } from '../../../src/resource/kind/kind.ts'

/** The options that the schema of a kind refuses: their paths, as errors of an inventory or a playbook point at them. */
export const faultsOf = ({ kind }: { readonly kind: Pick<AnyKind, 'schema'> }, options: object): readonly string[] =>
  kind.schema.safeParse(options).error?.issues.map(({ path }) => path.join('.')) ?? []
