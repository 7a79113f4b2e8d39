import type { Difference } from './kind.ts'

/** Returns the settings of the spec that differ in the state. A setting that is undefined in the spec never differs. */
export const differing = <Spec extends object>(spec: Spec, state: { readonly [key in keyof Spec]?: unknown }): readonly Difference[] =>
  (Object.keys(spec) as (keyof Spec & string)[])
    .filter((key) => spec[key] !== undefined && spec[key] !== state[key])
    .map((key) => ({ key, ...(state[key] === undefined ? {} : { from: String(state[key]) }), to: String(spec[key]) }))

/** Returns the differences as a reason: `mode differs`, `keys differ`, `mode and owner differ`. */
export const describeDifferences = (differences: readonly Difference[]): string =>
  `${differences
    .map(({ key }) => key)
    .join(', ')
    .replace(/, ([^,]*)$/, ' and $1')} ${differences.length === 1 && !isPlural(differences[0]?.key ?? '') ? 'differs' : 'differ'}`

/** Whether a name is a plural, such as `keys in .ssh/authorized_keys2`. Words like `address`, `status`, `alias` and `tls` are none. */
const isPlural = (name: string): boolean => {
  const noun = name.split(/ (?:in|of|at|for|on) /, 1)[0] ?? ''
  return /[aeiouy]\S*[^aius]s$/i.test(noun)
}

/** Returns a number with its noun: `1 table`, `2 tables`. */
export const counted = (n: number, noun: string): string => `${n} ${noun}${n === 1 ? '' : 's'}`
