import { crc32, deflateRawSync } from 'node:zlib'

/** An entry of a zip archive: content, mode with its type (`0o100644`), and whether it is packed. */
export interface ZipEntry {
  readonly name: string
  readonly content?: string | Uint8Array
  readonly mode?: number
  readonly stored?: boolean
  /** Replaces the checksum of the content. */
  readonly crc?: number
  readonly flags?: number
}

/** Returns a zip archive of a Unix host. */
export const zipFile = (entries: readonly ZipEntry[]): Buffer => {
  const parts: Buffer[] = []
  const directory: Buffer[] = []
  let at = 0
  for (const { name, content = '', mode = 0o100644, stored = false, crc, flags = 0 } of entries) {
    const bytes = Buffer.from(content)
    const packed = stored ? bytes : deflateRawSync(bytes)
    const named = Buffer.from(name)
    const common = Buffer.alloc(26)
    common.writeUInt16LE(20, 0)
    common.writeUInt16LE(flags, 2)
    common.writeUInt16LE(stored ? 0 : 8, 4)
    common.writeUInt16LE(0x6000, 6)
    common.writeUInt16LE(0x5a21, 8)
    common.writeUInt32LE(crc ?? crc32(bytes), 10)
    common.writeUInt32LE(packed.length, 14)
    common.writeUInt32LE(bytes.length, 18)
    common.writeUInt16LE(named.length, 22)
    const central = Buffer.alloc(46)
    central.write('PK\x01\x02', 0, 'latin1')
    central.writeUInt16LE(0x0314, 4)
    common.copy(central, 6)
    central.writeUInt32LE((mode << 16) >>> 0, 38)
    central.writeUInt32LE(at, 42)
    directory.push(central, named)
    parts.push(Buffer.from('PK\x03\x04', 'latin1'), common, named, packed)
    at += 30 + named.length + packed.length
  }
  const listed = Buffer.concat(directory)
  const end = Buffer.alloc(22)
  end.write('PK\x05\x06', 0, 'latin1')
  end.writeUInt16LE(entries.length, 8)
  end.writeUInt16LE(entries.length, 10)
  end.writeUInt32LE(listed.length, 12)
  end.writeUInt32LE(at, 16)
  return Buffer.concat([...parts, listed, end])
}
