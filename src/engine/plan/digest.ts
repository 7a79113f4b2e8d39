import { createHash, scryptSync } from 'node:crypto'
import { isSecret, secretsIn } from '../../secret/secret.ts'

/** Digests by field. They show which fields differ, never their values. */
export type Digests = Readonly<Record<string, string>>

interface DigestOptions {
  readonly guarded?: boolean
  /** Whether later values that are known contribute their value. */
  readonly made?: boolean
}

/**
 * Digests each field of a value. A guarded value gets one digest that is slow to compute, so that a saved plan
 * does not help to guess a password.
 */
export const digestsOf = (value: unknown, salt: string, { guarded = isGuarded(value), made = true }: DigestOptions = {}): Digests => {
  if (guarded) return { state: slow(JSON.stringify(canonical(value, made)), salt) }
  const isRecord = typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
  const fields = isRecord ? Object.entries(value) : [['state', value] as const]
  return Object.fromEntries(
    fields
      .filter(([, field]) => typeof field !== 'function')
      .map(([name, field]) => [name, quick(JSON.stringify(canonical(field, made)), salt)]),
  )
}

/** Whether the value holds secrets, or describes a file that is not world-readable. */
export const isGuarded = (value: unknown): boolean => secretsIn(value).length > 0 || modesIn(value).some((mode) => (mode & 0o004) === 0)

const modesIn = (value: unknown): readonly number[] => {
  if (typeof value !== 'object' || value === null) return []
  const { mode, file } = value as { mode?: unknown; file?: unknown }
  return [...(typeof mode === 'string' && /^[0-7]+$/.test(mode) ? [Number.parseInt(mode, 8)] : []), ...modesIn(file)]
}

/** The fields that differ between two sets of digests. */
export const differingFields = (before: Digests, after: Digests): readonly string[] =>
  [...new Set([...Object.keys(before), ...Object.keys(after)])].filter((name) => before[name] !== after[name])

const quick = (text: string, salt: string): string => createHash('sha256').update(`${salt}\n${text}`).digest('hex')

const slow = (text: string, salt: string): string => scryptSync(text, salt, 32, { N: 8192 }).toString('hex')

/** Maps equal values to equal JSON. Drops functions; a later value contributes its value if it is known and `made` is true. */
const canonical = (value: unknown, made: boolean): unknown => {
  const inside = (inner: unknown): unknown => canonical(inner, made)
  if (isSecret(value)) return { secret: value.reveal() }
  if (typeof value === 'bigint') return `${value}n`
  if (ArrayBuffer.isView(value))
    return {
      bytes: createHash('sha256')
        .update(value as Uint8Array)
        .digest('hex'),
    }
  if (value instanceof Map) return { map: [...value].map(([key, inner]) => [inside(key), inside(inner)]) }
  if (value instanceof Set) return { set: [...value].map(inside) }
  if (value instanceof Date) return { date: value.toJSON() }
  if (Array.isArray(value)) return value.map(inside)
  if (typeof value !== 'object' || value === null) return value ?? null
  const known =
    'later' in value && 'get' in value && typeof value.get === 'function' ? { got: (made ? value.get() : undefined) ?? null } : {}
  const fields = Object.entries(value).filter(([, inner]) => typeof inner !== 'function' && inner !== undefined)
  return { ...Object.fromEntries(fields.sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, inner]) => [key, inside(inner)])), ...known }
}
