/** An encoding of a value: its characters, and how programs may split them over lines and columns. */
export interface Form {
  readonly characters: string
  readonly gaps?: Gaps
}

interface Gaps {
  /** Separator between two characters. */
  readonly gap: RegExp
  /** The end of a text that may be the beginning of a gap. */
  readonly begun: RegExp
  /** Minimum number of characters of a form, also of an incomplete one. Fewer would match any text. */
  readonly minimum: number
  /** Set for hexadecimal digits, which match in either case. */
  readonly digits?: Digits
}

interface Digits {
  /** Text after the last digit that repeats the value: the characters beside a hex dump. */
  readonly beside: RegExp
  /** The end of a text that may be the beginning of `beside`. */
  readonly besideBegun: RegExp
  /** Separators between the first two bytes, which the search starts with. */
  readonly between: readonly string[]
}

/** Maximum length of a gap. An incomplete gap can begin only this close to the end of a text. */
const MAX_GAP = 160

/** Lines of base64, also indented or inside a JSON string. */
const LINES: Gaps = {
  gap: /(?:\r?\n|(?:\\r)?\\n)[ \t]{0,40}/y,
  begun: /(?:\r|\\|\\r|\\r\\|(?:\r?\n|(?:\\r)?\\n)[ \t]{0,40})$/y,
  minimum: 7,
}

/**
 * Columns of `od`, `xxd` and `hexdump`. Between two lines are the characters of the first line and the address of the second.
 * Other programs separate bytes with a colon, `\x` or `0x`.
 */
const COLUMNS: Gaps = {
  gap: /(?: {2,60}[^\n]{1,18})?\r?\n[+-]?[0-9a-f]{7,8}:? {1,8}|[ \t]{0,4}\r?\n[+-]?[ \t]{0,40}|[ \t]{1,4}|:|\\x|, ?(?:\r?\n)?[ \t]{0,8}0x/y,
  begun:
    /(?: {2,60}[^\n]{0,18})?(?:\r?\n?|\r?\n[+-]?[0-9a-f]{0,8}:? {0,8})$|[ \t]{0,4}(?:\r|\r?\n[+-]?[ \t]{0,40})?$|\\$|, ?(?:\r?\n)?[ \t]{0,8}0?$/y,
  minimum: 12,
  digits: {
    beside: /[ \t0-9a-f]{0,60} {2}[^\n]{1,18}(?=\r?\n|$)/iy,
    besideBegun: /[ \t0-9a-f]{0,60}[^\n]{0,18}\r?$/iy,
    between: ['', ' ', ':', '\\x', ', 0x'],
  },
}

/** A form without gaps. */
export const plain = (characters: string): Form => ({ characters })
export const inBase64 = (characters: string): Form => ({ characters, gaps: LINES })
/** Lower-case hexadecimal digits; upper-case ones match as well. */
export const inHex = (characters: string): Form => ({ characters, gaps: COLUMNS })

/** Number of characters that the search for a form starts with. */
export const HEAD = 4

/** Returns the possible beginnings of a form, and the number of characters that each skips: those before a gap. */
export const headsOf = ({ characters, gaps }: Form): readonly (readonly [head: string, skip: number])[] => {
  if (gaps === undefined) return [[characters.slice(0, HEAD), 0]]
  const skips = [...Array(HEAD).keys()].filter((skip) => characters.length - skip >= gaps.minimum)
  const { digits } = gaps
  if (digits === undefined) return skips.map((skip) => [characters.slice(skip, skip + HEAD), skip])
  return skips.flatMap((skip) =>
    digits.between.flatMap((between) => {
      // Separators are between whole bytes.
      if (between !== '' && skip % 2 === 1) return []
      return [characters, characters.toUpperCase()].map((all): [string, number] => [
        (all.slice(skip, skip + 2) + between + all.slice(skip + 2)).slice(0, HEAD),
        skip,
      ])
    }),
  )
}

/** Result of `endOf`: the form does not match. */
export const ABSENT = -1
/** Result of `endOf`: the form matches up to the end of the text, and may continue. */
export const BEGUN = -2

/** A form without its first `skip` characters. */
export interface Beginning extends Form {
  readonly skip: number
}

/** Returns the end of a form at a position of a text, without its first `skip` characters. With `whole`, nothing follows the text. */
export const endOf = ({ characters, gaps, skip }: Beginning, text: string, from: number, whole: boolean): number => {
  const incomplete = whole ? ABSENT : BEGUN
  if (gaps === undefined) {
    if (text.startsWith(characters, from)) return from + characters.length
    return text.length - from < characters.length && characters.startsWith(text.slice(from)) ? incomplete : ABSENT
  }
  let at = from
  let broken = false
  for (let i = skip; i < characters.length; i += 1) {
    if (i > skip && at < text.length && !isCharacterAt(text[at], characters[i], gaps)) {
      const length = gapAt(text, at, gaps, whole)
      if (length < 0) return length
      at += length
      broken = true
      // The first column of a line in a diff.
      if (!isCharacterAt(text[at], characters[i], gaps) && (text[at] === '+' || text[at] === '-')) at += 1
    }
    if (at >= text.length) return incomplete
    if (!isCharacterAt(text[at], characters[i], gaps)) return ABSENT
    at += 1
  }
  if (!broken || gaps.digits === undefined) return at
  if (!whole && isBegun(gaps.digits.besideBegun, text, at)) return BEGUN
  return at + (lengthAt(gaps.digits.beside, text, at) ?? 0)
}

const isCharacterAt = (character: string | undefined, sign: string | undefined, { digits }: Gaps): boolean =>
  character === sign || (digits !== undefined && character?.toLowerCase() === sign)

const gapAt = (text: string, at: number, { gap, begun }: Gaps, whole: boolean): number =>
  !whole && isBegun(begun, text, at) ? BEGUN : (lengthAt(gap, text, at) ?? ABSENT)

/** Bounds the time: a pattern that fails only at the end of the text is not tried far before it. */
const isBegun = (begun: RegExp, text: string, at: number): boolean => text.length - at < MAX_GAP && lengthAt(begun, text, at) !== undefined

const lengthAt = (pattern: RegExp, text: string, at: number): number | undefined => {
  pattern.lastIndex = at
  return pattern.exec(text)?.[0].length
}
