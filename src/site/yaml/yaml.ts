import { LineCounter, type Node, parseDocument } from 'yaml'
import type { Problem } from '../../problem.ts'
import type { Sources } from '../reference/references.ts'
import { inputProblem, type Place } from '../source/input-problem.ts'
import type { SourceNode } from '../source/source-map.ts'
import { syntaxError } from './yaml-errors.ts'
import { LimitExceeded, Reader } from './yaml-reader.ts'

/** Content and problems of a file. `isParsed` is false if the syntax is invalid or a limit is exceeded. */
export interface ParsedFile {
  readonly path: string
  readonly root: SourceNode | undefined
  readonly problems: readonly Problem[]
  /** Suspicious but valid input, shown as a warning. */
  readonly warnings: readonly Problem[]
  /** Positions of unresolved references. Further problems there are consequences. */
  readonly unresolved: readonly Place[]
  readonly isParsed: boolean
}

/** Parses YAML 1.2 (where `no` is text) and keeps source positions. Without `sources`, references stay text. Messages about a `secret` file show none of its content. */
export const parseYaml = (path: string, text: string, sources?: Sources, contents: 'open' | 'secret' = 'open'): ParsedFile => {
  const lines = new LineCounter()
  try {
    const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: false, version: '1.2', logLevel: 'error' })
    const broken = syntaxError({ path, text, document, lines }, contents)
    if (broken !== undefined) return { path, root: undefined, problems: [broken], warnings: [], unresolved: [], isParsed: false }
    const reader = new Reader({ path, text }, lines, sources, contents)
    const root = document.contents === null ? undefined : reader.read(document.contents as Node, { file: path, line: 1, column: 1 }, [])
    return {
      path,
      root: isEmpty(root) ? undefined : root,
      problems: reader.problems,
      warnings: reader.warnings,
      unresolved: reader.unresolved,
      isParsed: true,
    }
  } catch (error) {
    if (error instanceof LimitExceeded)
      return { path, root: undefined, problems: [error.problem], warnings: [], unresolved: [], isParsed: false }
    // The parser is recursive: thousands of nested brackets exhaust the stack.
    if (error instanceof RangeError) {
      const problem = inputProblem({ file: path, line: 1, column: 1 }, 'file is nested too deeply', 'reduce the nesting')
      return { path, root: undefined, problems: [problem], warnings: [], unresolved: [], isParsed: false }
    }
    throw error
  }
}

const isEmpty = (root: SourceNode | undefined): boolean => root?.is === 'scalar' && root.value === null
