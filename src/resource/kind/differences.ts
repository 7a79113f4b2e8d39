import type { Difference } from './kind.ts'

/** The settings that are wanted and seen otherwise. What is not wanted in particular (undefined) may be as it is. */
export const differing = <Want extends object>(want: Want, seen: { readonly [key in keyof Want]?: unknown }): readonly Difference[] =>
  (Object.keys(want) as (keyof Want & string)[])
    .filter((key) => want[key] !== undefined && want[key] !== seen[key])
    .map((key) => ({ key, ...(seen[key] === undefined ? {} : { from: String(seen[key]) }), to: String(want[key]) }))

/** `mode and owner differ` */
export const inWords = (differences: readonly Difference[]): string =>
  `${differences
    .map(({ key }) => key)
    .join(', ')
    .replace(/, ([^,]*)$/, ' and $1')} ${differences.length === 1 ? 'differs' : 'differ'}`
