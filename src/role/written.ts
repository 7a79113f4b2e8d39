import { isDeepStrictEqual } from 'node:util'
import { isSecret, type Secret } from '../secret/secret.ts'

/** All secrets inside a value, with their paths. */
export const secretsAt = (value: unknown): readonly (readonly [path: readonly PropertyKey[], secret: Secret])[] => {
  if (isSecret(value)) return [[[], value]]
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, inner]) =>
    secretsAt(inner).map(([rest, secret]) => [[Array.isArray(value) ? Number(key) : key, ...rest], secret] as const),
  )
}

/** The value at a path inside a value, or undefined. */
export const valueAt = (value: unknown, path: readonly PropertyKey[]): unknown =>
  path.reduce<unknown>(
    (inner, key) => (typeof inner === 'object' && inner !== null ? (inner as Record<PropertyKey, unknown>)[key] : undefined),
    value,
  )

/** Every path at which `sought` occurs inside a value. Does not look into secrets. */
export const pathsTo = (sought: unknown, value: unknown): readonly (readonly PropertyKey[])[] => {
  if (isDeepStrictEqual(value, sought)) return [[]]
  if (typeof value !== 'object' || value === null || isSecret(value)) return []
  return Object.entries(value).flatMap(([key, inner]) =>
    pathsTo(sought, inner).map((rest) => [Array.isArray(value) ? Number(key) : key, ...rest]),
  )
}
