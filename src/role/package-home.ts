import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** The root folder of this package, for sources as well as for the build. */
export const packageHome = (): string => {
  let directory = import.meta.dirname
  while (!isOurs(directory)) {
    if (dirname(directory) === directory) throw new Error('provision cannot find its own package.json')
    directory = dirname(directory)
  }
  return directory
}

const isOurs = (directory: string): boolean => {
  const path = join(directory, 'package.json')
  return existsSync(path) && (JSON.parse(readFileSync(path, 'utf8')) as { name?: string }).name === 'provision'
}
