import { HostRefusal } from './step.ts'

/** Returns a whole number in the output of a host. Throws a `HostRefusal` for anything else; `what` names the value. */
export const wholeNumber = (output: string, what: string): number => {
  const word = output.trim()
  if (/^-?\d+$/.test(word)) return Number(word)
  throw new HostRefusal(`${what} cannot be read`, `the host answered ${JSON.stringify(word.slice(0, 80))}, which is not a whole number`)
}
