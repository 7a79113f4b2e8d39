import { type Document, type LineCounter, visit } from 'yaml'
import type { Problem } from '../../problem.ts'
import { inputProblem } from '../source/input-problem.ts'

interface ParsedText {
  readonly path: string
  readonly text: string
  readonly document: Document
  readonly lines: LineCounter
}

/** Returns the first syntax error of a file. Later errors are mostly its consequences. */
export const syntaxError = ({ path, text, document, lines }: ParsedText, contents: 'open' | 'secret'): Problem | undefined => {
  const at = (offset: number) => {
    const { line, col } = lines.linePos(offset)
    return { file: path, line: Math.max(1, line), column: Math.max(1, col) }
  }
  const [error] = document.errors
  if (error !== undefined) {
    if (error.code === 'RESOURCE_EXHAUSTION') {
      return inputProblem({ file: path, line: 1, column: 1 }, 'file is nested too deeply', 'reduce the nesting')
    }
    const quoteStart = openQuote(document, error.pos[0])
    if (quoteStart !== undefined)
      return inputProblem(at(quoteStart), 'quote is not closed', 'close the quote; double a quote that is part of the text')
    // In brackets, a plain value ends before `{`.
    const isReference = text.slice(Math.max(0, error.pos[0] - 1), error.pos[0] + 1) === '${'
    if (isReference)
      return inputProblem(
        at(error.pos[0] - 1),
        'reference inside [ ] or { } is not quoted',
        `quote the value: "\${…}"`,
        'a brace ends an unquoted value there',
      )
    const { what, fix } = MESSAGES[error.code] ?? {
      what: 'YAML syntax is invalid',
      fix: 'check indentation and colons of this line and the line above',
    }
    return inputProblem(
      at(error.code === 'TAB_AS_INDENT' ? text.indexOf('\t', error.pos[0]) : error.pos[0]),
      what,
      fix,
      contents === 'open' && !SELF_EXPLANATORY.has(error.code) ? withoutExcerpt(error.message) : undefined,
    )
  }
  const { yaml } = document.directives ?? {}
  if (yaml?.explicit && yaml.version !== '1.2') {
    return inputProblem(
      at(0),
      `YAML ${yaml.version} is not supported`,
      'remove the %YAML line; files are read as YAML 1.2, where `no` is text',
    )
  }
  return undefined
}

/** Returns the start of an unclosed quoted text. The parser reports its end, which may be the end of the file. */
const openQuote = (document: Document, error: number): number | undefined => {
  let start: number | undefined
  visit(document, {
    Scalar: (_, { type, range }) => {
      if (type?.startsWith('QUOTE') && range && range[0] < error && error <= range[2] && document.errors[0]?.code === 'MISSING_CHAR')
        start = range[0]
    },
  })
  return start
}

// A message may end with the rest of the file. Line and column point to it.
const withoutExcerpt = (message: string): string => message.replace(/: .{6,}$/s, '')

// The parser's message would add nothing.
const SELF_EXPLANATORY: ReadonlySet<string> = new Set(['TAB_AS_INDENT', 'MISSING_CHAR', 'MULTIPLE_DOCS', 'MULTILINE_IMPLICIT_KEY'])

const INDENT = 'indent with two spaces per level, and all keys of a map equally'

const MESSAGES: Readonly<Record<string, { readonly what: string; readonly fix: string }>> = {
  TAB_AS_INDENT: { what: 'line is indented with a tab', fix: 'indent with two spaces per level' },
  BAD_INDENT: { what: 'indentation is inconsistent', fix: `${INDENT}; close every [ and {` },
  BLOCK_AS_IMPLICIT_KEY: {
    what: 'line has two keys, or is indented too far',
    fix: `${INDENT}; quote a value that contains a colon`,
  },
  BLOCK_IN_FLOW: {
    what: 'indented block is inside [ ] or { }',
    fix: 'use either indentation or brackets for the whole value',
  },
  MULTILINE_IMPLICIT_KEY: { what: 'colon is missing', fix: 'add a colon and a space after the key' },
  MISSING_CHAR: { what: 'colon or bracket is missing', fix: 'add a colon and a space after the key; close every [ and {' },
  MULTIPLE_DOCS: { what: 'file contains several documents', fix: 'remove the --- line, or split the file' },
  BAD_SCALAR_START: { what: 'value begins with a reserved character', fix: 'quote the value' },
  BAD_DQ_ESCAPE: { what: 'escape sequence is unknown', fix: "use single quotes ('…'), which have no escape sequences" },
  UNEXPECTED_TOKEN: { what: 'unexpected character', fix: `${INDENT}; start a list item with a dash and a space` },
  KEY_OVER_1024_CHARS: { what: 'key is too long', fix: 'add a missing colon, or close a quote' },
  DUPLICATE_ANCHOR: { what: 'value has two anchors', fix: 'keep one `&name`' },
}
