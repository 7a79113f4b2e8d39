import { escapedForms } from './escaped.ts'
import { type Form, inBase64, inHex, plain } from './form.ts'

/**
 * Every form in which a value is known to turn up in what programs say: as it is, line by line, and as base64, base64url, hex,
 * JSON, URL and shell write it.
 */
export const formsOf = (value: string): readonly Form[] => {
  const whole = value.trim()
  const lines = whole.includes('\n')
    ? whole
        .split('\n')
        .map((line) => line.trim())
        .filter(isTelling)
    : []
  const texts = [whole, ...lines].filter((text) => text !== '').flatMap((text) => [text, misread(text)])
  return [...texts.flatMap((text) => [plain(text), ...encoded(text)]), ...texts.flatMap(piecesOf)]
}

const PIECE = 24

/** Of what goes over many lines often only the last are kept, without its beginning: parts of a long value are found where they are encoded. */
const piecesOf = (text: string): readonly Form[] => {
  const bytes = Buffer.from(text)
  if (text.includes('\n') || bytes.length < 3 * PIECE) return []
  return Array.from({ length: Math.floor(bytes.length / PIECE) }, (_, i) => bytes.subarray(i * PIECE, (i + 1) * PIECE)).flatMap((piece) => [
    ...base64(piece),
    ...hex(piece),
  ])
}

/** What a program makes of it that takes its bytes for Latin-1, as many do that know of no encoding. */
const misread = (text: string): string => Buffer.from(text).toString('latin1')

/** A line that could be anybody's (a brace, the frame of a PEM) gives nothing away, and would be masked everywhere. */
const isTelling = (line: string): boolean => line.length > 5 && !/^-----(BEGIN|END) [A-Z0-9 ]+-----$/.test(line)

/** Encoded, fewer than this many bytes are a handful of signs that could stand in any text. */
const LEAST = 6

const encoded = (text: string): readonly Form[] => {
  const bytes = Buffer.from(text)
  return bytes.length < LEAST ? [] : [...base64(bytes), ...hex(bytes), ...escapedForms(text).map(plain)]
}

/**
 * Within a longer text a value can begin at any of the three places of a base64 group. Only the signs that hold nothing but bits of the
 * value are the same whatever stands around it.
 */
const base64 = (bytes: Buffer): readonly Form[] =>
  [0, 1, 2].flatMap((before) => {
    const text = Buffer.concat([Buffer.alloc(before), bytes]).toString('base64')
    const core = text.slice(Math.ceil((before * 8) / 6), Math.floor(((before + bytes.length) * 8) / 6))
    return [core, core.replaceAll('+', '-').replaceAll('/', '_')].map(inBase64)
  })

/** Byte by byte, and as `hexdump` shows them unless told otherwise: in words of two, the second byte first. */
const hex = (bytes: Buffer): readonly Form[] => [
  inHex(bytes.toString('hex')),
  ...[0, 1]
    .map((before) => bytes.subarray(before, bytes.length - ((bytes.length - before) % 2)))
    .filter((words) => words.length >= LEAST)
    .map((words) => inHex(Buffer.from(words).swap16().toString('hex'))),
]
