import { relative, resolve } from 'node:path'
import { statPath } from './read.ts'

/** The playbooks of the project, for names that a host's ownership records have. */
export interface ProjectPlaybooks {
  /** One name for each file, relative to the project, however the path was given. */
  nameOf(path: string): string
  /** Whether the project has no such file any more. */
  isMissing(path: string): boolean
}

/** A host can have anything in its records, so longer names are not looked up. */
const MAX_LENGTH = 255

/** Asks only whether a file exists, and only within the project. A playbook elsewhere belongs to somebody else, so it is never missing. */
export const playbooksIn = (root: string): ProjectPlaybooks => {
  const known = new Map<string, boolean>()
  const nameOf = (path: string): string => relative(root, resolve(root, path))
  const isMissing = (path: string): boolean => {
    const name = nameOf(path)
    if (name === '' || name === '..' || name.startsWith('../') || name.length > MAX_LENGTH) return false
    const found = known.get(name) ?? isAbsent(root, name)
    known.set(name, found)
    return found
  }
  return { nameOf, isMissing }
}

const isAbsent = (root: string, path: string): boolean => {
  try {
    return statPath(root, path) === undefined
  } catch {
    // It cannot be read, or its name is none.
    return false
  }
}
