import { createHash, createHmac, pbkdf2Sync } from 'node:crypto'

/** Iterations of a new verifier: the default of the server. */
const ITERATIONS = 4096

/** Iterations of a server's verifier beyond which it is not computed: a host must not occupy the controller. */
const MOST_ITERATIONS = 200_000

/** Rounds of the salt. More than those of the verifier, so that the salt is no quicker way to try passwords than the verifier. */
const SALT_ROUNDS = 10_000

/** The salt of a verifier, in base64, and its iterations: what the server tells every client. */
export interface ScramParameters {
  readonly salt: string
  readonly iterations: number
}

/**
 * Why a password cannot be used; undefined if it can. Client and server normalize it (SASLprep, RFC 4013), unless that fails. A password
 * that normalization does not change is the same in both cases.
 */
export const passwordFault = (password: string): string | undefined => {
  if (password.includes('\0')) return 'must not have NUL bytes'
  if (password.normalize('NFKC') !== password || MAPPED.test(password))
    return 'must have characters that Unicode does not replace by others (NFKC), such as letters, digits and punctuation'
  return undefined
}

/** Characters that SASLprep deletes or replaces by a space (RFC 3454, B.1 and C.1.2), and more of the same sort. */
const MAPPED = /\p{Default_Ignorable_Code_Point}|\u1806|(?! )\p{Zs}/u

const computed = new Map<string, string>()

/** The verifier that the server stores for a password (SCRAM-SHA-256, RFC 5802), with this salt. It takes some milliseconds, once in a run. */
export const scramVerifier = (password: string, { salt, iterations }: ScramParameters): string | undefined => {
  if (iterations < 1 || iterations > MOST_ITERATIONS) return undefined
  const key = JSON.stringify([password, salt, iterations])
  const found = computed.get(key) ?? computeVerifier(password, { salt, iterations })
  computed.set(key, found)
  return found
}

const computeVerifier = (password: string, { salt, iterations }: ScramParameters): string => {
  const salted = pbkdf2Sync(Buffer.from(password), Buffer.from(salt, 'base64'), iterations, 32, 'sha256')
  const hmac = (text: string): Buffer => createHmac('sha256', salted).update(text).digest()
  const stored = createHash('sha256').update(hmac('Client Key')).digest('base64')
  return `SCRAM-SHA-256$${iterations}:${salt}$${stored}:${hmac('Server Key').toString('base64')}`
}

const salts = new Map<string, ScramParameters>()

/**
 * The salt of a new verifier. The same password of the same role always has the same one, so that a run that was interrupted writes the
 * same verifier again.
 */
export const newParameters = (password: string, role: string): ScramParameters => {
  const key = JSON.stringify([password, role])
  const found = salts.get(key) ?? {
    salt: pbkdf2Sync(password, `provision postgresql role ${role}`, SALT_ROUNDS, 16, 'sha256').toString('base64'),
    iterations: ITERATIONS,
  }
  salts.set(key, found)
  return found
}
