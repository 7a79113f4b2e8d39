import { isDeepStrictEqual } from 'node:util'
import { isSecret } from '../secret.ts'

/** Every path at which something (a word, a number, a list) stands in a value; secrets are not looked into. */
export const pathsTo = (sought: unknown, value: unknown): readonly (readonly PropertyKey[])[] => {
  if (isDeepStrictEqual(value, sought)) return [[]]
  if (typeof value !== 'object' || value === null || isSecret(value)) return []
  return Object.entries(value).flatMap(([key, inner]) =>
    pathsTo(sought, inner).map((rest) => [Array.isArray(value) ? Number(key) : key, ...rest]),
  )
}
