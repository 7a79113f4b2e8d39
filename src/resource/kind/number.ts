import { HostRefusal } from './step.ts'

/** A whole number that a host said. Throws `Refused` at anything else, for nothing may be decided by it. */
export const wholeNumber = (said: string, what: string): number => {
  const word = said.trim()
  if (/^-?\d+$/.test(word)) return Number(word)
  throw new HostRefusal(`${what} cannot be told`, `the host said ${JSON.stringify(word.slice(0, 80))}, which is no number`)
}
