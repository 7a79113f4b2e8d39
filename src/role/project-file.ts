import { Problem } from '../problem.ts'
import type { LocalFile } from '../resource/kind/content.ts'
import type { HostContext } from './role.ts'

/** One file of the project, which an option names by its path there; where there is none, an input error at that option that says what to do. */
export const projectFile = ({ files }: Pick<HostContext<unknown>, 'files'>, path: string, fix: string): LocalFile => {
  const end = path.lastIndexOf('/')
  const found = files(end < 0 ? '.' : path.slice(0, end)).find((one) => one.path === path.slice(end + 1))
  if (found !== undefined) return found.content
  throw new Problem({ class: 'input', where: { file: path }, what: 'the project has no such file', fix })
}
