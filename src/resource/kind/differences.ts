import type { Difference } from './kind.ts'

/** Returns the settings of the spec that differ in the state. A setting that is undefined in the spec never differs. */
export const differing = <Spec extends object>(spec: Spec, state: { readonly [key in keyof Spec]?: unknown }): readonly Difference[] =>
  (Object.keys(spec) as (keyof Spec & string)[])
    .filter((key) => spec[key] !== undefined && spec[key] !== state[key])
    .map((key) => ({ key, ...(state[key] === undefined ? {} : { from: String(state[key]) }), to: String(spec[key]) }))

/**
 * Returns the differences as a reason: `mode differs`, `keys differ`, `mode and owner differ`.
 * @param plurals - more names that are plurals
 */
export const describeDifferences = (differences: readonly Difference[], plurals: readonly string[] = []): string => {
  const names = differences.map(({ key }) => key)
  const verb = names.length === 1 && !isPlural(names[0] ?? '', plurals) ? 'differs' : 'differ'
  return `${names.join(', ').replace(/, ([^,]*)$/, ' and $1')} ${verb}`
}

/** Names that are plurals, of the shipped kinds and of most others. */
const PLURALS =
  'addresses entries files grants groups keys limits members names options packages ports rules settings tables usages users values'

/** Whether a name is a plural, also with a place behind it: `keys in .ssh/authorized_keys2`. */
const isPlural = (name: string, plurals: readonly string[]): boolean => {
  const [noun = ''] = name.split(/ (?:in|of|at|for|on) /, 1)
  return [...PLURALS.split(' '), ...plurals].includes(noun)
}

/** Returns a number with its noun: `1 table`, `2 tables`. */
export const counted = (n: number, noun: string): string => `${n} ${noun}${n === 1 ? '' : 's'}`
