import { dirname, join } from 'node:path'
import { Problem } from '../../problem.ts'
import { asText, type LocalFile, type Text } from '../../resource/kind/content.ts'
import { inputProblem } from '../../site/source/input-problem.ts'
import { Budget, type Given, Output, Scope } from './frame.ts'
import { capture, macroOf, runTemplate } from './statement.ts'
import { parse, type Template } from './syntax.ts'

/** Returns the file at a path of the project, undefined if there is none. Throws a `Problem` for one that must not be read. */
export type FindFile = (path: string) => LocalFile | undefined

/** Limit of a template, in bytes. */
const MAX_BYTES = 2 ** 20

/**
 * Renders a template. Throws a `Problem` at its file, line and column for a mistake, and for a name without a value.
 * The result has secrets and later values as separate parts.
 */
export const render = (path: string, find: FindFile, given: Given): Text => {
  const load = (name: string, from?: string): Template | undefined => {
    const target = from !== undefined && /^\.\.?\//.test(name) ? besideOf(from, name) : name
    const file = find(target)
    return file === undefined ? undefined : parse(textOf(target, file))
  }
  const template = load(path)
  if (template === undefined)
    throw inputProblem(
      { file: path },
      `file does not exist in the ${path.startsWith('./') ? 'package' : 'project'}`,
      `create it, or correct the path, which begins at the directory of the ${path.startsWith('./') ? 'package' : 'project'}`,
    )
  const out = new Output()
  const frame = {
    template,
    scope: new Scope(),
    out,
    given,
    budget: new Budget(),

    blocks: new Map(),
    load,
    capture,
    macro: macroOf,
  }
  try {
    runTemplate(frame)
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    throw inputProblem({ file: path }, 'expression is nested too deep', 'split it with `set`')
  }
  return { type: 'text', parts: out.parts() }
}

/** A path beside a template. A template of a package has a path that begins with `./`, and so have those beside it. */
const besideOf = (from: string, name: string): string => `${from.startsWith('./') ? './' : ''}${join(dirname(from), name)}`

/** Files that were read, by content: many hosts use the same template. */
const texts = new Map<string, { readonly path: string; readonly text: string }>()
const MAX_KEPT = 500

const textOf = (path: string, { sha256, size, open }: LocalFile): { readonly path: string; readonly text: string } => {
  const key = `${sha256} ${path}`
  const known = texts.get(key)
  if (known !== undefined) return known
  if (size > MAX_BYTES)
    throw inputProblem({ file: path }, 'template is larger than 1 MiB', 'copy the file with `source`, without a template')
  const text = asText(open())
  if (text === undefined)
    throw new Problem({
      class: 'input',
      where: { file: path },
      what: 'template is not text',
      fix: 'copy the file with `source`, without a template',
    })
  if (texts.size >= MAX_KEPT) texts.clear()
  texts.set(key, { path, text })
  return { path, text }
}
