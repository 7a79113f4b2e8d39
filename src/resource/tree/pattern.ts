/** Whether a path, or a directory above it, matches one of the patterns: `*` matches within a name, `**` across directories. */
export const matches = (patterns: readonly string[], path: string): boolean =>
  patterns.some((pattern) => new RegExp(`^(?:${expressionOf(pattern)})(?:/|$)`, 'su').test(path))

const expressionOf = (pattern: string): string =>
  pattern
    .split(/(\*\*\/|\*\*|\*)/)
    .map((part) => WILDCARDS.get(part) ?? part.replace(/[^\p{L}\p{N}_/]/gu, (sign) => `\\u{${(sign.codePointAt(0) ?? 0).toString(16)}}`))
    .join('')

const WILDCARDS: ReadonlyMap<string, string> = new Map([
  ['**/', '(?:.*/)?'],
  ['**', '.*'],
  ['*', '[^/]*'],
])

/** `a` and `a/b` for `a/b/c.html`. */
export const directoriesAbove = (path: string): readonly string[] =>
  path
    .split('/')
    .slice(0, -1)
    .map((_, i, parts) => parts.slice(0, i + 1).join('/'))
