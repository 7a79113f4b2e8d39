import { mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { makeDirectory } from '../../disk/folder.ts'

/** The directory that all labs of this machine share: images, tools, downloaded packages. */
export const CACHE = '/var/cache/provision'

/** A cached directory. `make` fills a temporary one, which is then renamed, so that an interruption leaves no incomplete directory. */
export const cached = async (path: string, make: (directory: string) => Promise<void>): Promise<string> => {
  if (await exists(path)) return path
  makeDirectory(dirname(path), 0o755)
  await removeOld(`${path}.new-`)
  const made = await mkdtemp(`${path}.new-`)
  try {
    await make(made)
    // Another command may have created the directory meanwhile.
    await rename(made, path).catch(async (error) => {
      if (!(await exists(path))) throw error
    })
  } finally {
    await rm(made, { recursive: true, force: true })
  }
  return path
}

/** Whether the path exists. */
export const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  )

const ONE_HOUR = 3_600_000

// Removes temporary directories of killed commands. A recent one may be in use.
const removeOld = async (prefix: string) => {
  for (const name of await readdir(dirname(prefix))) {
    const path = join(dirname(prefix), name)
    if (path.startsWith(prefix) && Date.now() - (await stat(path)).mtimeMs > ONE_HOUR) await rm(path, { recursive: true, force: true })
  }
}
