import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { decrypt, encrypt } from './age.ts'
import { ensureAgeKey } from './age-key.ts'
import { IDENTITIES, keep, keptNames, readKept } from './kept.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** Who, beside the project's recipients, opens what it takes to renew certificates, and nothing else: one `age1…` a line. */
const RENEWAL = join(IDENTITIES, 'renewal-recipients.txt')

const HEAD = '# Who else can open the ACME accounts and the edge authority, and nothing else: provision schedule writes this.\n'

/** Whether renewing certificates needs this key: an ACME account's, or that of the authority between balancers and servers. */
const isForRenewal = (name: string): boolean => /^(acme-|authority-edge-)/.test(name)

/** Everybody who shall be able to open the key of that name. */
export const recipientsFor = (root: string, name: string, recipients: readonly string[]): readonly string[] =>
  isForRenewal(name) ? [...new Set([...recipients, ...renewers(root)])] : recipients

/** Lets one more, or one less, open what renewal needs: what there is already is encrypted anew, by somebody who can open it. */
export const setRenewer = async (root: string, env: Environment, recipient: string, may: boolean): Promise<void> => {
  const before = renewers(root)
  const after = [...before.filter((one) => one !== recipient), ...(may ? [recipient] : [])]
  const { identities, recipients } = await ensureAgeKey(root, env)
  const files = keptNames(root).filter((name) => name.endsWith('.age') && isForRenewal(name))
  const opened = await Promise.all(
    files.map(async (name) => {
      const file = join(IDENTITIES, name)
      return { file, bytes: await decrypt(readKept(root, file) ?? new Uint8Array(), identities, { file }) }
    }),
  )
  keep(root, RENEWAL, `${HEAD}${after.map((one) => `${one}\n`).join('')}`)
  const everybody = [...new Set([...recipients, ...after])]
  for (const { file, bytes } of opened) keep(root, file, await encrypt(bytes, everybody), 0o600)
}

const renewers = (root: string): readonly string[] =>
  (readText(join(root, RENEWAL)) ?? '').split('\n').filter((line) => /^age1[0-9a-z]+$/.test(line))

const readText = (path: string): string | undefined => {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    // Nobody has scheduled anything here.
    return undefined
  }
}
