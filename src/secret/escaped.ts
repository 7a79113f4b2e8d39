/** A value as JSON, URLs and shells write it between their quotes. */
export const escapedForms = (text: string): readonly string[] => {
  const json = JSON.stringify(text).slice(1, -1)
  const url = encodeURIComponent(text)
  return [
    json,
    json.replaceAll('/', '\\/'),
    json.replace(/[\u0080-\uffff]/g, (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`),
    url,
    new URLSearchParams([['', text]]).toString().slice(1),
    url.replace(/%[0-9A-F]{2}/g, (code) => code.toLowerCase()),
    // encodeURIComponent leaves some signs that others escape.
    url.replace(/[!'()*~]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`),
    text.replaceAll("'", `'\\''`),
    text.replaceAll("'", `'"'"'`),
    text.replace(/[\\"$`]/g, '\\$&'),
    text.replace(/[^A-Za-z0-9_@%+=:,./-]/g, '\\$&'),
    // `printf %q` of bash, which leaves alone what no shell reads as more than a letter.
    text.replace(/[\s'"\\|&;()<>!{}*[\]?^$`,]|^[#~]|(?<=[:=])~/g, '\\$&'),
    ...QUOTES.flatMap((quotes) => REST.map((rest) => inC(text, quotes, rest))),
  ]
}

/** Which quotes are escaped: those of `$'…'`, of a C string, and by systemd both. */
const QUOTES = ["'", '"', `'"`]

const NAMED = new Map(Object.entries({ '\x07': 'a', '\b': 'b', '\t': 't', '\n': 'n', '\v': 'v', '\f': 'f', '\r': 'r', '\\': '\\' }))

const bytesOf = (sign: string, write: (byte: number) => string): string => [...Buffer.from(sign)].map(write).join('')
const octal = (sign: string): string => bytesOf(sign, (byte) => `\\${byte.toString(8).padStart(3, '0')}`)
const hex = (sign: string): string => bytesOf(sign, (byte) => `\\x${byte.toString(16).padStart(2, '0')}`)
const point = (sign: string): string => {
  const code = (sign.codePointAt(0) ?? 0).toString(16)
  return code.length > 4 ? `\\U${code.padStart(8, '0')}` : `\\u${code.padStart(4, '0')}`
}

type Write = (sign: string) => string

/** How control characters are written that have no name, and how what is not ASCII: bash does the first, and the second where it knows of no UTF-8. */
const REST: readonly (readonly [control: Write, foreign: Write])[] = [
  [(sign) => (sign === '\x1b' ? '\\E' : octal(sign)), (sign) => sign],
  [(sign) => (sign === '\x1b' ? '\\E' : octal(sign)), octal],
  [octal, octal],
  [octal, (sign) => sign],
  [hex, hex],
  [hex, (sign) => sign],
  [hex, point],
]

/** Within the quotes of `$'…'`, which bash, dash's printf, systemd and C read alike. */
const inC = (text: string, quotes: string, [control, foreign]: readonly [Write, Write]): string =>
  [...text]
    .map((sign) => {
      const named = quotes.includes(sign) ? sign : NAMED.get(sign)
      if (named !== undefined) return `\\${named}`
      if (/[\0-\x1f\x7f]/.test(sign)) return control(sign)
      return sign > '\x7f' ? foreign(sign) : sign
    })
    .join('')
