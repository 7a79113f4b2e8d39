import { type Dirent, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { isEncrypted } from '../keystore/age.ts'

/** What was found, and whether there was more to look through than is. */
export interface Found {
  readonly files: readonly string[]
  readonly all: boolean
}

/** A project has a few hundred directories; whoever has many more keeps something else in them. */
const MOST_DIRECTORIES = 5000
const MOST_BYTES = 1_048_576

/**
 * The encrypted secrets.yaml files of a project beside one of them: those of its other inventories. What is hidden or installed is not
 * looked through, and no link to a directory is followed.
 */
export const otherSecrets = (root: string, one: string, most = MOST_DIRECTORIES): Found => {
  const known = new Set([realPath(resolve(root, one))])
  const files: string[] = []
  const directories = ['']
  // The list grows while it is gone through, so that what is nearest comes first.
  for (let i = 0; i < Math.min(directories.length, most); i++) {
    const directory = directories[i] ?? ''
    for (const entry of entriesOf(join(root, directory))) {
      const path = join(directory, entry.name)
      if (entry.isDirectory()) {
        if (!entry.name.startsWith('.') && entry.name !== 'node_modules') directories.push(path)
      } else if (entry.name === 'secrets.yaml' && isSecrets(join(root, path))) {
        const real = realPath(join(root, path))
        if (!known.has(real)) files.push(path)
        known.add(real)
      }
    }
  }
  return { files: files.sort(), all: directories.length <= most }
}

const entriesOf = (directory: string): readonly Dirent[] => attempt(() => readdirSync(directory, { withFileTypes: true })) ?? []

// Only what is a plain file is opened, be it through a link: reading a named pipe would wait for ever.
const isSecrets = (path: string): boolean =>
  attempt(() => {
    const found = statSync(path)
    return found.isFile() && found.size <= MOST_BYTES && isEncrypted(readFileSync(path))
  }) ?? false

const realPath = (path: string): string => attempt(() => realpathSync(path)) ?? path

/** What cannot be looked at is not ours to rotate either. */
const attempt = <T>(look: () => T): T | undefined => {
  try {
    return look()
  } catch {
    return undefined
  }
}
