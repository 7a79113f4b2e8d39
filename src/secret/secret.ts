import { inspect } from 'node:util'
import { registerSecret } from './known.ts'
import { MASK } from './mask.ts'

export { bytesRedactor, isTooShort, masked, redacted, redactor } from './known.ts'
export { MASK }

/**
 * A value that must not appear in logs, diffs, events or errors. It prints as `•••`, in JSON too. In an ordinary text it throws, because
 * the text could become the content of a file. `reveal()` returns the value, to pass it on standard input, never as an argument.
 */
export class Secret {
  readonly #value: string

  /** `isContainer` marks a file that contains secrets. The text as a whole is not masked in output. */
  constructor(value: string, isContainer = false) {
    this.#value = value
    if (!isContainer) registerSecret(value)
  }

  reveal(): string {
    return this.#value
  }

  toString(): string {
    throw new TypeError('a secret was inserted into an ordinary text: insert it with text`…`, or pass it on standard input')
  }

  toJSON(): string {
    return MASK
  }

  [inspect.custom](): string {
    return MASK
  }
}

export const isSecret = (value: unknown): value is Secret => value instanceof Secret

/** Returns all secrets in a value, including nested lists and objects. */
export const secretsIn = (value: unknown): readonly Secret[] => {
  const found = new Set<Secret>()
  const visited = new Set<unknown>()
  const search = (node: unknown): void => {
    if (isSecret(node)) found.add(node)
    if (typeof node !== 'object' || node === null || ArrayBuffer.isView(node) || visited.has(node)) return
    visited.add(node)
    for (const inner of Object.values(node)) search(inner)
  }
  search(value)
  return [...found]
}
