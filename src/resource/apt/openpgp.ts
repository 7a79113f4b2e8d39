import { createHash } from 'node:crypto'

/** The public keys of a file, reduced to the packets that belong to a key. */
export interface Keyring {
  /** Fingerprints of the primary keys, in their order: upper-case hexadecimal. */
  readonly fingerprints: readonly string[]
  /** One armored block, as apt reads it. */
  readonly armored: string
}

/** Maximum length of a file with keys, in bytes. The largest of a distribution has some 100 KB. */
export const MAX_KEY_BYTES = 1_048_576

/**
 * Parses a file of OpenPGP public keys (RFC 9580): binary, or one or several armored blocks. Programs disagree about files that are
 * damaged or have parts without a meaning, so anything but complete public keys is refused.
 * @throws Error with the reason
 */
export const readKeyring = (bytes: Uint8Array): Keyring => {
  const packets = packetsOf(binaryOf(Buffer.from(bytes)))
  const keys = packets.filter(({ tag }) => tag !== TRUST && tag !== MARKER && tag !== PADDING)
  if (keys[0]?.tag !== PUBLIC_KEY) throw new Error('it does not begin with a public key')
  const foreign = keys.find(({ tag }) => !PARTS_OF_KEYS.has(tag))
  if (foreign !== undefined)
    throw new Error(SECRET_KEYS.has(foreign.tag) ? 'it has a private key' : `it has a packet of type ${foreign.tag}`)
  return {
    fingerprints: keys.filter(({ tag }) => tag === PUBLIC_KEY).map(({ body }) => fingerprintOf(body)),
    armored: armor(Buffer.concat(keys.map(({ raw }) => raw))),
  }
}

const [PUBLIC_KEY, MARKER, TRUST, PADDING] = [6, 10, 12, 21]
/** Public key, subkey, user name, user attribute, signature. */
const PARTS_OF_KEYS: ReadonlySet<number> = new Set([PUBLIC_KEY, 14, 13, 17, 2])
const SECRET_KEYS: ReadonlySet<number> = new Set([5, 7])

const [BEGIN, END] = ['-----BEGIN PGP PUBLIC KEY BLOCK-----', '-----END PGP PUBLIC KEY BLOCK-----']

/** The binary form. A block may have headers before an empty line, and a checksum at its end. */
const binaryOf = (bytes: Buffer): Buffer => {
  if (bytes.length > MAX_KEY_BYTES) throw new Error(`it has more than ${MAX_KEY_BYTES} bytes`)
  if (bytes.length === 0) throw new Error('it is empty')
  if ((bytes[0] ?? 0) >= 0x80) return bytes
  const lines = bytes
    .toString('latin1')
    .split('\n')
    .map((line) => line.trimEnd())
  if (lines.some((line) => line.includes('PRIVATE KEY BLOCK'))) throw new Error('it has a private key')
  const blocks: Buffer[] = []
  let open: string[] | undefined
  for (const line of lines) {
    if (line === BEGIN && open === undefined) open = []
    else if (line === END && open !== undefined) {
      blocks.push(decoded(open))
      open = undefined
    } else if (open !== undefined) open.push(line)
  }
  if (open !== undefined) throw new Error(`it has no line ${END}`)
  if (blocks.length === 0) throw new Error('it is no OpenPGP key')
  return Buffer.concat(blocks)
}

const decoded = (lines: readonly string[]): Buffer => {
  const start = lines.findIndex((line) => !/^[A-Za-z]+: /.test(line))
  const body = lines.slice(start).filter((line) => line !== '' && !/^=[A-Za-z0-9+/]{4}$/.test(line))
  const text = body.join('')
  if (text === '' || !/^[A-Za-z0-9+/]+={0,2}$/.test(text) || text.length % 4 !== 0) throw new Error('its base64 is damaged')
  return Buffer.from(text, 'base64')
}

interface Packet {
  readonly tag: number
  readonly body: Buffer
  /** With its header. */
  readonly raw: Buffer
}

const packetsOf = (bytes: Buffer): readonly Packet[] => {
  const packets: Packet[] = []
  for (let at = 0; at < bytes.length; ) {
    const { tag, start, length } = headerAt(bytes, at)
    const end = start + length
    if (end > bytes.length) throw new Error('it is truncated')
    packets.push({ tag, body: bytes.subarray(start, end), raw: bytes.subarray(at, end) })
    at = end
  }
  return packets
}

/** Tag, start and length of a packet, in the old or the new format (RFC 9580, 4.2). A key never has a length that is not known in advance. */
const headerAt = (bytes: Buffer, at: number): { readonly tag: number; readonly start: number; readonly length: number } => {
  const first = bytes[at] ?? 0
  const octet = (i: number): number => bytes[at + i] ?? 0
  const number = (from: number, octets: number): number => {
    if (at + from + octets > bytes.length) throw new Error('it is truncated')
    return bytes.readUIntBE(at + from, octets)
  }
  if (first < 0x80) throw new Error('it has bytes that belong to no packet')
  if (first < 0xc0) {
    const octets = [1, 2, 4][first & 3]
    if (octets === undefined) throw new Error('it has a packet of unknown length')
    return { tag: (first >> 2) & 15, start: at + 1 + octets, length: number(1, octets) }
  }
  const tag = first & 63
  const length = number(1, 1)
  if (length < 192) return { tag, start: at + 2, length }
  if (length < 224) return { tag, start: at + 3, length: ((length - 192) << 8) + octet(2) + 192 }
  if (length === 255) return { tag, start: at + 6, length: number(2, 4) }
  throw new Error('it has a packet of unknown length')
}

/** RFC 9580, 5.5.4. Version 3 has MD5 fingerprints, which prove nothing. */
const fingerprintOf = (body: Buffer): string => {
  const version = body[0]
  if (version !== 4 && version !== 6) throw new Error(`it has a key of version ${version ?? 'unknown'}; versions 4 and 6 are supported`)
  const head = Buffer.alloc(version === 4 ? 3 : 5)
  head[0] = version === 4 ? 0x99 : 0x9b
  head.writeUIntBE(body.length, 1, head.length - 1)
  return createHash(version === 4 ? 'sha1' : 'sha256')
    .update(head)
    .update(body)
    .digest('hex')
    .toUpperCase()
}

const armor = (bytes: Buffer): string => `${BEGIN}\n\n${bytes.toString('base64').replace(/.{1,64}/g, '$&\n')}${END}\n`
