import { createPrivateKey, generateKeyPairSync } from 'node:crypto'
import { join } from 'node:path'
import type { Problem } from '../problem.ts'
import { Secret } from '../secret/secret.ts'
import { decrypt, encrypt } from './age.ts'
import { ensureAgeKey, loadAgeIdentities } from './age-key.ts'
import { FROM_A_COPY, IDENTITIES, keepNew, keptProblem, readKept } from './kept.ts'
import { recipientsFor } from './renewal.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** A private key of the project (EC P-256), encrypted for its recipients. Beside it, in the clear, lies what everybody may know. */
export interface SealedKey {
  readonly file: string
  exists(): boolean
  /** Makes it where there is none; where another was quicker, or a run was cut, what lies there is taken. */
  make(): Promise<void>
  /** The key, PEM. Throws a `Problem` where it is missing, damaged, or not for us. */
  open(): Promise<Secret>
  /** It is missing although `publicFile` speaks of it: a second one in its place would be another identity. */
  lost(publicFile: string): Problem
}

/** @param otherwise - what to do where nobody has the key any more, so that there will be another one */
export const sealedKey = (root: string, env: Environment, name: string, otherwise: string): SealedKey => {
  const file = join(IDENTITIES, `${name}.age`)
  const lost = (publicFile: string): Problem =>
    keptProblem(
      file,
      `is missing, of which ${publicFile} speaks`,
      `bring it back from version control or a backup; if it is gone for good, ${otherwise} (see docs/recovery.md)`,
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
      if (bytes === undefined) throw keptProblem(file, 'is missing', FROM_A_COPY)
      return readKey(await decrypt(bytes, loadAgeIdentities(env), { file }), file)
    },
  }
}

const readKey = (bytes: Uint8Array, file: string): Secret => {
  const pem = Buffer.from(bytes).toString()
  try {
    createPrivateKey(pem)
  } catch {
    // The library's own words could quote the key.
    throw keptProblem(file, 'holds no private key', FROM_A_COPY)
  }
  return new Secret(pem)
}
