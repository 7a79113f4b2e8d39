import { createHash } from 'node:crypto'

/** One line of an authorized_keys file (sshd(8)): a key and its restrictions. */
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

/** Types that sshd reads beside those that it should be given. */
const READ_TYPES = new Set([...TYPES, 'ssh-dss'].flatMap((type) => [type, `${type.replace(/@openssh\.com$/, '')}-cert-v01@openssh.com`]))

/** Returns a text as a string of its bytes, one character each. Files of keys are handled as bytes, because their comments need not be UTF-8. */
export const bytesAsText = (text: string): string => Buffer.from(text).toString('latin1')

/** Parses a line of bytes as sshd does (auth2-pubkeyfile.c). Undefined if it is not a key (a comment, a blank or invalid line). */
export const readKey = (line: string): PublicKey | undefined => {
  // A NUL ends the line.
  const text = (line.split('\0', 1)[0] ?? '').replace(/^[ \t]+/, '')
  const plain = keyIn(text)
  if (plain !== undefined) return { options: '', ...plain }
  const options = text.slice(0, lengthOfOptions(text))
  const key = keyIn(text.slice(options.length).replace(/^[ \t]+/, ''))
  return key && { options, ...key }
}

// The decoder of sshd skips other white space within the data.
const keyIn = (text: string): Omit<PublicKey, 'options'> | undefined => {
  const [, type = '', blob = '', comment = ''] = /^([^ \t]+)[ \t]+([^ \t]+)(?:[ \t]+(.*))?$/s.exec(text) ?? []
  return READ_TYPES.has(type) ? { type, blob: blob.replaceAll(/[\v\f\r\n]/g, ''), comment: comment.replace(/[ \t\r]+$/, '') } : undefined
}

/** Options end at the first blank or tab outside of double quotes. `\"` does not end a quotation. */
const lengthOfOptions = (text: string): number => {
  let quoted = false
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '\\' && text[i + 1] === '"') i++
    else if (text[i] === '"') quoted = !quoted
    else if (!quoted && (text[i] === ' ' || text[i] === '\t')) return i
  }
  return text.length
}

/** Returns the data of a key in one spelling. Two lines with the same data let the same person in. */
export const keyData = ({ blob }: PublicKey): string => Buffer.from(blob, 'base64').toString('base64')

/** Returns why a key in the input is not accepted, or undefined. */
export const keyProblem = (line: string): string | undefined => {
  if (/PRIVATE KEY/.test(line)) return 'is a private key: use the public key, the line in the file that ends in .pub'
  if (/\p{Cc}/u.test(line)) return 'must be one line without control characters'
  if (/^\s*ssh-dss\s/.test(line)) return 'is a DSA key, which no current sshd accepts: create an ed25519 key'
  const key = readKey(bytesAsText(line))
  if (key === undefined || !TYPES.includes(key.type)) return 'is not a public key of the form ssh-ed25519 AAAA… NAME'
  if (keyData(key) !== key.blob) return `is truncated or damaged: its data is not base64`
  const fields = fieldsOf(Buffer.from(key.blob, 'base64'))
  if (fields === undefined || fields[0]?.toString() !== key.type) return `is truncated or damaged: its data is not an ${key.type} key`
  if (key.type === 'ssh-ed25519' && fields[1]?.length !== 32) return 'is truncated or damaged: an ed25519 key has 32 bytes'
  // The modulus is a signed number with a leading zero byte.
  if (key.type === 'ssh-rsa' && (fields[2]?.length ?? 0) < 256) return 'is an RSA key of less than 2048 bits: create an ed25519 key'
  return undefined
}

// RFC 4251 section 5: each field follows its length in four bytes.
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

/** Identifies a permission: key and options, without the comment. */
export const identityOf = ({ options, type, blob }: PublicKey): string => [options, type, blob].filter((part) => part !== '').join(' ')

/** Formats a key with its fingerprint as `ssh-keygen -l` does, after its options and before its comment. */
export const formatKey = ({ options, type, blob, comment }: PublicKey): string => {
  const digest = createHash('sha256').update(Buffer.from(blob, 'base64')).digest('base64').replace(/=+$/, '')
  return Buffer.from([options, type, `SHA256:${digest}`, comment].filter((part) => part !== '').join(' '), 'latin1').toString()
}
