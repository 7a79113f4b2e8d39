import { createHash } from 'node:crypto'
import { isSecret, MASK, type Secret } from '../../secret/secret.ts'
import { accidentIn } from './unusable.ts'

/**
 * A value that is made in this run: a thumbprint, the certificate of an authority. `get` returns it once it exists. Until then plans show
 * `‹made in this run›`.
 */
export interface Later {
  readonly later: string
  get(): string | undefined
  /** Returns the beginning that is known already. */
  soFar?(): string
}

export const MADE_IN_THIS_RUN = '‹made in this run›'

/** A part of a text. */
export type TextPart = string | Secret | Later

/** A text, with its secrets and later values as separate parts. */
export interface Text {
  readonly type: 'text'
  readonly parts: readonly TextPart[]
}

/** A file of the user's project. It is opened when it is sent; plans hold only its digest. */
export interface LocalFile {
  readonly type: 'local'
  readonly path: string
  readonly sha256: string
  readonly size: number
  /** Whether its owner can execute it. */
  readonly isExecutable?: boolean
  open(): Uint8Array
}

export type Content = Text | LocalFile

const isLater = (part: TextPart): part is Later => typeof part === 'object' && 'later' in part

/** Returns the later values of a content. */
export const latersIn = (content: Content | undefined): readonly Later[] => (content?.type === 'text' ? content.parts.filter(isLater) : [])

/**
 * Makes a text with secrets or later values: text`password=${secret}`.
 * @throws TypeError for a value that is undefined or of another type
 */
export const text = (strings: TemplateStringsArray, ...values: readonly (TextPart | Text | number)[]): Text => ({
  type: 'text',
  parts: strings.flatMap((piece, i): readonly TextPart[] => (i < values.length ? [piece, ...partsOf(values[i], piece)] : [piece])),
})

const partsOf = (value: unknown, before: string): readonly TextPart[] => {
  const place = `after ${JSON.stringify(before.slice(-40))}`
  if (typeof value === 'number' && Number.isFinite(value)) return [String(value)]
  if (typeof value === 'string') {
    const accident = accidentIn(value)
    if (accident !== undefined) throw new TypeError(`a value of a text, ${place}, has ${accident}`)
    return [value]
  }
  if (isSecret(value)) return [value]
  if (typeof value === 'object' && value !== null) {
    if ('parts' in value && Array.isArray(value.parts)) return value.parts
    if ('later' in value && 'get' in value) return [value as Later]
  }
  throw new TypeError(`a value of a text, ${place}, is ${typeof value === 'object' && value !== null ? 'an object' : String(value)}`)
}

export const asContent = (content: string | Secret | Content): Content =>
  typeof content === 'string' || isSecret(content) ? { type: 'text', parts: [content] } : content

/** Returns whether all later values exist. */
export const isKnown = (content: Content): boolean =>
  content.type === 'local' || content.parts.every((part) => !isLater(part) || part.get() !== undefined)

export const hasSecret = (content: Content): boolean => content.type === 'text' && content.parts.some(isSecret)

/** Returns the bytes. Throws if a later value does not exist yet. */
export const bytesOf = (content: Content): Uint8Array => {
  if (content.type === 'local') return content.open()
  return Buffer.from(content.parts.map(reveal).join(''))
}

/** Returns the SHA-256, hexadecimal, as `sha256sum` prints it. */
export const sha256Hex = (bytes: string | Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

/** Returns the SHA-256 of the bytes, hexadecimal; undefined while a later value is missing. */
export const sha256Of = (content: Content): string | undefined => {
  if (content.type === 'local') return content.sha256
  return isKnown(content) ? sha256Hex(bytesOf(content)) : undefined
}

/** Returns the text for a plan: secrets masked, missing values as `‹made in this run›`. Undefined for binary data. */
export const shownText = (content: Content): string | undefined => {
  const shown = content.type === 'text' ? content.parts.map(show).join('') : asText(content.open())
  return shown
}

/** Returns bytes as text, or undefined for binary data. */
export const asText = (bytes: Uint8Array): string | undefined => {
  try {
    // A byte order mark is part of the text: a kind that edits the text writes it back.
    const decoded = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
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
