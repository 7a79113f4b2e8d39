import { closeSync, constants, existsSync, fchownSync, fsyncSync, mkdirSync, openSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** Owner of a file. */
export interface Owner {
  readonly uid: number
  readonly gid: number
}

/** An open directory. Its entries stay reachable if another account renames a directory above it. */
export interface Folder {
  /** The path of an entry. */
  at(name: string): string
  /** Flushes its entries to disk. */
  sync(): void
  close(): void
}

const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = constants

/** Mode of project directories: the umask decides whether the group may write; others may not. */
export const SHARED = 0o775
/** Mode of directories that hold keys. */
export const PRIVATE = 0o700

/** Creates a directory and its parents. */
export const makeDirectory = (path: string, mode = SHARED): void => {
  // `recursive` reports ENOENT on a read-only file system, which hides the cause.
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) return
  try {
    mkdirSync(path, mode)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST' && statSync(path, { throwIfNoEntry: false })?.isDirectory()) return
    if (code !== 'ENOENT' || dirname(path) === path) throw error
    makeDirectory(dirname(path), mode)
    makeDirectory(path, mode)
  }
}

/** Opens a directory. */
export const openFolder = (path: string): Folder => folderOf(openSync(path, O_RDONLY | O_DIRECTORY), path)

/**
 * Opens a directory below `root`, which may belong to another account: root works in a user's project. Follows no link below `root`, and
 * creates missing directories for that account.
 */
export const openFolderBelow = (root: string, names: readonly string[], owner: Owner): Folder => {
  let fd = openSync(root, O_RDONLY | O_DIRECTORY)
  let path = root
  try {
    for (const name of names) {
      const next = entryOf(fd, path, name)
      const isMade = makesDirectory(next)
      const opened = openSync(next, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
      if (isMade) fchownSync(opened, owner.uid, owner.gid)
      closeSync(fd)
      fd = opened
      path = join(path, name)
    }
  } catch (error) {
    closeSync(fd)
    throw error
  }
  return folderOf(fd, path)
}

const makesDirectory = (path: string): boolean => {
  try {
    mkdirSync(path, 0o755)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

const folderOf = (fd: number, path: string): Folder => ({
  at: (name) => entryOf(fd, path, name),
  sync: () => {
    try {
      fsyncSync(fd)
    } catch {
      // Some file systems (FUSE, SMB) cannot sync a directory. The file itself is synced.
    }
  },
  close: () => closeSync(fd),
})

// Linux resolves the descriptor instead of the path. Other systems have only the path.
const entryOf = (fd: number, path: string, name: string): string => (hasDescriptors ? `/proc/self/fd/${fd}/${name}` : join(path, name))

const hasDescriptors = existsSync('/proc/self/fd')
