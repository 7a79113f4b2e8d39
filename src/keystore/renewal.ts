import { join } from 'node:path'
import type { Environment } from '../environment.ts'
import { decrypt, encrypt } from './age.ts'
import { ensureAgeKey, readRecipients } from './age-key.ts'
import { IDENTITIES, keep, keptNames, readKept } from './kept.ts'

/** Additional recipients who can decrypt only the keys that certificate renewal needs: one `age1…` per line. */
const RENEWAL = join(IDENTITIES, 'renewal-recipients.txt')

const HEAD = '# Additional recipients of the ACME accounts and the edge authority only. Written by provision schedule.\n'

/** Whether certificate renewal needs this key: that of an ACME account, or of the authority between load balancers and web servers. */
const isForRenewal = (name: string): boolean => /^(acme-|authority-edge-)/.test(name)

/** The recipients of the key with this name. */
export const recipientsFor = (root: string, name: string, recipients: readonly string[]): readonly string[] =>
  isForRenewal(name) ? [...new Set([...recipients, ...renewers(root)])] : recipients

/** Adds or removes a recipient of the renewal keys, and encrypts the existing ones again. Needs an age key that can decrypt them. */
export const setRenewer = async (root: string, env: Environment, recipient: string, permitted: boolean): Promise<void> => {
  const before = renewers(root)
  const after = [...before.filter((one) => one !== recipient), ...(permitted ? [recipient] : [])]
  const { identities, recipients } = await ensureAgeKey(root, env)
  const files = keptNames(root).filter((name) => name.endsWith('.age') && isForRenewal(name))
  const opened = await Promise.all(
    files.map(async (name) => {
      const file = join(IDENTITIES, name)
      return { file, bytes: await decrypt(readKept(root, file) ?? new Uint8Array(), identities, { file }) }
    }),
  )
  keep(root, RENEWAL, `${HEAD}${after.map((one) => `${one}\n`).join('')}`)
  const all = [...new Set([...recipients, ...after])]
  for (const { file, bytes } of opened) keep(root, file, await encrypt(bytes, all), 0o600)
}

const renewers = (root: string): readonly string[] =>
  (readRecipients(root, RENEWAL) ?? '').split('\n').filter((line) => /^age1[0-9a-z]+$/.test(line))
