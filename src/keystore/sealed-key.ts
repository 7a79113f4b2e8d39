import { createPrivateKey, generateKeyPairSync } from 'node:crypto'
import { join } from 'node:path'
import type { Environment } from '../environment.ts'
import type { Problem } from '../problem.ts'
import { Secret } from '../secret/secret.ts'
import { decrypt, encrypt } from './age.ts'
import { ensureAgeKey, loadAgeIdentities } from './age-key.ts'
import { IDENTITIES, keepNew, keptProblem, RESTORE_FIX, readKept } from './kept.ts'
import { recipientsFor } from './renewal.ts'

/** A private key of the project (EC P-256), encrypted for its recipients. Its public part is another file, in plain text. */
export interface SealedKey {
  readonly file: string
  exists(): boolean
  /** Creates the key if it does not exist. */
  make(): Promise<void>
  /** The key, PEM. Throws a `Problem` if it is missing, damaged, or encrypted for other recipients. */
  open(): Promise<Secret>
  /** The problem that the key is missing while `publicFile` exists. A new key would be another identity. */
  lost(publicFile: string): Problem
}

/**
 * The encrypted key with this name in `identities/`.
 * @param otherwise - instruction for replacing a key that is lost, as an imperative
 */
export const sealedKey = (root: string, env: Environment, name: string, otherwise: string): SealedKey => {
  const file = join(IDENTITIES, `${name}.age`)
  const lost = (publicFile: string): Problem =>
    keptProblem(
      file,
      `is missing, although ${publicFile} exists`,
      `restore it from version control or a backup; if it is lost for good, ${otherwise} (docs/recovery.md in the package provision)`,
    )
  const exists = (): boolean => readKept(root, file) !== undefined
  return {
    file,
    exists,
    lost,
    make: async () => {
      const { recipients } = await ensureAgeKey(root, env)
      if (exists()) return
      const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
      const pem = privateKey.export({ type: 'pkcs8', format: 'pem' })
      keepNew(root, file, await encrypt(pem, recipientsFor(root, name, recipients)), 0o600)
    },
    open: async () => {
      const bytes = readKept(root, file)
      if (bytes === undefined) throw keptProblem(file, 'is missing', RESTORE_FIX)
      return readKey(await decrypt(bytes, loadAgeIdentities(env), { file }), file)
    },
  }
}

const readKey = (bytes: Uint8Array, file: string): Secret => {
  const pem = Buffer.from(bytes).toString()
  try {
    createPrivateKey(pem)
  } catch {
    // The message of node:crypto could contain the key.
    throw keptProblem(file, 'contains no private key', RESTORE_FIX)
  }
  return new Secret(pem)
}
