/**
 * Every form in which a value is known to turn up in what programs say: as it is, line by line, and as base64, base64url, hex,
 * JSON, URL and shell write it. Longest first, so that a form within another one does not leave the rest of it standing.
 */
export const formsOf = (value: string): readonly string[] => {
  const whole = value.trim()
  const lines = whole.includes('\n')
    ? whole
        .split('\n')
        .map((line) => line.trim())
        .filter(isTelling)
    : []
  const forms = [whole, ...lines].flatMap((text) => [text, ...encoded(text)])
  return [...new Set(forms)].filter((form) => form !== '').sort((a, b) => b.length - a.length)
}

/** A line that could be anybody's (a brace, the frame of a PEM) gives nothing away, and would be masked everywhere. */
const isTelling = (line: string): boolean => line.length > 5 && !/^-----(BEGIN|END) [A-Z0-9 ]+-----$/.test(line)

/** Encoded, fewer than this many bytes are a handful of signs that could stand in any text. */
const LEAST = 6

const encoded = (text: string): readonly string[] => {
  const bytes = Buffer.from(text)
  return bytes.length < LEAST ? [] : [...inBase64(bytes), ...inHex(bytes), ...escapedForms(text)]
}

/**
 * Within a longer text a value can begin at any of the three places of a base64 group. Only the signs that hold nothing but bits of the
 * value are the same whatever stands around it.
 */
const inBase64 = (bytes: Buffer): readonly string[] =>
  [0, 1, 2].flatMap((before) => {
    const text = Buffer.concat([Buffer.alloc(before), bytes]).toString('base64')
    const core = text.slice(Math.ceil((before * 8) / 6), Math.floor(((before + bytes.length) * 8) / 6))
    return [core, core.replaceAll('+', '-').replaceAll('/', '_')]
  })

const inHex = (bytes: Buffer): readonly string[] => {
  const hex = bytes.toString('hex')
  return [hex, hex.toUpperCase()]
}

const escapedForms = (text: string): readonly string[] => {
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
  ]
}
