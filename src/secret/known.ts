import { formsOf } from './forms.ts'
import { MASK } from './mask.ts'
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
  // In bytes that are scanned as Latin-1 (`bytesRedactor`).
  const bytes = Buffer.from(value).toString('latin1')
  if (bytes !== value) unprocessed.push(bytes)
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

/** Masks secrets in bytes that arrive in chunks. All other bytes stay as they are, in any encoding. */
export const bytesRedactor = (): { push(chunk: Uint8Array): Buffer; end(): Buffer } => {
  const inner = redactor()
  const bytesOf = (text: string): Buffer =>
    Buffer.concat(text.split(MASK).flatMap((part, i) => [...(i === 0 ? [] : [Buffer.from(MASK)]), Buffer.from(part, 'latin1')]))
  return {
    push: (chunk) => bytesOf(inner.push(Buffer.from(chunk).toString('latin1'))),
    end: () => bytesOf(inner.end()),
  }
}

/** Masks the given secrets in a host's output, also short ones. Single lines of a secret are masked too, because programs often quote one line. */
export const masked = (text: string, secrets: readonly { reveal(): string }[]): string =>
  redacted(new Forms(secrets.flatMap((secret) => formsOf(secret.reveal()))).mask(text))
