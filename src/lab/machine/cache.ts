import { mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { withLock } from './lock.ts'

/** The directory that all labs of this machine share: images, tools, downloaded packages. */
export const CACHE = '/var/cache/provision'

/**
 * A cached directory. `make` fills a temporary one, which is then renamed, so that an interruption leaves no incomplete directory. A second
 * command waits for the first.
 */
export const cached = async (path: string, make: (directory: string) => Promise<void>): Promise<string> => {
  if (!(await exists(path)))
    await withLock({ path: `${path}.lock`, what: `${path} has been`, minutes: 60 }, async () => {
      if (!(await exists(path))) await fill(path, make)
    })
  return path
}

const fill = async (path: string, make: (directory: string) => Promise<void>) => {
  await removeOld(`${path}.new-`)
  const made = await mkdtemp(`${path}.new-`)
  try {
    await make(made)
    await rename(made, path)
  } finally {
    await rm(made, { recursive: true, force: true })
  }
}

/** Whether the path exists. */
export const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  )

const ONE_HOUR = 3_600_000

/** Removes temporary directories of killed commands, whose paths begin like this. A recent one may be in use. */
export const removeOld = async (prefix: string) => {
  for (const name of await readdir(dirname(prefix))) {
    const path = join(dirname(prefix), name)
    if (path.startsWith(prefix) && Date.now() - (await stat(path)).mtimeMs > ONE_HOUR) await rm(path, { recursive: true, force: true })
  }
}
