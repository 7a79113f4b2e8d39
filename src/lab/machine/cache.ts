import { mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { makeDirectory } from '../../disk/folder.ts'

/** Where all labs of this machine keep what they share: images, tools, downloaded packages. */
export const CACHE = '/var/cache/provision'

/** A cached directory: made once, under another name until it is whole, so that a cut or a second maker leaves no half one. */
export const cached = async (path: string, make: (directory: string) => Promise<void>): Promise<string> => {
  if (await exists(path)) return path
  makeDirectory(dirname(path), 0o755)
  await removeOld(`${path}.new-`)
  const made = await mkdtemp(`${path}.new-`)
  try {
    await make(made)
    // Somebody may have been faster: theirs is as good as ours.
    await rename(made, path).catch(async (error) => {
      if (!(await exists(path))) throw error
    })
  } finally {
    await rm(made, { recursive: true, force: true })
  }
  return path
}

/** Whether there is something at that path. */
export const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  )

const ONE_HOUR = 3_600_000

// Remains of a killed maker. A young one may be at work still.
const removeOld = async (prefix: string) => {
  for (const name of await readdir(dirname(prefix))) {
    const path = join(dirname(prefix), name)
    if (path.startsWith(prefix) && Date.now() - (await stat(path)).mtimeMs > ONE_HOUR) await rm(path, { recursive: true, force: true })
  }
}
