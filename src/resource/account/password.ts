import { createHash } from 'node:crypto'
import { Secret } from '../../secret/secret.ts'
import { sha256Hex } from '../kind/content.ts'

/**
 * Returns the SHA-512 crypt digest (`$6$`) of a password, which glibc, nginx and HAProxy verify. The salt is derived from `purpose`
 * (account and place): the digest is the same in every run, and different for every purpose.
 */
export const passwordHash = (password: Secret, purpose: string): Secret => {
  const salt = sha256Hex(purpose).slice(0, 16)
  const key = `${salt} ${sha256Hex(password.reveal())}`
  const known = cache.get(key)
  if (known !== undefined) return known
  const made = new Secret(`$6$${salt}$${sha512Crypt(Buffer.from(password.reveal()), Buffer.from(salt))}`)
  cache.set(key, made)
  return made
}

/** Maximum length of a password in bytes: crypt(3) of Debian and Ubuntu accepts no longer one, so nobody could log in with it. */
const MAX_PASSWORD_BYTES = 511

/** Returns why a password cannot be typed or verified; undefined if it can. */
export const passwordFault = (password: Secret): string | undefined => {
  const text = password.reveal()
  if (/[\0\n]/.test(text)) return 'must be one line'
  return Buffer.byteLength(text) > MAX_PASSWORD_BYTES ? `must have at most ${MAX_PASSWORD_BYTES} bytes` : undefined
}

/** Five thousand rounds are slow, and a run needs each digest several times. */
const cache = new Map<string, Secret>()

const ROUNDS = 5000

const sha512 = (...parts: readonly Uint8Array[]): Buffer => {
  const hash = createHash('sha512')
  for (const part of parts) hash.update(part)
  return hash.digest()
}

/** Repeats the bytes up to a length. */
const repeated = (bytes: Uint8Array, length: number): Buffer => Buffer.from(Array.from({ length }, (_, i) => bytes[i % bytes.length] ?? 0))

/** Ulrich Drepper's "Unix crypt using SHA-256 and SHA-512", step by step. */
const sha512Crypt = (password: Buffer, salt: Buffer): string => {
  const second = sha512(password, salt, password)
  const bits = [...password.length.toString(2)].reverse()
  let digest = sha512(password, salt, repeated(second, password.length), ...bits.map((bit) => (bit === '1' ? second : password)))
  const p = repeated(sha512(...Array.from(password, () => password)), password.length)
  const s = repeated(sha512(...Array.from({ length: 16 + (digest[0] ?? 0) }, () => salt)), salt.length)
  for (let round = 0; round < ROUNDS; round++)
    digest = sha512(
      round % 2 === 1 ? p : digest,
      ...(round % 3 === 0 ? [] : [s]),
      ...(round % 7 === 0 ? [] : [p]),
      round % 2 === 1 ? digest : p,
    )
  return encoded(digest)
}

const LETTERS = './0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

/** Encodes three bytes as four letters, in the order of that specification: 0 21 42, then 22 43 1, and so on. */
const encoded = (digest: Buffer): string => {
  const triples = Array.from({ length: 21 }, (_, i) => {
    const three = [i, i + 21, i + 42]
    const turn = i % 3
    return [...three.slice(turn), ...three.slice(0, turn)].map((at) => digest[at] ?? 0)
  })
  return triples.map(([a = 0, b = 0, c = 0]) => letters((a << 16) | (b << 8) | c, 4)).join('') + letters(digest[63] ?? 0, 2)
}

const letters = (value: number, count: number): string => Array.from({ length: count }, (_, i) => LETTERS[(value >> (6 * i)) & 63]).join('')
