import { createHash } from 'node:crypto'

/** One line of an authorized_keys file (sshd(8)): who may log in, and under which restrictions. */
export interface PublicKey {
  /** `restrict,command="…"`, or empty. */
  readonly options: string
  readonly type: string
  /** base64, as written. */
  readonly blob: string
  readonly comment: string
}

const TYPES = [
  'ssh-ed25519',
  'ssh-rsa',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'sk-ssh-ed25519@openssh.com',
  'sk-ecdsa-sha2-nistp256@openssh.com',
]

// Options hold blanks only between double quotes.
const LINE = new RegExp(
  `^(?:((?:[^\\s"]|"(?:\\\\"|[^"])*")+)\\s+)?(${TYPES.join('|').replaceAll('.', '\\.')})\\s+([A-Za-z0-9+/]+={0,2})(?:\\s+(.*))?$`,
)

/** Reads a line as sshd would; undefined for what is no key (comments, blank lines, broken ones). */
export const readKey = (line: string): PublicKey | undefined => {
  const [, options = '', type, blob, comment = ''] = LINE.exec(line.trim()) ?? []
  return type === undefined || blob === undefined ? undefined : { options, type, blob, comment: comment.trim() }
}

/** What is wrong with a key that somebody gave us to let in, or undefined. */
export const keyProblem = (line: string): string | undefined => {
  if (/PRIVATE KEY/.test(line)) return 'is a private key: give the public one, the line in the file that ends in .pub'
  if (/\p{Cc}/u.test(line)) return 'must be one line without control characters'
  if (/^\s*ssh-dss\s/.test(line)) return 'is a DSA key, which no current sshd accepts: make an ed25519 one'
  const key = readKey(line)
  if (key === undefined) return 'is no public key as in authorized_keys: ssh-ed25519 AAAA… name'
  const fields = fieldsOf(Buffer.from(key.blob, 'base64'))
  if (fields === undefined || fields[0]?.toString() !== key.type) return `is cut off or damaged: its data is no ${key.type} key`
  if (key.type === 'ssh-ed25519' && fields[1]?.length !== 32) return 'is cut off or damaged: an ed25519 key has 32 bytes'
  // The modulus is a signed number, so a leading zero byte comes on top.
  if (key.type === 'ssh-rsa' && (fields[2]?.length ?? 0) < 256) return 'is an RSA key of less than 2048 bits: make an ed25519 one'
  return undefined
}

// RFC 4251 section 5: fields with a length of four bytes before each.
const fieldsOf = (blob: Buffer): readonly Buffer[] | undefined => {
  const fields: Buffer[] = []
  for (let at = 0; at < blob.length; ) {
    if (at + 4 > blob.length) return undefined
    const end = at + 4 + blob.readUInt32BE(at)
    if (end > blob.length) return undefined
    fields.push(blob.subarray(at + 4, end))
    at = end
  }
  return fields
}

/** What makes two lines the same permission: the key and its options. A comment is only a comment. */
export const identityOf = ({ options, type, blob }: PublicKey): string => [options, type, blob].filter((part) => part !== '').join(' ')

/** As `ssh-keygen -l` names a key, with its options before and its comment behind it. */
export const formatKey = ({ options, type, blob, comment }: PublicKey): string => {
  const digest = createHash('sha256').update(Buffer.from(blob, 'base64')).digest('base64').replace(/=+$/, '')
  return [options, type, `SHA256:${digest}`, comment].filter((part) => part !== '').join(' ')
}
