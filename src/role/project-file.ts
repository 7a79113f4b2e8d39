import { Problem } from '../problem.ts'
import type { LocalFile } from '../resource/kind/content.ts'
import type { HostContext } from './role.ts'

/** The file of the project at this path, also a hidden one. No other file is read. If there is none, throws an input error at the option that names it, with this `fix`. */
export const projectFile = ({ files }: Pick<HostContext<unknown>, 'files'>, path: string, fix: string): LocalFile => {
  const end = path.lastIndexOf('/')
  const name = path.slice(end + 1)
  const found = files(end < 0 ? '' : path.slice(0, end), name).find((one) => one.path === name)
  if (found !== undefined) return found.content
  throw new Problem({ class: 'input', where: { file: path }, what: 'file does not exist in the project', fix })
}
