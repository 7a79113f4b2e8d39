import type { Difference } from './kind.ts'

/** Returns the settings of the spec that the state has otherwise. A setting that is undefined in the spec never differs. */
export const differing = <Want extends object>(want: Want, seen: { readonly [key in keyof Want]?: unknown }): readonly Difference[] =>
  (Object.keys(want) as (keyof Want & string)[])
    .filter((key) => want[key] !== undefined && want[key] !== seen[key])
    .map((key) => ({ key, ...(seen[key] === undefined ? {} : { from: String(seen[key]) }), to: String(want[key]) }))

/** Returns the differences as a reason: `mode and owner differ`. */
export const inWords = (differences: readonly Difference[]): string =>
  `${differences
    .map(({ key }) => key)
    .join(', ')
    .replace(/, ([^,]*)$/, ' and $1')} ${differences.length === 1 ? 'differs' : 'differ'}`
