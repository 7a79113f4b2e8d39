import { join } from 'node:path'
import type { Environment } from '../environment.ts'
import { decrypt, encrypt } from './age.ts'
import { ensureAgeKey } from './age-key.ts'
import { IDENTITIES, keep, keptNames, readKept } from './kept.ts'
import { type DecryptedFile, recipientsFor, recipientsForSecrets } from './renewal.ts'

/** The files that were encrypted again, and their recipients. */
export interface Rotated {
  readonly files: readonly string[]
  readonly recipients: readonly string[]
}

/**
 * Encrypts the project's identities and these files of secrets again for the present recipients, each with a new file key. Decrypts all of
 * them before it writes the first; if one cannot be decrypted, none is changed.
 */
export const rotate = async (root: string, env: Environment, secrets: readonly DecryptedFile[]): Promise<Rotated> => {
  const { identities, recipients } = await ensureAgeKey(root, env)
  const kept = await Promise.all(
    keptNames(root)
      .filter((name) => name.endsWith('.age'))
      .map(async (name) => {
        const file = join(IDENTITIES, name)
        const bytes = await decrypt(readKept(root, file) ?? new Uint8Array(), identities, { file })
        const sealed = await encrypt(bytes, recipientsFor(root, name.replace(/\.age$/, ''), recipients))
        return { file, write: () => keep(root, file, sealed, 0o600) }
      }),
  )
  const others = await Promise.all(
    secrets.map(async ({ file, text, replace }) => {
      const sealed = await encrypt(text.reveal(), recipientsForSecrets(root, file, recipients))
      return { file, write: () => replace(sealed) }
    }),
  )
  const all = [...others, ...kept]
  for (const { write } of all) write()
  return { files: all.map(({ file }) => file), recipients }
}
