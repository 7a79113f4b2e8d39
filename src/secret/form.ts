/** One way of writing a value: its signs, and how a program may break them over lines and columns. */
export interface Form {
  readonly signs: string
  readonly gaps?: Gaps
}

interface Gaps {
  /** What may stand between two signs. */
  readonly gap: RegExp
  /** The end of a text in which such a gap may have begun. */
  readonly begun: RegExp
  /** What follows the last sign and says the same once more. */
  readonly more?: RegExp
  readonly moreBegun?: RegExp
  readonly anyCase: boolean
  /** Fewer signs than these could stand in any text, where they are not all. */
  readonly least: number
  /** What may stand between the first signs, for which we look. */
  readonly between: readonly string[]
}

/** No gap is longer; only so near to the end of a text can one have begun that is not whole. */
const LONGEST = 160

/** Lines of base64, also indented, or within a text of JSON. */
const LINES: Gaps = {
  gap: /(?:\r?\n|(?:\\r)?\\n)[ \t]{0,40}/y,
  begun: /(?:\r|\\|\\r|\\r\\|(?:\r?\n|(?:\\r)?\\n)[ \t]{0,40})$/y,
  anyCase: false,
  least: 7,
  between: [],
}

/**
 * Columns of `od`, `xxd` and `hexdump`: between two lines there can be the characters of the first and the address of the second.
 * Others put a colon, `\x` or `0x` between bytes.
 */
const COLUMNS: Gaps = {
  gap: /(?: {2,60}[^\n]{1,18})?\r?\n[+-]?[0-9a-f]{7,8}:? {1,8}|[ \t]{0,4}\r?\n[+-]?[ \t]{0,40}|[ \t]{1,4}|:|\\x|, ?(?:\r?\n)?[ \t]{0,8}0x/y,
  begun:
    /(?: {2,60}[^\n]{0,18})?(?:\r?\n?|\r?\n[+-]?[0-9a-f]{0,8}:? {0,8})$|[ \t]{0,4}(?:\r|\r?\n[+-]?[ \t]{0,40})?$|\\$|, ?(?:\r?\n)?[ \t]{0,8}0?$/y,
  more: /[ \t0-9a-f]{0,60} {2}[^\n]{1,18}(?=\r?\n|$)/iy,
  moreBegun: /[ \t0-9a-f]{0,60}[^\n]{0,18}\r?$/iy,
  anyCase: true,
  least: 12,
  between: ['', ' ', ':', '\\x', ', 0x'],
}

/** A form that stands as it is wherever it stands. */
export const plain = (signs: string): Form => ({ signs })
export const inBase64 = (signs: string): Form => ({ signs, gaps: LINES })
/** Small letters; capital ones are found as well. */
export const inHex = (signs: string): Form => ({ signs, gaps: COLUMNS })

/** By so many characters a form is found; fewer only where it has no more. */
export const HEAD = 4

/** How a form can begin, and how many of its signs a beginning leaves out: those that stand alone in front of a gap. */
export const headsOf = ({ signs, gaps }: Form): readonly (readonly [head: string, skip: number])[] => {
  if (gaps === undefined) return [[signs.slice(0, HEAD), 0]]
  const skips = [...Array(HEAD).keys()].filter((skip) => skip === 0 || signs.length - skip >= gaps.least)
  if (!gaps.anyCase) return skips.map((skip) => [signs.slice(skip, skip + HEAD), skip])
  return skips.flatMap((skip) =>
    gaps.between.flatMap((between) => {
      // Only whole bytes stand apart.
      if (between !== '' && skip % 2 === 1) return []
      return [signs, signs.toUpperCase()].map((all): [string, number] => [
        (all.slice(skip, skip + 2) + between + all.slice(skip + 2)).slice(0, HEAD),
        skip,
      ])
    }),
  )
}

/** What became of a form at a place of a text: its end there, or one of these. */
export const ABSENT = -1
/** It is as far as the text goes, and may go on behind it. */
export const BEGUN = -2

/** A form without its first `skip` signs. */
export interface Beginning extends Form {
  readonly skip: number
}

/** Where a form ends that may begin at a place of a text, without its first signs. `whole` says that nothing follows the text. */
export const endOf = ({ signs, gaps, skip }: Beginning, text: string, from: number, whole: boolean): number => {
  const cut = whole ? ABSENT : BEGUN
  if (gaps === undefined) {
    if (text.startsWith(signs, from)) return from + signs.length
    return text.length - from < signs.length && signs.startsWith(text.slice(from)) ? cut : ABSENT
  }
  let at = from
  let broken = false
  for (let i = skip; i < signs.length; i += 1) {
    if (i > skip && at < text.length && !isSign(text[at], signs[i], gaps)) {
      const length = gapAt(text, at, gaps, whole)
      if (length < 0) return length
      at += length
      broken = true
      // The mark of a line in a diff.
      if (!isSign(text[at], signs[i], gaps) && (text[at] === '+' || text[at] === '-')) at += 1
    }
    if (at >= text.length) return cut
    if (!isSign(text[at], signs[i], gaps)) return ABSENT
    at += 1
  }
  if (!broken || gaps.more === undefined || gaps.moreBegun === undefined) return at
  if (!whole && text.length - at < LONGEST && lengthAt(gaps.moreBegun, text, at) !== undefined) return BEGUN
  return at + (lengthAt(gaps.more, text, at) ?? 0)
}

const isSign = (character: string | undefined, sign: string | undefined, { anyCase }: Gaps): boolean =>
  character === sign || (anyCase && character?.toLowerCase() === sign)

const gapAt = (text: string, at: number, { gap, begun }: Gaps, whole: boolean): number => {
  if (!whole && text.length - at < LONGEST && lengthAt(begun, text, at) !== undefined) return BEGUN
  return lengthAt(gap, text, at) ?? ABSENT
}

const lengthAt = (pattern: RegExp, text: string, at: number): number | undefined => {
  pattern.lastIndex = at
  return pattern.exec(text)?.[0].length
}
