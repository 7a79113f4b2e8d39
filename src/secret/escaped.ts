/** Returns the escaped forms of a value: in JSON, in URLs and in shell quotes. */
export const escapedForms = (text: string): readonly string[] => {
  const json = JSON.stringify(text).slice(1, -1)
  const ascii = json.replace(/[\u0080-\uffff]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
  const url = encodeURIComponent(text)
  return [
    // PHP also escapes slashes.
    ...[json, ascii].flatMap((written) => [written, written.replaceAll('/', '\\/')]),
    url,
    new URLSearchParams([['', text]]).toString().slice(1),
    url.replace(/%[0-9A-F]{2}/g, (code) => code.toLowerCase()),
    // Other encoders escape characters that encodeURIComponent leaves.
    url.replace(/[!'()*~]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`),
    text.replaceAll("'", `'\\''`),
    text.replaceAll("'", `'"'"'`),
    text.replace(/[\\"$`]/g, '\\$&'),
    text.replace(/[^A-Za-z0-9_@%+=:,./-]/g, '\\$&'),
    // `printf %q` of bash, which escapes only characters that are special to a shell.
    text.replace(/[\s'"\\|&;()<>!{}*[\]?^$`,]|^[#~]|(?<=[:=])~/g, '\\$&'),
    ...QUOTES.flatMap((quotes) => OTHER_ESCAPES.map((escapes) => cEscaped(text, quotes, escapes))),
  ]
}

/** Escaped quotes: in `$'…'`, in a C string, and both by systemd. */
const QUOTES = ["'", '"', `'"`]

const NAMED = new Map(Object.entries({ '\x07': 'a', '\b': 'b', '\t': 't', '\n': 'n', '\v': 'v', '\f': 'f', '\r': 'r', '\\': '\\' }))

const bytesOf = (character: string, write: (byte: number) => string): string => [...Buffer.from(character)].map(write).join('')
const octal = (character: string): string => bytesOf(character, (byte) => `\\${byte.toString(8).padStart(3, '0')}`)
const hex = (character: string): string => bytesOf(character, (byte) => `\\x${byte.toString(16).padStart(2, '0')}`)
const point = (character: string): string => {
  const code = (character.codePointAt(0) ?? 0).toString(16)
  return code.length > 4 ? `\\U${code.padStart(8, '0')}` : `\\u${code.padStart(4, '0')}`
}

type Write = (character: string) => string

/** Escapes of control characters without a name, and of non-ASCII characters. bash uses the first pair, and the second without a UTF-8 locale. */
const OTHER_ESCAPES: readonly (readonly [control: Write, nonAscii: Write])[] = [
  [(character) => (character === '\x1b' ? '\\E' : octal(character)), (character) => character],
  [(character) => (character === '\x1b' ? '\\E' : octal(character)), octal],
  [octal, octal],
  [octal, (character) => character],
  [hex, hex],
  [hex, (character) => character],
  [hex, point],
]

/** Escapes text as in `$'…'` of bash, in dash's printf, systemd and C. */
const cEscaped = (text: string, quotes: string, [control, nonAscii]: readonly [Write, Write]): string =>
  [...text]
    .map((character) => {
      const named = quotes.includes(character) ? character : NAMED.get(character)
      if (named !== undefined) return `\\${named}`
      if (/[\0-\x1f\x7f]/.test(character)) return control(character)
      return character > '\x7f' ? nonAscii(character) : character
    })
    .join('')
