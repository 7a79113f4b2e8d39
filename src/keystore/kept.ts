import { lstatSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { SHARED } from '../disk/folder.ts'
import { writeWhole } from '../disk/write.ts'
import { Problem } from '../problem.ts'

/** The directory of a project's identities. */
export const IDENTITIES = 'identities'

/** Keys and public parts have a few hundred bytes. */
const MAX_KB = 64

/** The bytes of an identity file, or undefined if there is none. Opens only regular files: reading a named pipe would block. */
export const readKept = (root: string, file: string, maxKb = MAX_KB): Uint8Array | undefined => {
  const path = join(root, file)
  try {
    const found = lstatSync(path, { throwIfNoEntry: false })
    if (found === undefined) return undefined
    if (found.isFile() && found.size <= maxKb * 1024) return readFileSync(path)
  } catch (error) {
    throw keptProblem(file, 'cannot be read', 'replace it with a file that your account can read', error)
  }
  throw keptProblem(file, `is not a regular file of at most ${maxKb} KB`, RESTORE_FIX)
}

/** The names of all files in `identities/`. */
export const keptNames = (root: string): readonly string[] => {
  try {
    return readdirSync(join(root, IDENTITIES))
  } catch (error) {
    if (isCode(error, 'ENOENT')) return []
    throw keptProblem(IDENTITIES, 'directory cannot be read', 'replace it with a directory that your account can read', error)
  }
}

/** Writes a new file atomically. Leaves an existing file unchanged. */
export const keepNew = (root: string, file: string, bytes: Uint8Array | string, mode: number): void =>
  void writeWhole(join(root, file), bytes, { mode, directory: SHARED, onlyNew: true, shown: file })

/** Writes or replaces a file atomically, world-readable by default. */
export const keep = (root: string, file: string, bytes: Uint8Array | string, mode = 0o644): void =>
  void writeWhole(join(root, file), bytes, { mode, directory: SHARED, shown: file })

const isCode = (error: unknown, code: string): boolean => error instanceof Error && 'code' in error && error.code === code

export const RESTORE_FIX = 'restore it from version control or a backup'

/** A problem with a file in `identities/`. */
export const keptProblem = (file: string, what: string, fix: string, cause?: unknown): Problem =>
  new Problem(
    { class: 'input', where: { file }, what: `identity ${what}`, ...(cause instanceof Error ? { why: cause.message } : {}), fix },
    { cause },
  )
