import { gunzipSync } from 'node:zlib'

/** A file of an archive. */
export interface Packed {
  readonly path: string
  readonly bytes: Uint8Array
  readonly isExecutable: boolean
}

/** An archive that cannot be used; the message is a predicate of it, such as `is truncated`. */
export class InvalidArchive extends Error {
  override readonly name = 'InvalidArchive'
}

const BLOCK = 512

/**
 * The files of a tar archive (ustar, GNU or pax, also gzipped), read in memory. Throws `InvalidArchive` if it contains anything but plain
 * files and directories, or a path that leads out of it.
 */
export const unpack = (archive: Uint8Array, maxBytes: number): readonly Packed[] => {
  const tar = archive[0] === 0x1f && archive[1] === 0x8b ? gunzipped(archive, maxBytes) : Buffer.from(archive)
  const files = new Map<string, Omit<Packed, 'path'>>()
  let longName: string | undefined
  for (let at = 0; ; ) {
    const header = tar.subarray(at, at + BLOCK)
    if (header.length < BLOCK) throw new InvalidArchive('is truncated')
    if (header.every((byte) => byte === 0)) return [...files].map(([path, file]) => ({ path, ...file }))
    const size = octal(header.subarray(124, 136))
    if (!isHeader(header) || size === undefined) throw new InvalidArchive('is not a tar archive')
    const bytes = tar.subarray(at + BLOCK, at + BLOCK + size)
    if (bytes.length < size) throw new InvalidArchive('is truncated')
    const type = String.fromCharCode(header[156] ?? 0)
    const name: string = longName ?? nameIn(header)
    longName = undefined
    if (type === 'L') longName = text(bytes)
    else if (type === 'x') longName = paxName(bytes)
    else if (type === '0' || type === '\0')
      files.set(safe(name), { bytes, isExecutable: ((octal(header.subarray(100, 108)) ?? 0) & 0o100) !== 0 })
    else if (type !== '5' && type !== 'g') throw new InvalidArchive(`contains ${name}, which is not a regular file`)
    at += BLOCK + Math.ceil(size / BLOCK) * BLOCK
  }
}

const gunzipped = (archive: Uint8Array, maxBytes: number): Buffer => {
  try {
    return gunzipSync(archive, { maxOutputLength: maxBytes })
  } catch (error) {
    const tooLarge = error instanceof RangeError
    throw new InvalidArchive(tooLarge ? 'is larger than 1 GB when unpacked' : 'is truncated or not a gzip file')
  }
}

const safe = (name: string): string => {
  const path = name.replace(/^(\.\/)+/, '')
  if (path.startsWith('/') || path.split('/').some((part) => part === '..' || part === '.' || part === ''))
    throw new InvalidArchive(`contains the path ${JSON.stringify(name)}, which leads out of the archive`)
  return path
}

const nameIn = (header: Buffer): string => {
  const [name, prefix] = [text(header.subarray(0, 100)), text(header.subarray(345, 500))]
  // The GNU format stores times where POSIX has the prefix of a long path.
  return header.subarray(257, 263).toString('latin1') === 'ustar\0' && prefix !== '' ? `${prefix}/${name}` : name
}

/** The path in a pax header. Other records of it may have any bytes. */
const paxName = (header: Uint8Array): string | undefined => {
  const name = /^\d+ path=(.*)$/m.exec(Buffer.from(header).toString('latin1'))?.[1]
  return name === undefined ? undefined : text(Buffer.from(name, 'latin1'))
}

const text = (bytes: Uint8Array): string => {
  const until = bytes.indexOf(0)
  const given = Buffer.from(until < 0 ? bytes : bytes.subarray(0, until))
  const read = given.toString()
  if (!Buffer.from(read).equals(given)) throw new InvalidArchive(`contains ${read}, whose name is not UTF-8`)
  return read
}

const octal = (field: Uint8Array): number | undefined => {
  const digits = (Buffer.from(field).toString('latin1').split('\0', 1)[0] ?? '').trim()
  return /^[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : undefined
}

const isHeader = (header: Buffer): boolean => {
  const sum = header.reduce((total, byte, i) => total + (i >= 148 && i < 156 ? 32 : byte), 0)
  return octal(header.subarray(148, 156)) === sum
}
