import { inputProblem } from './input-problem.ts'

/** Decodes a UTF-8 file. Throws a `Problem` with the position of the first invalid byte or control character. */
export const textOf = (file: string, bytes: Uint8Array): string => {
  const [first, second] = bytes
  if ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)) {
    throw inputProblem({ file, line: 1, column: 1 }, 'file is encoded as UTF-16', 'save it as UTF-8')
  }
  // Invalid bytes decode to U+FFFD, which does not encode to the same bytes.
  const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)
  const encoded = Buffer.from(text)
  if (!encoded.equals(bytes)) {
    const end = encoded.findIndex((byte, i) => byte !== bytes[i])
    throw inputProblem({ file, ...positionIn(Buffer.from(bytes.subarray(0, end)).toString()) }, 'file is not UTF-8', 'save it as UTF-8')
  }
  if (text.startsWith('\uFEFF'))
    throw inputProblem({ file, line: 1, column: 1 }, 'file begins with a byte order mark', 'save it as UTF-8 without a byte order mark')
  const control = /[\0-\x08\x0B\x0C\x0E-\x1F\x7F]/.exec(text)
  if (control !== null) {
    const code = control[0].charCodeAt(0).toString(16).padStart(2, '0')
    throw inputProblem({ file, ...positionIn(text.slice(0, control.index)) }, `control character 0x${code} is not allowed`, 'remove it')
  }
  return text
}

const positionIn = (before: string): { readonly line: number; readonly column: number } => {
  const lines = before.split('\n')
  return { line: lines.length, column: (lines.at(-1) ?? '').length + 1 }
}
