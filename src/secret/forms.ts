import { escapedForms } from './escaped.ts'
import { type Form, inBase64, inHex, plain } from './form.ts'

/**
 * Returns all forms in which programs print a value: unchanged, line by line, and encoded as base64, base64url, hex, JSON, URL and shell
 * words.
 */
export const formsOf = (value: string): readonly Form[] => {
  const whole = value.trim()
  const lines = whole.includes('\n')
    ? whole
        .split('\n')
        .map((line) => line.trim())
        .filter(isRevealing)
    : []
  const texts = [whole, ...lines].filter((text) => text !== '').flatMap((text) => [text, asLatin1(text)])
  return [...texts.flatMap((text) => [plain(text), ...encoded(text)]), ...texts.flatMap(piecesOf)]
}

const PIECE = 24

/** Returns the forms of parts of a long value. Programs often keep only the last lines of an encoded value. */
const piecesOf = (text: string): readonly Form[] => {
  const bytes = Buffer.from(text)
  if (text.includes('\n') || bytes.length < 3 * PIECE) return []
  return Array.from({ length: Math.floor(bytes.length / PIECE) }, (_, i) => bytes.subarray(i * PIECE, (i + 1) * PIECE)).flatMap((piece) => [
    ...base64(piece),
    ...hex(piece),
  ])
}

/** Returns the value as printed by a program that reads its bytes as Latin-1. */
const asLatin1 = (text: string): string => Buffer.from(text).toString('latin1')

/** Whether a line identifies the value. A brace or the frame of a PEM file would be masked everywhere. */
const isRevealing = (line: string): boolean => line.length > 5 && !/^-----(BEGIN|END) [A-Z0-9 ]+-----$/.test(line)

/** Minimum length of an encoded value in bytes. A shorter one would match any text. */
const MIN_BYTES = 6

const encoded = (text: string): readonly Form[] => {
  const bytes = Buffer.from(text)
  return bytes.length < MIN_BYTES ? [] : [...base64(bytes), ...hex(bytes), ...escapedForms(text).map(plain)]
}

/**
 * Returns base64 forms of a value within a longer text. It can begin at each of three positions of a base64 group. Only characters that
 * consist entirely of bits of the value are the same in every context.
 */
const base64 = (bytes: Buffer): readonly Form[] =>
  [0, 1, 2].flatMap((before) => {
    const text = Buffer.concat([Buffer.alloc(before), bytes]).toString('base64')
    const core = text.slice(Math.ceil((before * 8) / 6), Math.floor(((before + bytes.length) * 8) / 6))
    return [core, core.replaceAll('+', '-').replaceAll('/', '_')].map(inBase64)
  })

/** Returns hexadecimal forms: by byte, and in the default format of `hexdump`, as little-endian words of two bytes. */
const hex = (bytes: Buffer): readonly Form[] => [
  inHex(bytes.toString('hex')),
  ...[0, 1]
    .map((before) => bytes.subarray(before, bytes.length - ((bytes.length - before) % 2)))
    .filter((words) => words.length >= MIN_BYTES)
    .map((words) => inHex(Buffer.from(words).swap16().toString('hex'))),
]
