import { safeParse, type z } from 'zod'

type Schema = z.core.$ZodType

/** Description and example of an option, from the role's schema. */
export interface Hint {
  readonly description: string | undefined
  readonly example: unknown
}

/** Returns the keys of a schema at a path, for suggestions. */
export const keysAt = (schema: Schema | undefined, path: readonly PropertyKey[]): readonly string[] => [
  ...new Set(schemasAt(schema, path).flatMap((inner) => Object.keys(shapeOf(inner) ?? {}))),
]

/** Returns the description and the first example of the option at a path, from the schema's `meta`. */
export const hintAt = (schema: Schema | undefined, path: readonly PropertyKey[], registry: typeof z.globalRegistry): Hint => {
  const metas = schemasAt(schema, path).map((inner) => registry.get(inner))
  const examples = metas.find((meta) => Array.isArray(meta?.examples))?.examples
  return {
    description: metas.find((meta) => meta?.description !== undefined)?.description,
    example: Array.isArray(examples) ? examples[0] : undefined,
  }
}

/** Returns the entry of the option at a path in a registry of schemas. */
export const registeredAt = <T>(
  schema: Schema | undefined,
  path: readonly PropertyKey[],
  registry: { get(schema: Schema): T | undefined },
): T | undefined => schemasAt(schema, path).flatMap((inner) => registry.get(inner) ?? [])[0]

/** Whether the option at a path accepts a value. */
export const accepts = (schema: Schema | undefined, path: readonly PropertyKey[], value: unknown): boolean =>
  schemasAt(schema, path).some((inner) => safeParse(inner, value).success)

/** Returns all schemas for a value at a path, including wrapper schemas. */
const schemasAt = (schema: Schema | undefined, path: readonly PropertyKey[]): readonly Schema[] => {
  if (schema === undefined) return []
  const alternatives = unwrapped(schema)
  const [step, ...rest] = path
  if (step === undefined) return alternatives
  return alternatives.flatMap((inner) => {
    const next = stepInto(inner, step)
    return next === undefined ? [] : schemasAt(next, rest)
  })
}

type Def = z.core.$ZodTypes['_zod']['def']

const defOf = (schema: Schema): Def => schema._zod.def as Def

const unwrapped = (schema: Schema): readonly Schema[] => {
  const def = defOf(schema)
  switch (def.type) {
    case 'optional':
    case 'nullable':
    case 'default':
    case 'prefault':
    case 'nonoptional':
    case 'readonly':
    case 'catch':
      return [schema, ...unwrapped(def.innerType)]
    case 'pipe':
      return [schema, ...unwrapped(defOf(def.in).type === 'transform' ? def.out : def.in)]
    case 'lazy':
      return [schema, ...unwrapped(def.getter())]
    case 'union':
      return [schema, ...def.options.flatMap(unwrapped)]
    case 'intersection':
      return [schema, ...unwrapped(def.left), ...unwrapped(def.right)]
    default:
      return [schema]
  }
}

const stepInto = (schema: Schema, step: PropertyKey): Schema | undefined => {
  const def = defOf(schema)
  if (def.type === 'array') return def.element
  if (def.type === 'record') return def.valueType
  if (def.type === 'tuple') return def.items[Number(step)] ?? def.rest ?? undefined
  const shape = shapeOf(schema)
  return shape !== undefined && Object.hasOwn(shape, step) ? shape[String(step)] : undefined
}

const shapeOf = (schema: Schema): Readonly<Record<string, Schema>> | undefined => {
  const def = defOf(schema)
  return def.type === 'object' ? def.shape : undefined
}
