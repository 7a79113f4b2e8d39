import { lstatSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { SHARED } from '../disk/folder.ts'
import { writeWhole } from '../disk/write.ts'
import { Problem } from '../problem.ts'

/** Where a project keeps its identities. */
export const IDENTITIES = 'identities'

/** Keys and public parts are a few hundred bytes; whatever is longer is something else. */
const MOST_BYTES = 65_536

/** A kept file's bytes, or undefined where there is nothing. Only a plain file is opened: reading a named pipe would wait for ever. */
export const readKept = (root: string, file: string): Uint8Array | undefined => {
  const path = join(root, file)
  try {
    const found = lstatSync(path, { throwIfNoEntry: false })
    if (found === undefined) return undefined
    if (found.isFile() && found.size <= MOST_BYTES) return readFileSync(path)
  } catch (error) {
    throw keptProblem(file, 'cannot be read', 'make it a file that you may read', error)
  }
  throw keptProblem(file, 'is not a file of ours', FROM_A_COPY)
}

/** The names of all files that are kept. */
export const keptNames = (root: string): readonly string[] => {
  try {
    return readdirSync(join(root, IDENTITIES))
  } catch (error) {
    if (isCode(error, 'ENOENT')) return []
    throw keptProblem(IDENTITIES, 'directory cannot be read', 'make it a directory that you may read', error)
  }
}

/** Writes a file that was not there, whole or not at all; where another was quicker, its file stays. */
export const keepNew = (root: string, file: string, bytes: Uint8Array | string, mode: number): void =>
  void writeWhole(join(root, file), bytes, { mode, directory: SHARED, onlyNew: true, shown: file })

/** Writes a file in place of what was there, one that everybody may read unless said otherwise. */
export const keep = (root: string, file: string, bytes: Uint8Array | string, mode = 0o644): void =>
  void writeWhole(join(root, file), bytes, { mode, directory: SHARED, shown: file })

const isCode = (error: unknown, code: string): boolean => error instanceof Error && 'code' in error && error.code === code

export const FROM_A_COPY = 'take it from your version control or a backup again'

/** A kept file that is not as it must be. */
export const keptProblem = (file: string, what: string, fix: string, cause?: unknown): Problem =>
  new Problem(
    { class: 'input', where: { file }, what: `the identity ${what}`, ...(cause instanceof Error ? { why: cause.message } : {}), fix },
    { cause },
  )
