import { randomBytes } from 'node:crypto'
import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fsyncSync,
  linkSync,
  lstatSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  type Stats,
  writeFileSync,
} from 'node:fs'
import { basename, dirname } from 'node:path'
import { systemProblem } from '../problem.ts'
import { type Folder, makeDirectory, type Owner, openFolder } from './folder.ts'
import { targetOf } from './target.ts'

/** Options of a write. */
export interface Writing {
  /** Mode of the file, independent of the umask. */
  readonly mode: number
  /** Mode of missing parent directories; without it they must exist. */
  readonly directory?: number
  /** Keeps mode, owner and group of a replaced file as far as this account may; removes write permission of others. */
  readonly keepsMode?: boolean
  /** Leaves an existing file unchanged. */
  readonly onlyNew?: boolean
  /** Owner of the file, if not this account. */
  readonly owner?: Owner
  /** Path as the user knows it, for problems. */
  readonly shown?: string
}

const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants

/**
 * Writes a file atomically, also across a power cut: a new file with a random name in the same directory is synced and renamed. Throws a
 * `Problem` if the system refuses; the old file then stays. Returns false if `onlyNew` found a file.
 */
export const writeWhole = (path: string, contents: Uint8Array | string, writing: Writing): boolean => {
  const { shown = path } = writing
  return reporting(shown, () => {
    const { folder, name } = openPlace(path, shown, writing)
    try {
      return writeIn(folder, name, contents, writing)
    } finally {
      folder.close()
    }
  })
}

/** The directory of a file, made if `directory` says so, and the name of the file in it. */
const openPlace = (path: string, shown: string, { directory }: Writing): { readonly folder: Folder; readonly name: string } => {
  const target = targetOf(path, shown)
  if (directory !== undefined) makeDirectory(dirname(target), directory)
  return { folder: openFolder(dirname(target)), name: basename(target) }
}

/** Like `writeWhole`, in an open directory. Replaces a link with that name instead of following it. */
export const writeIn = (folder: Folder, name: string, contents: Uint8Array | string, writing: Writing): boolean => {
  if (writing.onlyNew && lstatSync(folder.at(name), { throwIfNoEntry: false }) !== undefined) return false
  const part = openPart(folder)
  try {
    part.write(contents)
    return part.finish(name, writing)
  } finally {
    part.close()
  }
}

/** A file that is written in pieces. It gets its name when it is finished. */
export interface PartialFile {
  /** Adds bytes. Throws a `Problem` if the system refuses. */
  write(chunk: Uint8Array): void
  /** Gives the file its name. Throws a `Problem` if the system refuses; the old file then stays. */
  finish(): void
  /** Removes the file if it was not finished. */
  close(): void
}

/** Like `writeWhole`, for content that arrives in pieces and need not fit into memory. */
export const writeInPieces = (path: string, writing: Omit<Writing, 'onlyNew'>): PartialFile => {
  const { shown = path } = writing
  return reporting(shown, () => {
    const { folder, name } = openPlace(path, shown, writing)
    const part = openedIn(folder)
    return {
      write: (chunk) => reporting(shown, () => part.write(chunk)),
      finish: () => {
        reporting(shown, () => part.finish(name, writing))
      },
      close: () => {
        part.close()
        folder.close()
      },
    }
  })
}

/** Like `openPart`, but closes the directory if that fails. */
const openedIn = (folder: Folder): ReturnType<typeof openPart> => {
  try {
    return openPart(folder)
  } catch (error) {
    folder.close()
    throw error
  }
}

/** A new file with a random name in a directory. */
const openPart = (folder: Folder) => {
  const temporary = `${OURS}${randomBytes(8).toString('hex')}.tmp`
  const fd = openSync(folder.at(temporary), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600)
  return {
    write: (contents: Uint8Array | string): void => writeFileSync(fd, contents),
    finish: (name: string, writing: Writing): boolean => {
      own(fd, lstatSync(folder.at(name), { throwIfNoEntry: false }), writing)
      fsyncSync(fd)
      if (writing.onlyNew) return putNew(folder, temporary, name)
      renameSync(folder.at(temporary), folder.at(name))
      return true
    },
    close: (): void => {
      closeSync(fd)
      removeTemporary(folder, temporary)
      folder.sync()
    },
  }
}

/** Runs `write`, and turns a failed system call into a `Problem` about the file. */
export const reporting = <T>(file: string, write: () => T): T => {
  try {
    return write()
  } catch (error) {
    throw systemProblem(error, { file, asked: 'written' }) ?? error
  }
}

const own = (fd: number, before: Stats | undefined, { mode, keepsMode, owner }: Writing): void => {
  if (owner !== undefined) fchownSync(fd, owner.uid, owner.gid)
  const isKept = keepsMode === true && before?.isFile() === true
  fchmodSync(fd, isKept ? before.mode & (keepsOwner(fd, before) ? 0o775 : 0o705) : mode)
}

/** Returns false if the group could not be kept: the new group must not gain access. */
const keepsOwner = (fd: number, { uid, gid }: Stats): boolean => {
  try {
    fchownSync(fd, process.geteuid?.() === 0 ? uid : -1, gid)
    return true
  } catch {
    return false
  }
}

/** Gives a finished file its name unless that is taken. A hard link does both in one step; some file systems have none. */
const putNew = (folder: Folder, temporary: string, name: string): boolean => {
  try {
    linkSync(folder.at(temporary), folder.at(name))
    return true
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException
    if (code === 'EEXIST') return false
    if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'].includes(code)) throw error
    if (lstatSync(folder.at(name), { throwIfNoEntry: false }) !== undefined) return false
    renameSync(folder.at(temporary), folder.at(name))
    return true
  }
}

const OURS = '.provision-'
const TEMPORARY = /^\.provision-[0-9a-f]{16}\.tmp$/
const ONE_HOUR = 3_600_000

/** Removes the temporary file of this write if it failed, and those of old interrupted writes. A recent one can be in use. */
const removeTemporary = (folder: Folder, own: string): void => {
  try {
    for (const name of readdirSync(folder.at('')).filter((each) => TEMPORARY.test(each))) {
      const found = lstatSync(folder.at(name), { throwIfNoEntry: false })
      const isOld = found?.isFile() && found.uid === process.geteuid?.() && Date.now() - found.mtimeMs > ONE_HOUR
      if (isOld || name === own) rmSync(folder.at(name), { force: true })
    }
  } catch {
    // A remaining file is harmless: it has mode 600 and a random name.
  }
}
