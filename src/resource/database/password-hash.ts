import { createHash, hash, pbkdf2Sync } from 'node:crypto'
import type { AccountName } from './flavour.ts'

const sha1 = (bytes: string | Uint8Array) => createHash('sha1').update(bytes).digest()

/** The hash that MariaDB stores for a password (mysql_native_password). */
export const nativeHash = (password: string): string =>
  `*${sha1(sha1(Buffer.from(password)))
    .toString('hex')
    .toUpperCase()}`

/** Rounds of the salt. More than those of the hash, so that the salt is no quicker way to try passwords than the hash. */
const SALT_ROUNDS = 10_000

/** Rounds of SHA-256 in a hash of `caching_sha2_password`: 5 thousands, as `$005$` says, the default of the server. */
const ROUNDS = 5000

/**
 * The hash that MySQL stores for a password (caching_sha2_password). The same password of the same account always has the same salt, which
 * depends on both, so that an account can be compared without reading its hash.
 */
const cachingSha2Hash = (password: string, { user, host }: Pick<AccountName, 'user' | 'host'>): string => {
  const salt = pbkdf2Sync(password, `provision database account ${user}@${host}`, SALT_ROUNDS, 20, 'sha256')
  // The server accepts neither NUL nor `$` in a salt, and only ASCII.
  for (const [i, byte] of salt.entries()) salt[i] = [0, 0x24].includes(byte & 0x7f) ? (byte & 0x7f) + 1 : byte & 0x7f
  return `$A$005$${salt.toString('latin1')}${sha256Crypt(Buffer.from(password), salt, ROUNDS)}`
}

const sha256 = (...parts: readonly Uint8Array[]): Buffer => hash('sha256', Buffer.concat(parts), 'buffer')

/** `crypt` with SHA-256, with any bytes as salt, and without the prefix (U. Drepper, Unix crypt using SHA-256 and SHA-512). */
export const sha256Crypt = (key: Uint8Array, salt: Uint8Array, rounds: number): string => {
  const repeated = (block: Uint8Array, length: number): Buffer => Buffer.alloc(length, block)
  const alternate = sha256(key, salt, key)
  const bits: Uint8Array[] = []
  for (let n = key.length; n > 0; n >>= 1) bits.push((n & 1) === 1 ? alternate : key)
  let digest = sha256(key, salt, repeated(alternate, key.length), ...bits)
  const p = repeated(sha256(...Array.from(key, () => key)), key.length)
  const s = repeated(sha256(...Array.from({ length: 16 + (digest[0] ?? 0) }, () => salt)), salt.length)
  for (let i = 0; i < rounds; i++) {
    const odd = i % 2 === 1
    digest = sha256(odd ? p : digest, ...(i % 3 === 0 ? [] : [s]), ...(i % 7 === 0 ? [] : [p]), odd ? digest : p)
  }
  return encoded(digest)
}

const ALPHABET = './0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

/** The base64 of `crypt`: groups of three bytes in this order, the lowest six bits first. */
const encoded = (digest: Uint8Array): string => {
  const group = (bytes: readonly number[], length: number): string => {
    const word = bytes.reduce((sum, i) => (sum << 8) | (digest[i] ?? 0), 0)
    return Array.from({ length }, (_, i) => ALPHABET[(word >>> (6 * i)) & 63]).join('')
  }
  let [x, y, z] = [0, 10, 20]
  let text = ''
  for (let i = 0; i < 10; i++) {
    text += group([x, y, z], 4)
    ;[x, y, z] = [z + 1, x + 1, y + 1]
  }
  return text + group([31, 30], 3)
}

const known = new Map<string, string>()

/** The hash that the server stores for the password of an account. Computed once in a run: it takes tens of milliseconds. */
export const passwordHash = (password: string, { user, host, flavour }: AccountName): string => {
  if (flavour === 'mariadb') return nativeHash(password)
  const key = JSON.stringify([password, user, host])
  const found = known.get(key) ?? cachingSha2Hash(password, { user, host })
  known.set(key, found)
  return found
}
