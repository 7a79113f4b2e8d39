import { escapeHidden } from '../hidden.ts'
import { redacted } from '../secret/secret.ts'

/** Returns a value as one line of JSON, with secrets masked and invisible characters escaped. */
export const jsonLine = (value: unknown): string =>
  `${escapeHidden(JSON.stringify(value, (_, inner: unknown) => (typeof inner === 'string' ? redacted(inner) : inner)))}\n`
