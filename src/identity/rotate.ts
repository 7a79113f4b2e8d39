import { join } from 'node:path'
import { decrypt, encrypt } from './age.ts'
import { ensureAgeKey } from './age-key.ts'
import { IDENTITIES, keep, keptNames, readKept } from './kept.ts'
import { recipientsFor } from './renewal.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** What was encrypted anew, and who can open it now. */
export interface Rotated {
  readonly files: readonly string[]
  readonly recipients: readonly string[]
}

/**
 * Encrypts everything of the project anew, each file under a new key of its own, for those who are its recipients now: the keys of its
 * identities, and these files of secrets. All is opened before the first is written: who cannot open one of them changes none.
 */
export const rotate = async (root: string, env: Environment, secrets: readonly string[]): Promise<Rotated> => {
  const { identities, recipients } = await ensureAgeKey(root, env)
  const kept = keptNames(root)
    .filter((name) => name.endsWith('.age'))
    .map((name) => ({ file: join(IDENTITIES, name), recipients: recipientsFor(root, name.replace(/\.age$/, ''), recipients) }))
  const all = [...secrets.map((file) => ({ file, recipients })), ...kept]
  const sealed = await Promise.all(
    all.map(async (one) => {
      const bytes = await decrypt(readKept(root, one.file) ?? new Uint8Array(), identities, { file: one.file })
      return { file: one.file, bytes: await encrypt(bytes, one.recipients) }
    }),
  )
  for (const { file, bytes } of sealed) keep(root, file, bytes, file.startsWith(`${IDENTITIES}/`) ? 0o600 : 0o644)
  return { files: all.map(({ file }) => file), recipients }
}
