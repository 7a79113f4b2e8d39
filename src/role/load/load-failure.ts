import { readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, relative } from 'node:path'
import type { ProblemParts } from '../../problem.ts'
import { nearest } from '../../site/source/suggest.ts'
import { type Place, placeOfError } from '../error-place.ts'
import { packageHome } from '../package-home.ts'

/** Returns the place, the cause and the fix of a module that cannot be loaded. `fallback` is the fix if the error does not suggest one. */
export const loadFailure = async (
  error: unknown,
  path: string,
  fallback: string,
): Promise<{ readonly where: ProblemParts['where']; readonly why: string; readonly fix: string }> => {
  const why = error instanceof Error ? error.message : String(error)
  const place = placeOfSyntax(error) ?? placeOfImport(why) ?? placeOfError(error, [packageHome()])
  const where = place === undefined ? { file: shown(path) } : { ...place, file: shown(place.file) }
  return { where, why: shortened(why), fix: (await suggested(error, why)) ?? fallback }
}

const shown = (path: string): string => relative(process.cwd(), path)

/** The place of a syntax error. Node writes it above the stack: the file with the line, the source, and carets below the column. */
const placeOfSyntax = (error: unknown): Place | undefined => {
  const [head = '', ...lines] = error instanceof SyntaxError ? (error.stack ?? '').split('\n') : []
  const [, file, line] = /^(?:file:\/\/)?(\/.*):(\d+)$/.exec(head) ?? []
  const carets = lines.find((text) => /^\s*\^+\s*$/.test(text))
  if (file === undefined || carets === undefined) return undefined
  return { file: decodeURIComponent(file.split('?')[0] ?? file), line: Number(line), column: carets.indexOf('^') + 1 }
}

const MISSING = /^Cannot find (?:module|package) '(.+)' imported from (\/.+)$/

/** The place of an import whose module does not exist. Node names only the file that contains it. */
const placeOfImport = (message: string): Place | undefined => {
  const [, module = '', file] = MISSING.exec(message) ?? []
  if (file === undefined) return undefined
  const lines = linesOf(file)
  const line = lines.findIndex((text) => /\b(?:import|from)\b/.test(text) && columnOf(text, module) > 0)
  return line === -1 ? undefined : { file, line: line + 1, column: columnOf(lines[line] ?? '', module) }
}

/** The column of the quoted specifier of a module, from 1; 0 if the line has none. */
const columnOf = (line: string, module: string): number => {
  const specifiers = [...line.matchAll(/'[^']*'|"[^"]*"/g)]
  return (specifiers.find(([text]) => basename(text.slice(1, -1)) === basename(module) || text.slice(1, -1) === module)?.index ?? -1) + 1
}

const linesOf = (file: string): readonly string[] => {
  try {
    return readFileSync(file, 'utf8').split('\n')
  } catch {
    return []
  }
}

/** A fix for what the message names: another export, another file, a package to install. */
const suggested = async (error: unknown, message: string): Promise<string | undefined> => {
  const [, from, name] = /module '([^']+)' does not provide an export named '([^']+)'/.exec(message) ?? []
  if (from !== undefined && name !== undefined) return meant(name, await exportsOf(from))
  const [, missing] = MISSING.exec(message) ?? []
  if (missing?.startsWith('/')) return meant(basename(missing), filesIn(dirname(missing)))
  if (missing !== undefined) return meant(missing, ['provision']) ?? `run npm install ${missing}`
  const [, unknown] = /^(\w+) is not defined$/.exec(message) ?? []
  if (unknown !== undefined && (await exportsOf('provision')).includes(unknown)) return `import it: import { ${unknown} } from 'provision'`
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  if (code === 'ERR_INVALID_TYPESCRIPT_SYNTAX') return 'correct the syntax'
  if (code === 'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX')
    return 'use only syntax that Node can remove: for example, a union of strings in place of an enum'
  return undefined
}

const meant = (word: string, known: readonly string[]): string | undefined => {
  const near = nearest(word, known)
  return near === undefined ? undefined : `did you mean \`${near}\`?`
}

/** The names that role authors can import; none for modules of others, which are not loaded for a suggestion. */
const exportsOf = async (module: string): Promise<readonly string[]> => {
  if (!/^provision(\/\w+)?$/.test(module)) return []
  return Object.keys((await import(module).catch(() => ({}))) as object)
}

const filesIn = (directory: string): readonly string[] => {
  try {
    return readdirSync(directory)
  } catch {
    return []
  }
}

const shortened = (message: string): string =>
  message.replace(MISSING, (_, module: string) => `${module.startsWith('/') ? shown(module) : module} does not exist`)
