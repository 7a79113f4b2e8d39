import { complaint } from './complaint.ts'

/** The text of a file that must be UTF-8 and nothing else. Throws a `Problem` at the first byte that is not. */
export const textOf = (file: string, bytes: Uint8Array): string => {
  const [first, second] = bytes
  if ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)) {
    throw complaint({ file, line: 1, column: 1 }, 'this file is UTF-16', 'save it as UTF-8')
  }
  // Bytes that are not UTF-8 become U+FFFD; a real one in the text comes back as the same bytes.
  const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)
  const encoded = Buffer.from(text)
  if (!encoded.equals(bytes)) {
    const end = encoded.findIndex((byte, i) => byte !== bytes[i])
    throw complaint({ file, ...positionIn(Buffer.from(bytes.subarray(0, end)).toString()) }, 'this file is not UTF-8', 'save it as UTF-8')
  }
  if (text.startsWith('\uFEFF'))
    throw complaint({ file, line: 1, column: 1 }, 'this file begins with a byte order mark', 'save it as UTF-8 without BOM')
  const control = /[\0-\x08\x0B\x0C\x0E-\x1F\x7F]/.exec(text)
  if (control !== null) {
    const code = control[0].charCodeAt(0).toString(16).padStart(2, '0')
    throw complaint({ file, ...positionIn(text.slice(0, control.index)) }, `a control character (0x${code}) stands here`, 'remove it')
  }
  return text
}

const positionIn = (before: string): { readonly line: number; readonly column: number } => {
  const lines = before.split('\n')
  return { line: lines.length, column: (lines.at(-1) ?? '').length + 1 }
}
