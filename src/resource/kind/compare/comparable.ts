import { isSecret } from '../../../secret/secret.ts'

/** Returns desired values for a comparison: secrets by value, and without functions (openers, getters of later values). */
export const comparable = (value: unknown): unknown => {
  if (isSecret(value)) return { secret: value.reveal() }
  if (Array.isArray(value)) return value.map(comparable)
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(
      Object.entries(value)
        .filter(([, inner]) => typeof inner !== 'function')
        .map(([key, inner]) => [key, comparable(inner)]),
    )
  return value
}
