import { realpathSync } from 'node:fs'
import { basename, dirname, join, sep } from 'node:path'

/** Whether an absolute path is a directory or in it, links resolved. The end of a path may not exist. */
export const isWithin = (directory: string, path: string): boolean => inside(path).startsWith(inside(directory))

const inside = (path: string): string => {
  const real = realPath(path)
  return real.endsWith(sep) ? real : `${real}${sep}`
}

/** Returns the path without links, as far as it exists. */
const realPath = (path: string): string => {
  try {
    return realpathSync(path)
  } catch {
    const above = dirname(path)
    return above === path ? path : join(realPath(above), basename(path))
  }
}
