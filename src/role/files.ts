import { lstatSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { isWithin } from '../disk/within.ts'
import { Problem } from '../problem.ts'
import { type LocalFile, sha256Hex } from '../resource/kind/content.ts'
import { InvalidArchive, unpack } from './archive.ts'

/** A file of the project, by its path below a directory. */
export interface ProjectFile {
  readonly path: string
  readonly content: LocalFile
}

/**
 * All files below a directory of the project or in one of its archives, sorted by path. Leaves out hidden files. With `name`, only the file
 * of this name in the directory, also a hidden one; no other file is read. Throws an input error for links that lead out of the project
 * and for files over 1 GB.
 */
export const projectFiles = (root: string, directory: string, name?: string): readonly ProjectFile[] =>
  filesBelow({ directory: root, is: 'project' }, directory, name)

/** Reads files below a directory of the project, or of a package. */
type ReadFiles = (directory: string, name?: string) => readonly ProjectFile[]

const names = new WeakMap<ReadFiles, (path: string) => string>()

/** Returns `files`, with the names that messages have for its paths. */
export const named = (files: ReadFiles, nameOf: (path: string) => string): ReadFiles => {
  names.set(files, nameOf)
  return files
}

/** Returns the name of a path in messages: that of a file of a package begins with the name of the package. */
export const nameIn = (files: ReadFiles, path: string): string => names.get(files)?.(path) ?? path

/** Calls a function. Its problems get the names that messages have for the files in which they are. */
export const namingFiles = <T>(files: ReadFiles, act: () => T): T => {
  try {
    return act()
  } catch (error) {
    if (!(error instanceof Problem) || !('file' in error.where)) throw error
    const { class: sort, where, what, why, fix } = error
    const parts = { class: sort, where: { ...where, file: nameIn(files, where.file) }, what, fix }
    throw new Problem(why === undefined ? parts : { ...parts, why }, { cause: error.cause })
  }
}

/** The directory that paths begin at. `shown` is its name in messages: that of a package. */
export interface Base {
  readonly directory: string
  readonly is: 'project' | 'package'
  readonly shown?: string
}

/** The files of a project or of a package, by the same rules. */
export const filesBelow = ({ directory: root, is, shown }: Base, directory: string, name?: string): readonly ProjectFile[] => {
  const base = resolve(root, directory)
  const place = name === undefined ? base : join(base, name)
  const problem = (what: string, fix: string): Problem => {
    const path = relative(root, place) || (shown === undefined ? place : '')
    return new Problem({ class: 'input', where: { file: shown === undefined ? path : `${shown}/${path}` }, what, fix })
  }
  if (ARCHIVE.test(base) && statSync(base, { throwIfNoEntry: false })?.isFile()) {
    if (!isWithin(root, base)) throw problem(`archive is outside the ${is}`, `copy the archive into the ${is}`)
    try {
      return packedFiles(base).filter(({ path }) => name === undefined || path === name)
    } catch (error) {
      if (error instanceof InvalidArchive)
        throw problem(`archive ${error.message}`, 'pack regular files: tar -czf site.tar.gz -C DIRECTORY .')
      throw problem(`archive cannot be read (${codeOf(error)})`, 'let your account read it (chmod, chown)')
    }
  }
  let paths: readonly string[]
  try {
    paths = name === undefined ? visibleFiles(base) : existing(place)
  } catch (error) {
    if (error instanceof UnreadableName)
      throw problem(
        `the name of ${relative(base, error.path)} is not UTF-8`,
        `rename it; ls -b ${relative(root, dirname(error.path)) || '.'} shows its bytes`,
      )
    const code = codeOf(error)
    if (code === 'ENOENT') throw problem('directory does not exist', 'create it, or correct the option that names it')
    throw problem(`directory cannot be read (${code})`, `name a directory of the ${is} that your account can read`)
  }
  return paths.toSorted().map((path) => {
    const found = relative(base, path).split(sep).join('/')
    return {
      path: found,
      content: checkedFile({ directory: root, is }, path, (what, fix) => problem(`${name === undefined ? found : 'path'} ${what}`, fix)),
    }
  })
}

/** Opens a file. Only regular files are opened: reading a named pipe would block. */
const checkedFile = ({ directory: root, is }: Base, path: string, problem: (what: string, fix: string) => Problem): LocalFile => {
  const found = statSync(path, { throwIfNoEntry: false })
  if (!found?.isFile())
    throw problem(`is ${found === undefined ? 'a dangling link' : 'not a regular file'}`, 'replace it with a regular file')
  if (!isWithin(root, path)) throw problem(`leads out of the ${is}`, 'replace the link with the file')
  if (found.size > MAX_BYTES) throw problem('is larger than 1 GB', 'copy it to the hosts by other means')
  try {
    return localFile(path, (found.mode & 0o100) !== 0)
  } catch (error) {
    throw problem(`cannot be read (${codeOf(error)})`, 'let your account read it (chmod, chown)')
  }
}

/** A file whose name is not UTF-8. The path has U+FFFD in place of the invalid bytes. */
class UnreadableName extends Error {
  readonly path: string
  constructor(path: string) {
    super(path)
    this.path = path
  }
}

const existing = (path: string): readonly string[] => (lstatSync(path, { throwIfNoEntry: false }) === undefined ? [] : [path])

// The option `recursive` of readdir follows links to directories, cycles included. Here a link is one entry.
const visibleFiles = (directory: string): readonly string[] =>
  readdirSync(directory, { withFileTypes: true })
    .filter(({ name }) => !name.startsWith('.'))
    .flatMap((entry) => {
      const path = join(directory, entry.name)
      // Invalid bytes are read as U+FFFD, and no file has the name that is read.
      if (entry.name.includes('\uFFFD') && existing(path).length === 0) throw new UnreadableName(path)
      return entry.isDirectory() ? visibleFiles(path) : [path]
    })

const MAX_BYTES = 2 ** 30
const ARCHIVE = /\.(tar|tar\.gz|tgz)$/

const packedFiles = (archive: string): readonly ProjectFile[] =>
  unpack(readFileSync(archive), MAX_BYTES)
    .filter(({ path }) => !path.split('/').some((part) => part.startsWith('.')))
    .map(({ path, bytes, isExecutable }) => ({
      path,
      content: {
        ...{ type: 'local' as const, path: `${archive}/${path}`, sha256: sha256Hex(bytes), size: bytes.length },
        ...(isExecutable && { isExecutable }),
        open: () => bytes,
      },
    }))
    .sort((one, other) => (one.path < other.path ? -1 : 1))

const codeOf = (error: unknown): unknown => (error instanceof Error && 'code' in error ? error.code : error)

const localFile = (path: string, isExecutable: boolean): LocalFile => {
  const bytes = readFileSync(path)
  return {
    type: 'local',
    path,
    sha256: sha256Hex(bytes),
    size: bytes.length,
    ...(isExecutable && { isExecutable }),
    open: () => readFileSync(path),
  }
}
