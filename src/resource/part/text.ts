import { asText } from '../kind/content.ts'

/** A line of a file, with the characters that end it: none at the end of a file without a final newline. */
export interface Line {
  readonly text: string
  readonly end: '\n' | '\r\n' | ''
}

/** A text file: its lines, and whether it is UTF-8. Of any other file, each character is a byte, so that all bytes are kept. */
export interface TextFile {
  readonly lines: readonly Line[]
  readonly isUtf8: boolean
}

export const EMPTY: TextFile = { lines: [], isUtf8: true }

/** Reads a file. Undefined for binary data: a file with a NUL byte. */
export const readTextFile = (bytes: Uint8Array): TextFile | undefined => {
  if (bytes.includes(0)) return undefined
  const utf8 = asText(bytes)
  return { lines: splitLines(utf8 ?? Buffer.from(bytes).toString('latin1')), isUtf8: utf8 !== undefined }
}

const splitLines = (text: string): readonly Line[] => {
  const parts = text.split('\n')
  const last = parts.pop() ?? ''
  const lines = parts.map((part): Line => (part.endsWith('\r') ? { text: part.slice(0, -1), end: '\r\n' } : { text: part, end: '\n' }))
  return last === '' ? lines : [...lines, { text: last, end: '' }]
}

/** Returns the bytes of a file. */
export const bytesOfText = ({ lines, isUtf8 }: TextFile): Buffer =>
  Buffer.from(lines.map(({ text, end }) => text + end).join(''), isUtf8 ? 'utf8' : 'latin1')

/** Returns a text of a role as it is in this file: in a file that is not UTF-8, each byte is a character. */
export const asIn = ({ isUtf8 }: TextFile, text: string): string => (isUtf8 ? text : Buffer.from(text).toString('latin1'))

/** Returns lines of a file as UTF-8 again. */
export const asUtf8 = ({ isUtf8 }: TextFile, text: string): string => (isUtf8 ? text : Buffer.from(text, 'latin1').toString('utf8'))

/**
 * Replaces `count` lines at a position by others. New lines end as the first line of the file does. Every line but the last gets an end. A
 * last line that replaces one without an end has none either.
 */
export const splice = (file: TextFile, at: number, count: number, texts: readonly string[]): TextFile => {
  const end = file.lines[0]?.end === '\r\n' ? '\r\n' : '\n'
  const removed = file.lines.slice(at, at + count)
  const added = texts.map((text, i): Line => ({ text, end: removed[i]?.end || end }))
  const lines = [...file.lines.slice(0, at), ...added, ...file.lines.slice(at + count)]
  const isOpen = removed.at(-1)?.end === '' && at + count === file.lines.length && count > 0 && texts.length > 0
  return {
    ...file,
    lines: lines.map((line, i) => {
      if (i < lines.length - 1) return line.end === '' ? { ...line, end } : line
      return isOpen ? { ...line, end: '' as const } : line
    }),
  }
}

/** Whether two files have the same bytes. */
export const isSameText = (a: TextFile, b: TextFile): boolean => a === b || bytesOfText(a).equals(bytesOfText(b))

/** Whether two contents are the same. A missing file has no bytes. */
export const isSameBytes = (a: Uint8Array = NO_BYTES, b: Uint8Array = NO_BYTES): boolean => a === b || Buffer.compare(a, b) === 0

const NO_BYTES = new Uint8Array()
