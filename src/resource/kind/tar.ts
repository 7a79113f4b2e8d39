/** A file of an archive. `name` is relative. */
export interface Member {
  readonly name: string
  readonly mode: string
  readonly owner: string
  readonly group: string
  readonly bytes: Uint8Array
  /** Time of the last change, in seconds since 1970; default: 0. */
  readonly modified?: number
}

const BLOCK = 512

/**
 * Returns a tar archive of regular files (POSIX ustar; names over 100 bytes as `L` members of GNU tar, which Debian's tar reads).
 * Owners are names: the host looks up their numbers.
 */
export const tar = (members: readonly Member[]): Uint8Array => Buffer.concat([...members.flatMap(memberBlocks), Buffer.alloc(2 * BLOCK)])

const memberBlocks = (member: Member): readonly Uint8Array[] => {
  const name = Buffer.from(member.name)
  const long = name.length > 100
  return [
    ...(long ? [header({ ...member, name: '././@LongLink' }, 'L', name.length + 1), padded(Buffer.concat([name, Buffer.alloc(1)]))] : []),
    header({ ...member, name: long ? name.subarray(0, 100) : name }, '0', member.bytes.length),
    padded(member.bytes),
  ]
}

const header = (
  member: { name: string | Uint8Array; mode: string; owner: string; group: string; modified?: number },
  type: string,
  size: number,
): Uint8Array => {
  const block = Buffer.alloc(BLOCK)
  block.set(typeof member.name === 'string' ? Buffer.from(member.name) : member.name, 0)
  block.write(octal(Number.parseInt(member.mode, 8), 8), 100)
  block.write(octal(0, 8), 108)
  block.write(octal(0, 8), 116)
  block.write(octal(size, 12), 124)
  block.write(octal(member.modified ?? 0, 12), 136)
  block.write(' '.repeat(8), 148)
  block.write(type, 156)
  block.write('ustar\x0000', 257)
  block.write(member.owner, 265, 31)
  block.write(member.group, 297, 31)
  block.write(
    `${octal(
      block.reduce((sum, byte) => sum + byte, 0),
      7,
    )}\0 `.slice(0, 8),
    148,
  )
  return block
}

const octal = (value: number, width: number): string => `${value.toString(8).padStart(width - 1, '0')}\0`

const padded = (bytes: Uint8Array): Uint8Array => Buffer.concat([bytes, Buffer.alloc((BLOCK - (bytes.length % BLOCK)) % BLOCK)])
