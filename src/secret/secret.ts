import { inspect } from 'node:util'
import { know } from './known.ts'
import { MASK } from './mask.ts'

export { isTooShort, masked, redacted, redactor } from './known.ts'
export { MASK }

/**
 * A value that no log, diff, event or error may show. It prints as `•••` whichever way it is printed;
 * `reveal()` is for the one place that hands it on, on standard input, never in an argument.
 */
export class Secret {
  readonly #value: string

  /** `within` says that the value holds the secrets rather than being one: a file of them, whose other words are not to be masked. */
  constructor(value: string, within = false) {
    this.#value = value
    if (!within) know(value)
  }

  reveal(): string {
    return this.#value
  }

  toString(): string {
    return MASK
  }

  toJSON(): string {
    return MASK
  }

  [inspect.custom](): string {
    return MASK
  }
}

export const isSecret = (value: unknown): value is Secret => value instanceof Secret

/** All secrets within a value: in lists and in the fields of objects, however deep. */
export const secretsIn = (value: unknown): readonly Secret[] => {
  const found = new Set<Secret>()
  const seen = new Set<unknown>()
  const search = (one: unknown): void => {
    if (isSecret(one)) found.add(one)
    if (typeof one !== 'object' || one === null || ArrayBuffer.isView(one) || seen.has(one)) return
    seen.add(one)
    for (const inner of Object.values(one)) search(inner)
  }
  search(value)
  return [...found]
}
