import { LineCounter, type Node, parseDocument } from 'yaml'
import type { Problem } from '../../problem.ts'
import type { Sources } from '../reference/references.ts'
import { complaint, type Place } from '../source/complaint.ts'
import type { Written } from '../source/source-map.ts'
import { syntaxError } from './yaml-errors.ts'
import { Reader, TooMuch } from './yaml-reader.ts'

/** What one file says, and what is wrong with it. `sound` is false where so much is wrong that the rest cannot be believed. */
export interface ParsedFile {
  readonly path: string
  readonly root: Written | undefined
  readonly problems: readonly Problem[]
  /** What may well be meant, and is told all the same. */
  readonly warnings: readonly Problem[]
  /** Places of references that could not be filled in: what else is wrong there follows from it. */
  readonly unresolved: readonly Place[]
  readonly sound: boolean
}

/** Parses YAML 1.2 (`no` is text there) and keeps the place of every part. Without sources, references stay text; of a secret file no message shows a word. */
export const parseYaml = (path: string, text: string, sources?: Sources, contents: 'open' | 'secret' = 'open'): ParsedFile => {
  const lines = new LineCounter()
  try {
    const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: false, version: '1.2', logLevel: 'error' })
    const broken = syntaxError({ path, text, document, lines }, contents)
    if (broken !== undefined) return { path, root: undefined, problems: [broken], warnings: [], unresolved: [], sound: false }
    const reader = new Reader(path, lines, sources)
    const root = document.contents === null ? undefined : reader.read(document.contents as Node, { file: path, line: 1, column: 1 }, [])
    return {
      path,
      root: isEmpty(root) ? undefined : root,
      problems: reader.problems,
      warnings: reader.warnings,
      unresolved: reader.unresolved,
      sound: true,
    }
  } catch (error) {
    if (error instanceof TooMuch) return { path, root: undefined, problems: [error.problem], warnings: [], unresolved: [], sound: false }
    // The parser recurses: brackets nested by the thousand exhaust the stack.
    if (error instanceof RangeError) {
      const problem = complaint({ file: path, line: 1, column: 1 }, 'this file is nested too deeply', 'write it flatter')
      return { path, root: undefined, problems: [problem], warnings: [], unresolved: [], sound: false }
    }
    throw error
  }
}

const isEmpty = (root: Written | undefined): boolean => root?.is === 'scalar' && root.value === null
