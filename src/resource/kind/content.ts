import { createHash } from 'node:crypto'
import { isSecret, MASK, type Secret } from '../../secret/secret.ts'

/**
 * A value that may only be made in this run: a thumbprint, a certificate authority's certificate.
 * `get` gives it once it exists; before that, plans show `‹made in this run›` and never guess.
 */
export interface Later {
  readonly later: string
  get(): string | undefined
  /** What is known of it until then, where it will only be longer. */
  soFar?(): string
}

export const MADE_IN_THIS_RUN = '‹made in this run›'

/** What a text is made of. */
export type TextPart = string | Secret | Later

/** The text of a file, with its secrets and its values that are not known yet still apart from the rest. */
export interface Text {
  readonly type: 'text'
  readonly parts: readonly TextPart[]
}

/** Bytes that lie in the user's project; they are opened when they are sent, never held in a plan. */
export interface LocalFile {
  readonly type: 'local'
  readonly path: string
  readonly sha256: string
  readonly size: number
  open(): Uint8Array
}

export type Content = Text | LocalFile

const isLater = (part: TextPart): part is Later => typeof part === 'object' && 'later' in part

/** The values of a content that may only be made in this run. */
export const latersIn = (content: Content | undefined): readonly Later[] => (content?.type === 'text' ? content.parts.filter(isLater) : [])

/** A text that carries secrets or later values: text`password=${secret}`. */
export const text = (strings: TemplateStringsArray, ...values: readonly (TextPart | Text | number)[]): Text => ({
  type: 'text',
  parts: strings.flatMap((piece, i): readonly TextPart[] => {
    const value = values[i]
    if (value === undefined) return [piece]
    if (typeof value === 'number') return [piece, String(value)]
    return typeof value === 'object' && 'parts' in value ? [piece, ...value.parts] : [piece, value]
  }),
})

export const asContent = (content: string | Content): Content =>
  typeof content === 'string' ? { type: 'text', parts: [content] } : content

/** Whether all of it is known now; if not, its digest cannot be foretold. */
export const isKnown = (content: Content): boolean =>
  content.type === 'local' || content.parts.every((part) => !isLater(part) || part.get() !== undefined)

export const hasSecret = (content: Content): boolean => content.type === 'text' && content.parts.some(isSecret)

/** The bytes to send; throws when a later value has not been made. */
export const bytesOf = (content: Content): Uint8Array => {
  if (content.type === 'local') return content.open()
  return Buffer.from(content.parts.map(reveal).join(''))
}

/** SHA-256 as it stands everywhere in ours: hexadecimal, as `sha256sum` prints it. */
export const sha256Hex = (bytes: string | Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

/** Digest of the bytes, hexadecimal; undefined while a later value is missing. */
export const sha256Of = (content: Content): string | undefined => {
  if (content.type === 'local') return content.sha256
  return isKnown(content) ? sha256Hex(bytesOf(content)) : undefined
}

/** The text as a person may see it: secrets masked, missing values named; undefined for bytes that are no text. */
export const shownText = (content: Content): string | undefined => {
  const shown = content.type === 'text' ? content.parts.map(show).join('') : asText(content.open())
  return shown
}

/** Bytes as text, or undefined where they are binary. */
export const asText = (bytes: Uint8Array): string | undefined => {
  try {
    const decoded = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    return decoded.includes('\0') ? undefined : decoded
  } catch {
    return undefined
  }
}

const reveal = (part: TextPart): string => {
  if (typeof part === 'string') return part
  if (isSecret(part)) return part.reveal()
  const value = part.get()
  if (value === undefined) throw new Error(`${part.later} has not been made yet`)
  return value
}

const show = (part: TextPart): string => {
  if (typeof part === 'string') return part
  if (isSecret(part)) return MASK
  return part.get() ?? `${part.soFar?.() ?? ''}${MADE_IN_THIS_RUN}`
}
