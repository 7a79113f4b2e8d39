import { z } from 'zod'
import { MASK } from '../../secret/secret.ts'

/** Text that a template makes of a value that it cannot print. */
const ACCIDENTS: readonly (readonly [pattern: RegExp, why: string])[] = [
  [/(?<![\w-])undefined(?![\w-])/, 'a value was undefined in a template; write the word with text`…` if it is meant'],
  [/\[object [A-Z]\w*\]/, 'an object was inserted into a template as if it were text'],
  [new RegExp(MASK), 'a secret was masked, as in JSON; insert it with text`…`'],
]

/** Returns why a text cannot be meant as it is: it has `undefined`, `[object Object]` or a masked secret. */
export const accidentIn = (text: string): string | undefined => {
  const accident = ACCIDENTS.find(([pattern]) => pattern.test(text))
  if (accident === undefined) return undefined
  const [pattern, why] = accident
  const at = text.search(pattern)
  const found = pattern.exec(text)?.[0] ?? ''
  const before =
    text
      .slice(Math.max(0, at - 40), at)
      .split('\n')
      .at(-1) ?? ''
  return `${JSON.stringify(before + found)}: ${why}`
}

/** Throws a TypeError for such a text in the options of a resource. Texts with separate parts are checked where they are made. */
export const refuseAccidents = (kind: string, options: unknown): void => {
  const search = (value: unknown, path: string): void => {
    if (typeof value === 'string') {
      const why = accidentIn(value)
      if (why !== undefined) throw new TypeError(`${kind}${path} has ${why}`)
    } else if (Array.isArray(value)) for (const [i, one] of value.entries()) search(one, `${path}[${i}]`)
    else if (isPlain(value)) for (const [key, one] of Object.entries(value)) search(one, `${path}.${key}`)
  }
  search(options, '')
}

const isPlain = (value: unknown): value is object =>
  typeof value === 'object' &&
  value !== null &&
  Object.getPrototypeOf(value) === Object.prototype &&
  !('parts' in value) &&
  !('kind' in value)

/** A declaration whose options its schema refused. */
interface InvalidDeclaration {
  /** The name of its kind or composite. */
  readonly name: string
  readonly schema: z.ZodType
  readonly options: unknown
}

const invalid = new WeakMap<z.ZodError, InvalidDeclaration>()

/** Returns the declaration that an error of `checkedSpec` is about. */
export const declarationOf = (error: z.ZodError): InvalidDeclaration | undefined => invalid.get(error)

/** Returns the spec of the options of a kind or a composite. Throws zod's error, which `declarationOf` knows. */
export const checkedSpec = <Input, Spec>(name: string, schema: z.ZodType<Spec, Input>, options: Input): Spec => {
  refuseAccidents(name, options)
  try {
    // The error of `safeParse` has no stack, which the place in the role comes from.
    return schema.parse(options)
  } catch (error) {
    if (error instanceof z.ZodError) invalid.set(error, { name, schema, options })
    throw error
  }
}
