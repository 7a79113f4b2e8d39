import { createHash } from 'node:crypto'
import { type Dirent, readdirSync, readFileSync, realpathSync } from 'node:fs'
import { join, relative, resolve, sep } from 'node:path'
import { Problem } from '../problem.ts'
import type { LocalFile } from '../resource/content.ts'

/** All files below a directory of the project, sorted by path; hidden files are left out, links out of the project refused. */
export const projectFiles = (root: string, directory: string): readonly { path: string; content: LocalFile }[] => {
  const base = resolve(root, directory)
  const problem = (what: string, fix: string): Problem =>
    new Problem({ class: 'input', where: { file: relative(root, base) || base }, what, fix })
  let entries: Dirent[]
  try {
    entries = readdirSync(base, { recursive: true, withFileTypes: true })
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : error
    if (code === 'ENOENT') throw problem('there is no such directory', 'make it, or correct the option that names it')
    throw problem(`cannot be read (${code})`, 'name a directory of the project that you may read')
  }
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter(
      (path) =>
        !relative(base, path)
          .split(sep)
          .some((part) => part.startsWith('.')),
    )
    .sort()
    .map((path) => {
      if (!`${realpathSync(path)}${sep}`.startsWith(`${realpathSync(root)}${sep}`))
        throw problem(`${relative(base, path)} leads out of the project`, 'put the file itself there')
      return { path: relative(base, path).split(sep).join('/'), content: localFile(path) }
    })
}

const localFile = (path: string): LocalFile => {
  const bytes = readFileSync(path)
  return {
    type: 'local',
    path,
    sha256: createHash('sha256').update(bytes).digest('hex'),
    size: bytes.length,
    open: () => readFileSync(path),
  }
}
