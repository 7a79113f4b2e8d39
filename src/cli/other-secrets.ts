import { type Dirent, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { isEncrypted } from '../keystore/age.ts'

/** The secrets files that were found, and whether the whole project was searched. */
export interface OtherSecrets {
  readonly files: readonly string[]
  readonly isComplete: boolean
}

/** Limit of the search. A project has a few hundred directories. */
const MAX_DIRECTORIES = 5000
const MAX_BYTES = 1_048_576

/**
 * Returns the encrypted secrets.yaml files of the project's other inventories. Skips hidden directories, node_modules and links to
 * directories.
 */
export const otherSecrets = (root: string, path: string, maxDirectories = MAX_DIRECTORIES): OtherSecrets => {
  const known = new Set([realPath(resolve(root, path))])
  const files: string[] = []
  const directories = ['']
  // Subdirectories are appended while the loop runs: a breadth-first search.
  for (let i = 0; i < Math.min(directories.length, maxDirectories); i++) {
    const directory = directories[i] ?? ''
    for (const entry of entriesOf(join(root, directory))) {
      const found = join(directory, entry.name)
      if (entry.isDirectory()) {
        if (!entry.name.startsWith('.') && entry.name !== 'node_modules') directories.push(found)
      } else if (entry.name === 'secrets.yaml' && isEncryptedFile(join(root, found))) {
        const real = realPath(join(root, found))
        if (!known.has(real)) files.push(found)
        known.add(real)
      }
    }
  }
  return { files: files.sort(), isComplete: directories.length <= maxDirectories }
}

const entriesOf = (directory: string): readonly Dirent[] => attempt(() => readdirSync(directory, { withFileTypes: true })) ?? []

// Opens regular files only, also through a link: reading a named pipe would block.
const isEncryptedFile = (path: string): boolean =>
  attempt(() => {
    const status = statSync(path)
    return status.isFile() && status.size <= MAX_BYTES && isEncrypted(readFileSync(path))
  }) ?? false

const realPath = (path: string): string => attempt(() => realpathSync(path)) ?? path

/** Returns undefined on an error: a file that cannot be read cannot be rotated either. */
const attempt = <T>(read: () => T): T | undefined => {
  try {
    return read()
  } catch {
    return undefined
  }
}
