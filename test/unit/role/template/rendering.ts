import { placeOf, problemsIn } from '../../../../src/problem.ts'
import { bytesOf, type LocalFile, sha256Hex, type Text } from '../../../../src/resource/kind/content.ts'
import { render } from '../../../../src/role/template/render.ts'
import { fromPlain } from '../../../../src/role/template/value.ts'

type Values = Readonly<Record<string, unknown>>

const fileOf = (path: string, text: string): LocalFile => {
  const bytes = Buffer.from(text)
  return { type: 'local', path, sha256: sha256Hex(bytes), size: bytes.length, open: () => bytes }
}

/** Renders the template `t.j2`, with other files beside it. */
export const content = (text: string, values: Values = {}, files: Readonly<Record<string, string>> = {}): Text => {
  const all: Readonly<Record<string, string>> = { ...files, 't.j2': text }
  const find = (path: string): LocalFile | undefined => (all[path] === undefined ? undefined : fileOf(path, all[path]))
  return render('t.j2', find, new Map([['values', () => fromPlain(values, 'values')]]))
}

export const rendered = (text: string, values: Values = {}, files: Readonly<Record<string, string>> = {}): string =>
  Buffer.from(bytesOf(content(text, values, files))).toString()

/** The problem of a template: `file:line:column what`. */
export const problem = (text: string, values: Values = {}, files: Readonly<Record<string, string>> = {}): string => {
  try {
    return `rendered ${rendered(text, values, files)}`
  } catch (error) {
    const [found] = problemsIn(error) ?? []
    if (found === undefined) throw error
    return `${placeOf(found.where)} ${found.what}`
  }
}

export const fixOf = (text: string, values: Values = {}): string => {
  try {
    return `rendered ${rendered(text, values)}`
  } catch (error) {
    return problemsIn(error)?.[0]?.fix ?? String(error)
  }
}
