import { formsOf } from './forms.ts'
import { Forms, Redactor } from './redactor.ts'

// All secrets of this process, in one place: a secret must be masked wherever it is printed.
const values = new Set<string>()
const forms = new Forms()
let unprocessed: string[] = []

/** Minimum length of a value that is masked in other text. Shorter values such as `yes` or `8443` occur by chance. */
const MIN_LENGTH = 6

/** Whether a value is too short to be masked in other text. */
export const isTooShort = (value: string): boolean => value.trim().length < MIN_LENGTH || /^\s*\d{1,9}\s*$/.test(value)

/** Registers a value to be masked in all output from now on. */
export const registerSecret = (value: string): void => {
  if (isTooShort(value) || values.has(value)) return
  values.add(value)
  unprocessed.push(value)
}

const knownForms = (): Forms => {
  forms.add(unprocessed.flatMap(formsOf))
  unprocessed = []
  return forms
}

/** Masks all known secrets in a text, in every known form. */
export const redacted = (text: string): string => knownForms().mask(text)

/** Returns a redactor for a text that arrives in chunks. */
export const redactor = (): Redactor => new Redactor(knownForms)

/** Masks the given secrets in a host's output, also short ones. Single lines of a secret are masked too, because programs often quote one line. */
export const masked = (text: string, secrets: readonly { reveal(): string }[]): string =>
  redacted(new Forms(secrets.flatMap((secret) => formsOf(secret.reveal()))).mask(text))
