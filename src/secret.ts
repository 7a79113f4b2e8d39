import { inspect } from 'node:util'

/** What stands in every output where a secret would be. */
export const MASK = '•••'

/**
 * A value that no log, diff, event or error may show. It prints as `•••` whichever way it is printed;
 * `reveal()` is for the one place that hands it on, on standard input, never in an argument.
 */
export class Secret {
  readonly #value: string

  constructor(value: string) {
    this.#value = value
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
