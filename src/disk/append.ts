import { closeSync, constants, fstatSync, fsyncSync, ftruncateSync, openSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { makeDirectory } from './folder.ts'
import { targetOf } from './target.ts'
import { reporting, type Writing, writeWhole } from './write.ts'

const { O_WRONLY, O_APPEND, O_NOFOLLOW, O_NONBLOCK } = constants

/**
 * Appends to a file to which other programs append as well (known_hosts), in one write, which keeps their lines. Owner, mode and inode
 * of the file stay; a missing file is created. Throws a `Problem` if the system refuses; the file then ends where it ended before.
 */
export const append = (path: string, text: string, writing: Writing): void => {
  const { shown = path } = writing
  reporting(shown, () => {
    const target = targetOf(path, shown)
    if (writing.directory !== undefined) makeDirectory(dirname(target), writing.directory)
    if (writeWhole(target, text, { ...writing, onlyNew: true, shown })) return
    const fd = openSync(target, O_WRONLY | O_APPEND | O_NOFOLLOW | O_NONBLOCK)
    try {
      addTo(fd, Buffer.from(text))
      fsyncSync(fd)
    } finally {
      closeSync(fd)
    }
  })
}

/** A full disk can take a part of the bytes. Half a line would read as a damaged entry. */
const addTo = (fd: number, bytes: Buffer): void => {
  const { size } = fstatSync(fd)
  let written = 0
  try {
    while (written < bytes.length) written += writeSync(fd, bytes, written)
  } catch (error) {
    // Bytes that another program appended meanwhile stay.
    if (fstatSync(fd).size === size + written) ftruncateSync(fd, size)
    throw error
  }
}
