/**
 * Characters that are invisible or change how a line is displayed: controls (C0, DEL, C1), format characters (direction, zero width, tags),
 * line and paragraph separators, private and unassigned code points, fillers and variation selectors.
 * https://www.unicode.org/reports/tr36/ and https://trojansource.codes
 */
const HIDDEN = /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu

/** The same without newlines and tabs, and without joiners and selectors after characters of scripts and emoji that need them. */
const DECEIVING =
  /(?![\n\t])(?!\ufe0f\u20e3)(?!(?<=[\p{Lo}\p{M}\p{Extended_Pictographic}\p{Emoji_Modifier}])(?:\u200c|\u200d|\ufe0e|\ufe0f))[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu

/** Replaces invisible and control characters by visible symbols: `␛`, `�`. */
export const showHidden = (text: string): string =>
  text.replace(DECEIVING, (character) => {
    const code = character.codePointAt(0) ?? 0
    if (code < 0x20) return String.fromCharCode(0x2400 + code)
    return code === 0x7f ? '␡' : '�'
  })

/** Escapes invisible and control characters in JSON: visible to a person who reads the line, the same value to a parser. */
export const escapeHidden = (json: string): string =>
  json.replace(HIDDEN, (character) =>
    character === '\n' ? character : unitsOf(character).reduce((text, unit) => `${text}\\u${unit.toString(16).padStart(4, '0')}`, ''),
  )

const unitsOf = (character: string): readonly number[] => Array.from({ length: character.length }, (_, i) => character.charCodeAt(i))

/** Whether a text contains a control character or line separator, which could start a new line in a file. */
export const hasControls = (text: string): boolean => /[\p{Cc}\p{Zl}\p{Zp}]/u.test(text)
