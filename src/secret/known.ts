import type { Secret } from '../secret.ts'
import { formsOf } from './forms.ts'
import { Forms, Redactor } from './redactor.ts'

// All secrets that this process has come to know. It is one process and one redactor: a value is secret wherever it is printed.
const values = new Set<string>()
let ready: Forms | undefined = new Forms([])

/** Shorter values stand in every text by chance: `yes`, `8443`. A secret that is one of them is shown as such only where we print it. */
const LEAST = 6

/** From here on this value is masked in all that is printed. */
export const know = (value: string): void => {
  if (value.trim().length < LEAST || /^\s*\d{1,9}\s*$/.test(value) || values.has(value)) return
  values.add(value)
  ready = undefined
}

const knownForms = (): Forms => {
  ready ??= new Forms([...values].flatMap(formsOf))
  return ready
}

/** A text without any secret that this process knows, in whatever form. */
export const redacted = (text: string): string => knownForms().mask(text)

/** The same for a text that comes in pieces. */
export const redactor = (): Redactor => new Redactor(knownForms)

/** A host's words without these secrets, however short. A program often repeats one line of what it was given, so lines are masked as well. */
export const masked = (text: string, secrets: readonly Secret[]): string =>
  redacted(new Forms(secrets.flatMap((secret) => formsOf(secret.reveal()))).mask(text))
