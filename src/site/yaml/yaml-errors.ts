import { type Document, type LineCounter, visit } from 'yaml'
import type { Problem } from '../../problem.ts'
import { complaint } from '../source/complaint.ts'

interface ParsedText {
  readonly path: string
  readonly text: string
  readonly document: Document
  readonly lines: LineCounter
}

/** The first syntax error of a file; later errors are mostly its consequences. */
export const syntaxError = ({ path, text, document, lines }: ParsedText, contents: 'open' | 'secret'): Problem | undefined => {
  const at = (offset: number) => {
    const { line, col } = lines.linePos(offset)
    return { file: path, line: Math.max(1, line), column: Math.max(1, col) }
  }
  const [error] = document.errors
  if (error !== undefined) {
    if (error.code === 'RESOURCE_EXHAUSTION') {
      return complaint({ file: path, line: 1, column: 1 }, 'this file is nested too deeply', 'write it flatter')
    }
    const quoted = openQuote(document, error.pos[0])
    if (quoted !== undefined)
      return complaint(at(quoted), 'this quote is not closed', 'close it, or double a quote that belongs to the text')
    const { what, fix } = WORDS[error.code] ?? {
      what: 'this is not valid YAML',
      fix: 'compare the indentation and the colons of this line and the one above',
    }
    return complaint(
      at(error.code === 'TAB_AS_INDENT' ? text.indexOf('\t', error.pos[0]) : error.pos[0]),
      what,
      fix,
      contents === 'open' && !PLAIN_ENOUGH.has(error.code) ? error.message : undefined,
    )
  }
  const { yaml } = document.directives ?? {}
  if (yaml?.explicit && yaml.version !== '1.2') {
    return complaint(
      at(0),
      `this file asks for YAML ${yaml.version}`,
      'remove the line %YAML: files are read as YAML 1.2, where `no` is text',
    )
  }
  return undefined
}

/** Where the quoted text begins that runs into this error; the parser points at its end, which may be the end of the file. */
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

// Our words say all there is to say.
const PLAIN_ENOUGH: ReadonlySet<string> = new Set(['TAB_AS_INDENT', 'MISSING_CHAR', 'MULTIPLE_DOCS', 'MULTILINE_IMPLICIT_KEY'])

const INDENT = 'indent with spaces, two for each level, and all keys of one map alike'

const WORDS: Readonly<Record<string, { readonly what: string; readonly fix: string }>> = {
  TAB_AS_INDENT: { what: 'a tab cannot indent', fix: 'use spaces, two for each level' },
  BAD_INDENT: { what: 'the indentation does not fit', fix: `${INDENT}; close every [ and {` },
  BLOCK_AS_IMPLICIT_KEY: {
    what: 'two keys stand on one line, or a line is indented too far',
    fix: `${INDENT}; put a value with a colon in quotes`,
  },
  BLOCK_IN_FLOW: {
    what: 'an indented block cannot stand inside [ ] or { }',
    fix: 'write the whole of it indented, or the whole of it in brackets',
  },
  MULTILINE_IMPLICIT_KEY: { what: 'a colon is missing in this line', fix: 'write a colon and a space after the key' },
  MISSING_CHAR: { what: 'a colon or a bracket is missing', fix: 'put a colon and a space after a key; close every [ and {' },
  MULTIPLE_DOCS: { what: 'this file holds several documents', fix: 'remove the line ---, or use a file for each' },
  BAD_SCALAR_START: { what: 'a value cannot begin with this character', fix: 'put the value in quotes' },
  BAD_DQ_ESCAPE: { what: 'this escape is unknown', fix: "use single quotes ('…'), in which a backslash is a backslash" },
  UNEXPECTED_TOKEN: { what: 'this does not belong here', fix: `${INDENT}; a list item is a dash and a space` },
  KEY_OVER_1024_CHARS: { what: 'this key is too long', fix: 'a colon may be missing, or a quote is not closed' },
  DUPLICATE_ANCHOR: { what: 'this has two anchors', fix: 'keep one `&name`' },
}
