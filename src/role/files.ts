import { readdirSync, readFileSync, realpathSync, statSync } from 'node:fs'
import { join, relative, resolve, sep } from 'node:path'
import { Problem } from '../problem.ts'
import { type LocalFile, sha256Hex } from '../resource/kind/content.ts'
import { Unfit, unpack } from './archive.ts'

/** All files below a directory of the project, or in an archive of it, sorted by path; hidden files are left out, links out of the project refused. */
export const projectFiles = (root: string, directory: string): readonly { path: string; content: LocalFile }[] => {
  const base = resolve(root, directory)
  const problem = (what: string, fix: string): Problem =>
    new Problem({ class: 'input', where: { file: relative(root, base) || base }, what, fix })
  if (ARCHIVE.test(base) && statSync(base, { throwIfNoEntry: false })?.isFile()) {
    if (!isWithin(root, base)) throw problem('leads out of the project', 'put the archive itself there')
    try {
      return packedFiles(base)
    } catch (error) {
      if (error instanceof Unfit) throw problem(error.message, 'pack plain files: tar -czf site.tar.gz -C DIRECTORY .')
      throw problem(`cannot be read (${codeOf(error)})`, 'make it readable to you')
    }
  }
  let paths: readonly string[]
  try {
    paths = shownBelow(base)
  } catch (error) {
    const code = codeOf(error)
    if (code === 'ENOENT') throw problem('there is no such directory', 'make it, or correct the option that names it')
    throw problem(`cannot be read (${code})`, 'name a directory of the project that you may read')
  }
  return paths.toSorted().map((path) => {
    const name = relative(base, path).split(sep).join('/')
    // What is no file is never opened: reading a named pipe would wait for ever.
    const found = statSync(path, { throwIfNoEntry: false })
    if (!found?.isFile()) throw problem(`${name} is ${found === undefined ? 'a link to nothing' : 'not a plain file'}`, 'put a file there')
    if (!isWithin(root, path)) throw problem(`${name} leads out of the project`, 'put the file itself there')
    if (found.size > MOST_BYTES) throw problem(`${name} is larger than 1 GB`, 'bring it to the hosts by other means')
    try {
      return { path: name, content: localFile(path) }
    } catch (error) {
      throw problem(`${name} cannot be read (${codeOf(error)})`, 'make it readable to you')
    }
  })
}

// `recursive` of readdir goes into links to directories, also round and round; a link is one entry here, whatever it leads to.
const shownBelow = (directory: string): readonly string[] =>
  readdirSync(directory, { withFileTypes: true })
    .filter(({ name }) => !name.startsWith('.'))
    .flatMap((entry) => {
      const path = join(directory, entry.name)
      return entry.isDirectory() ? shownBelow(path) : [path]
    })

const MOST_BYTES = 2 ** 30
const ARCHIVE = /\.(tar|tar\.gz|tgz)$/

const isWithin = (root: string, path: string): boolean => `${realpathSync(path)}${sep}`.startsWith(`${realpathSync(root)}${sep}`)

const packedFiles = (archive: string): readonly { path: string; content: LocalFile }[] =>
  unpack(readFileSync(archive), MOST_BYTES)
    .filter(({ path }) => !path.split('/').some((part) => part.startsWith('.')))
    .map(({ path, bytes }) => ({
      path,
      content: { type: 'local' as const, path: `${archive}/${path}`, sha256: sha256Hex(bytes), size: bytes.length, open: () => bytes },
    }))
    .sort((one, other) => (one.path < other.path ? -1 : 1))

const codeOf = (error: unknown): unknown => (error instanceof Error && 'code' in error ? error.code : error)

const localFile = (path: string): LocalFile => {
  const bytes = readFileSync(path)
  return {
    type: 'local',
    path,
    sha256: sha256Hex(bytes),
    size: bytes.length,
    open: () => readFileSync(path),
  }
}
