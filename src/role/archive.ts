import { gunzipSync } from 'node:zlib'

/** A file of an archive. */
export interface Packed {
  readonly path: string
  readonly bytes: Uint8Array
}

/** Words for what is wrong with an archive. */
export class Unfit extends Error {
  override readonly name = 'Unfit'
}

const BLOCK = 512

/**
 * The files of a tar archive (ustar, GNU or pax; gzip too), read in memory: nothing is unpacked anywhere. Only plain files and
 * directories may be in it, and no path that leads out of it. Throws `Unfit`.
 */
export const unpack = (archive: Uint8Array, mostBytes: number): readonly Packed[] => {
  const tar = archive[0] === 0x1f && archive[1] === 0x8b ? gunzipped(archive, mostBytes) : Buffer.from(archive)
  const files = new Map<string, Uint8Array>()
  let longName: string | undefined
  for (let at = 0; ; ) {
    const header = tar.subarray(at, at + BLOCK)
    if (header.length < BLOCK) throw new Unfit('is cut off')
    if (header.every((byte) => byte === 0)) return [...files].map(([path, bytes]) => ({ path, bytes }))
    const size = octal(header.subarray(124, 136))
    if (!isHeader(header) || size === undefined) throw new Unfit('is no tar archive')
    const bytes = tar.subarray(at + BLOCK, at + BLOCK + size)
    if (bytes.length < size) throw new Unfit('is cut off')
    const type = String.fromCharCode(header[156] ?? 0)
    const name: string = longName ?? nameIn(header)
    longName = undefined
    if (type === 'L') longName = text(bytes)
    else if (type === 'x') longName = /^\d+ path=(.*)$/m.exec(text(bytes))?.[1]
    else if (type === '0' || type === '\0') files.set(safe(name), bytes)
    else if (type !== '5' && type !== 'g') throw new Unfit(`has ${name} in it, which is no plain file`)
    at += BLOCK + Math.ceil(size / BLOCK) * BLOCK
  }
}

const gunzipped = (archive: Uint8Array, mostBytes: number): Buffer => {
  try {
    return gunzipSync(archive, { maxOutputLength: mostBytes })
  } catch (error) {
    const tooLarge = error instanceof RangeError
    throw new Unfit(tooLarge ? 'holds more than 1 GB' : 'is cut off, or no gzip')
  }
}

const safe = (name: string): string => {
  const path = name.replace(/^(\.\/)+/, '')
  if (path.startsWith('/') || path.split('/').some((part) => part === '..' || part === '.' || part === ''))
    throw new Unfit(`has ${JSON.stringify(name)} in it, which leads out of it`)
  return path
}

const nameIn = (header: Buffer): string => {
  const [name, prefix] = [text(header.subarray(0, 100)), text(header.subarray(345, 500))]
  // GNU's own format keeps times where POSIX has the beginning of a long path.
  return header.subarray(257, 263).toString('latin1') === 'ustar\0' && prefix !== '' ? `${prefix}/${name}` : name
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString().split('\0', 1)[0] ?? ''

const octal = (field: Uint8Array): number | undefined => {
  const digits = text(field).trim()
  return /^[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : undefined
}

const isHeader = (header: Buffer): boolean => {
  const sum = header.reduce((total, byte, i) => total + (i >= 148 && i < 156 ? 32 : byte), 0)
  return octal(header.subarray(148, 156)) === sum
}
