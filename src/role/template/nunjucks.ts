import { createRequire } from 'node:module'

/** A position in the text of a template, from 0. */
export interface Position {
  readonly lineno: number
  readonly colno: number
}

/** A node of the syntax tree of nunjucks. Which fields it has depends on its type. */
export interface Node extends Position {
  readonly typename: string
  readonly value?: unknown
  readonly children?: readonly Node[]
  readonly [field: string]: unknown
}

interface Tokens {
  nextToken(): { readonly type: string; value: unknown } | null
}

interface Parser {
  parseAsRoot(): Node
}

type Callable = (this: unknown, ...values: readonly unknown[]) => unknown

/** The parts of nunjucks that are used: its syntax, its filters and its tests. */
export interface Nunjucks {
  readonly lexer: { lex(text: string, options: { readonly trimBlocks: boolean }): Tokens }
  readonly parser: { readonly Parser: new (tokens: Tokens) => Parser }
  readonly filters: Readonly<Record<string, Callable>>
  readonly tests: Readonly<Record<string, Callable>>
}

let loaded: Nunjucks | undefined

/** Loads nunjucks at the first template, because the start of the program is slower with it. */
export const nunjucks = (): Nunjucks => {
  loaded ??= typeof require === 'function' ? bundled() : installed()
  return loaded
}

// esbuild bundles these modules, and runs them at the call.
const bundled = (): Nunjucks => ({
  lexer: require('nunjucks/src/lexer'),
  parser: require('nunjucks/src/parser'),
  filters: require('nunjucks/src/filters'),
  tests: require('nunjucks/src/tests'),
})

const installed = (): Nunjucks => {
  const load = createRequire(import.meta.url)
  return {
    lexer: load('nunjucks/src/lexer'),
    parser: load('nunjucks/src/parser'),
    filters: load('nunjucks/src/filters'),
    tests: load('nunjucks/src/tests'),
  }
}
