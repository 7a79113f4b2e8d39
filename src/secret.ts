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

/** A host's words without these secrets. A program often repeats one line of what it was given, so lines are masked as well. */
export const masked = (text: string, secrets: readonly Secret[]): string =>
  secrets
    .flatMap((secret) => [
      secret.reveal().trim(),
      ...secret
        .reveal()
        .split('\n')
        .filter((line) => line.trim().length > 5),
    ])
    .filter((word) => word !== '')
    .sort((a, b) => b.length - a.length)
    .reduce((shown, word) => shown.replaceAll(word, MASK), text)
