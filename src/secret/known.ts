import { formsOf } from './forms.ts'
import { Forms, Redactor } from './redactor.ts'

// All secrets that this process has come to know. It is one process and one redactor: a value is secret wherever it is printed.
const values = new Set<string>()
const forms = new Forms()
let fresh: string[] = []

/** Shorter values stand in every text by chance: `yes`, `8443`. A secret that is one of them is shown as such only where we print it. */
const LEAST = 6

/** Whether a value would be found in other texts by chance, so that it is not looked for there. */
export const isTooShort = (value: string): boolean => value.trim().length < LEAST || /^\s*\d{1,9}\s*$/.test(value)

/** From here on this value is masked in all that is printed. */
export const know = (value: string): void => {
  if (isTooShort(value) || values.has(value)) return
  values.add(value)
  fresh.push(value)
}

const knownForms = (): Forms => {
  forms.add(fresh.flatMap(formsOf))
  fresh = []
  return forms
}

/** A text without any secret that this process knows, in whatever form. */
export const redacted = (text: string): string => knownForms().mask(text)

/** The same for a text that comes in pieces. */
export const redactor = (): Redactor => new Redactor(knownForms)

/** A host's words without these secrets, however short. A program often repeats one line of what it was given, so lines are masked as well. */
export const masked = (text: string, secrets: readonly { reveal(): string }[]): string =>
  redacted(new Forms(secrets.flatMap((secret) => formsOf(secret.reveal()))).mask(text))
