import type { z } from 'zod'
import type { Resource } from './kind/kind.ts'
import { checkedSpec } from './kind/unusable.ts'
import type { AnyPublishes } from './published/published.ts'

/** Several resources that are declared together, by one name and one set of options. */
export interface Composite<Input, Spec> {
  /** Name in YAML: `timer`. */
  readonly name: string
  /** One line for lists of kinds. */
  readonly summary?: string
  readonly schema: z.ZodType<Spec, Input>
  /** Returns the resources in the order in which they are applied. */
  resources(spec: Spec): readonly Resource[]
  /** How its options tell the firewall what it publishes. */
  readonly publishes?: AnyPublishes
}

/** Any composite: the type that YAML works with. */
// biome-ignore lint/suspicious/noExplicitAny: a composite's own types meet only within it
export type AnyComposite = Composite<any, any>

/**
 * Returns the function that roles call: `timer({ name: 'report', … })`. It checks the options by the schema, throws zod's error, and returns the
 * resources. Plans, records and `restarts` have the names of the resources; the name of the composite exists in YAML only.
 */
export const defineComposite = <Input, Spec>(
  composite: Composite<Input, Spec>,
): ((options: Input) => readonly Resource[]) & { readonly composite: Composite<Input, Spec> } =>
  Object.assign((options: Input): readonly Resource[] => composite.resources(checkedSpec(composite.name, composite.schema, options)), {
    composite,
  })

/** Whether a value is what `defineComposite` returns. */
export const isCompositeFunction = (value: unknown): value is { readonly composite: AnyComposite } =>
  typeof value === 'function' && 'composite' in value
