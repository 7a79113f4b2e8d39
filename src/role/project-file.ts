import { Problem } from '../problem.ts'
import type { LocalFile } from '../resource/kind/content.ts'
import { nameIn } from './files.ts'
import type { HostContext } from './role.ts'

type Files = Pick<HostContext<unknown>, 'files'>

/** The file of the project at this path, also a hidden one. No other file is read. If there is none, throws an input error at the option that names it, with this `fix`. */
export const projectFile = (context: Files, path: string, fix: string): LocalFile => {
  const found = findProjectFile(context, path)
  if (found !== undefined) return found
  throw new Problem({ class: 'input', where: { file: nameIn(context.files, path) }, what: missingFile(context, path), fix })
}

const missingFile = ({ files }: Files, path: string): string =>
  `file does not exist in the ${nameIn(files, path) === path ? 'project' : 'package'}`

/** The file of the project at this path; undefined if its directory has none with this name. */
export const findProjectFile = ({ files }: Files, path: string): LocalFile | undefined => {
  const end = path.lastIndexOf('/')
  const name = path.slice(end + 1)
  return files(end < 0 ? '' : path.slice(0, end) || '/', name).find((one) => one.path === name)?.content
}
