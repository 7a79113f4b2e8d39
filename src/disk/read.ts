import { closeSync, constants, fstatSync, openSync, readFileSync, readSync } from 'node:fs'

const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants

/**
 * Reads a file that another account may have created. Follows no link, waits for no pipe, reads at most `most` bytes. Undefined if there is
 * no regular file, if it is longer, or if `isFrom` rejects its owner.
 */
export const readPlain = (path: string, most: number, isFrom: (uid: number) => boolean = () => true): string | undefined => {
  let fd: number
  try {
    fd = openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException
    if (['ENOENT', 'ELOOP', 'ENOTDIR', 'ENXIO'].includes(code)) return undefined
    throw error
  }
  try {
    const found = fstatSync(fd)
    if (!found.isFile() || found.size > most || !isFrom(found.uid)) return undefined
    const bytes = Buffer.alloc(most)
    let length = 0
    for (let read = -1; read !== 0 && length < most; length += read) read = readSync(fd, bytes, length, most - length, null)
    return bytes.toString('utf8', 0, length)
  } finally {
    closeSync(fd)
  }
}

/**
 * Reads a file that the user names, also behind a link. Waits for no pipe, and reads no device; `/dev/null` is empty. Throws an error with
 * the reason as its `code` if there is no regular file of at most `most` bytes.
 */
export const readNamed = (path: string, most: number): string => {
  if (path === '/dev/null') return ''
  const fd = openSync(path, O_RDONLY | O_NONBLOCK)
  try {
    const found = fstatSync(fd)
    if (found.isDirectory()) throw Object.assign(new Error(path), { code: 'EISDIR' })
    if (!found.isFile()) throw Object.assign(new Error(path), { code: 'not a regular file' })
    if (found.size > most) throw Object.assign(new Error(path), { code: `larger than ${most / 2 ** 20} MB` })
    return readFileSync(fd, 'utf8')
  } finally {
    closeSync(fd)
  }
}
