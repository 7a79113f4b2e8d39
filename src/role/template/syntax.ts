import { Problem } from '../../problem.ts'
import { shownText } from '../../shown-name.ts'
import { inputProblem, type Place } from '../../site/source/input-problem.ts'
import { type Node, nunjucks, type Position } from './nunjucks.ts'

/** A file of templates: its path as messages show it, and its text. */
export interface TemplateFile {
  readonly path: string
  readonly text: string
}

/** A parsed template. */
export interface Template {
  readonly path: string
  readonly root: Node
}

/** The place of a node. */
export const placeIn = (path: string, { lineno, colno }: Position): Place => ({ file: path, line: lineno + 1, column: colno + 1 })

const parsed = new WeakMap<TemplateFile, Template>()

/** Parses a template, once for each file. Throws a `Problem` at the first mistake. */
export const parse = (file: TemplateFile): Template => {
  const known = parsed.get(file)
  if (known !== undefined) return known
  const template = { path: file.path, root: rootOf(file) }
  parsed.set(file, template)
  return template
}

const rootOf = ({ path, text }: TemplateFile): Node => {
  const { lexer, parser } = nunjucks()
  const tokens = lexer.lex(text, { trimBlocks: true })
  trimComments(tokens)
  try {
    return new parser.Parser(tokens).parseAsRoot()
  } catch (error) {
    throw syntaxProblem(path, error, tokens as Partial<Position>)
  }
}

/** Removes the newline after a comment, as Jinja does. nunjucks removes only that after a block. */
const trimComments = (tokens: { nextToken(): { readonly type: string; value: unknown } | null }): void => {
  const next = tokens.nextToken.bind(tokens)
  let isAfterComment = false
  tokens.nextToken = () => {
    const token = next()
    if (isAfterComment && token?.type === 'data') token.value = String(token.value).replace(/^\r?\n/, '')
    isAfterComment = token?.type === 'comment'
    return token
  }
}

/** The mistake in the words of nunjucks. Where it names no place, it is where the text was read to. */
const syntaxProblem = (path: string, error: unknown, { lineno = 0, colno = 0 }: Partial<Position>): Problem => {
  if (error instanceof Problem) return error
  const { message, lineno: line = lineno + 1, colno: column = colno + 1 } = error as Error & { lineno?: number; colno?: number }
  const place: Place = { file: path, line, column }
  const tag = /unknown block tag: (\S+)/.exec(message)?.[1]
  if (tag !== undefined)
    return inputProblem(place, `unknown tag \`${shownText(tag)}\``, 'use a tag of nunjucks: if, for, set, macro, include')
  if (error instanceof RangeError) return inputProblem(place, 'expression is nested too deep', 'split it with `set`')
  const what = error instanceof TypeError ? 'unexpected end of the template' : (message.split('\n').at(-1)?.trim() ?? '')
  return inputProblem(place, `template is invalid: ${shownText(what)}`, 'correct the syntax of the template')
}
