import { join, relative, resolve } from 'node:path'
import type { Environment } from '../environment.ts'
import type { Secret } from '../secret/secret.ts'
import { decrypt, encrypt } from './age.ts'
import { ensureAgeKey, readRecipients } from './age-key.ts'
import { IDENTITIES, keep, keptNames, readKept } from './kept.ts'

/**
 * Additional recipients for scheduled runs. A line `age1…` can decrypt the keys that certificate renewal needs; a line
 * `age1… inventory/secrets.yaml` can decrypt this file of secrets as well.
 */
const RENEWAL = join(IDENTITIES, 'renewal-recipients.txt')

const HEAD =
  '# Additional recipients of the ACME accounts and the edge authority, and of the files of secrets that are named here.\n# Written by provision schedule.\n'

/** A decrypted file of secrets, and the function that replaces it. */
export interface DecryptedFile {
  readonly file: string
  readonly text: Secret
  replace(bytes: Uint8Array): void
}

/** Whether certificate renewal needs this key: that of an ACME account, or of the authority between load balancers and web servers. */
const isForRenewal = (name: string): boolean => /^(acme-|authority-edge-)/.test(name)

/** The recipients of the key with this name. */
export const recipientsFor = (root: string, name: string, recipients: readonly string[]): readonly string[] =>
  isForRenewal(name) ? unique([...recipients, ...renewers(root).map(({ recipient }) => recipient)]) : recipients

/** The recipients of a file of secrets: those of the project, and the scheduled runs that read it. */
export const recipientsForSecrets = (root: string, file: string, recipients: readonly string[]): readonly string[] =>
  unique([
    ...recipients,
    ...renewers(root)
      .filter((one) => one.file === inProject(root, file))
      .map(({ recipient }) => recipient),
  ])

/** The files of secrets that a recipient of scheduled runs can decrypt. */
export const secretsOfRenewer = (root: string, recipient: string): readonly string[] =>
  renewers(root).flatMap((one) => (one.recipient === recipient && one.file !== undefined ? [one.file] : []))

/**
 * Adds or removes a recipient of the renewal keys, and encrypts the existing ones again. Needs an age key that can decrypt them. The recipient
 * can decrypt these files of secrets as well; without `permitted`, they are the files that it could decrypt.
 */
export const setRenewer = async (
  root: string,
  env: Environment,
  recipient: string,
  { permitted, secrets }: { readonly permitted: boolean; readonly secrets: readonly DecryptedFile[] },
): Promise<void> => {
  const lines = permitted
    ? [{ recipient, file: undefined }, ...secrets.map(({ file }) => ({ recipient, file: inProject(root, file) }))]
    : []
  const after = [...renewers(root).filter((one) => one.recipient !== recipient), ...lines]
  const { identities, recipients } = await ensureAgeKey(root, env)
  const names = keptNames(root).filter((name) => name.endsWith('.age') && isForRenewal(name))
  const opened = await Promise.all(
    names.map(async (name) => {
      const file = join(IDENTITIES, name)
      return { name, file, bytes: await decrypt(readKept(root, file) ?? new Uint8Array(), identities, { file }) }
    }),
  )
  keep(root, RENEWAL, `${HEAD}${after.map((one) => `${[one.recipient, one.file ?? []].flat().join(' ')}\n`).join('')}`)
  for (const { name, file, bytes } of opened) keep(root, file, await encrypt(bytes, recipientsFor(root, name, recipients)), 0o600)
  for (const { file, text, replace } of secrets) replace(await encrypt(text.reveal(), recipientsForSecrets(root, file, recipients)))
}

/** The number of scheduled runs that are recipients. */
export const renewerCount = (root: string): number => new Set(renewers(root).map(({ recipient }) => recipient)).size

interface RenewerLine {
  readonly recipient: string
  readonly file: string | undefined
}

const renewers = (root: string): readonly RenewerLine[] =>
  (readRecipients(root, RENEWAL) ?? '').split('\n').flatMap((line) => {
    const [, recipient, file] = /^(age1[0-9a-z]+)(?: (.+))?$/.exec(line) ?? []
    return recipient === undefined ? [] : [{ recipient, file }]
  })

const inProject = (root: string, file: string): string => relative(root, resolve(root, file))

const unique = (recipients: readonly string[]): readonly string[] => [...new Set(recipients)]
