import { Problem, type Where } from '../problem.ts'
import { Secret } from '../secret/secret.ts'

/**
 * Encryption at rest with age (https://age-encryption.org), in a format that the `age` command reads as well. Only this file imports the
 * library, which takes 90 ms to load, so it is loaded on first use.
 */
const age = () => import('age-encryption')

const ARMOR = '-----BEGIN AGE ENCRYPTED FILE-----'
const BINARY = 'age-encryption.org/v1\n'

/** Encrypts for all these recipients (`age1…`). Returns ASCII armor, which can be committed and compared. */
export const encrypt = async (bytes: Uint8Array | string, recipients: readonly string[]): Promise<Uint8Array> => {
  if (recipients.length === 0) throw new TypeError('encrypting needs at least one recipient')
  const { Encrypter, armor } = await age()
  const encrypter = new Encrypter()
  for (const recipient of recipients) encrypter.addRecipient(recipient)
  return Buffer.from(armor.encode(await encrypter.encrypt(bytes)))
}

/** Decrypts a file of `encrypt` or of the `age` command. Throws a `Problem` at `where` if no identity matches, or the file is damaged. */
export const decrypt = async (bytes: Uint8Array, identities: readonly Secret[], where: Where): Promise<Uint8Array> => {
  const { Decrypter, armor } = await age()
  const decrypter = new Decrypter()
  for (const identity of identities) decrypter.addIdentity(identity.reveal())
  try {
    return await decrypter.decrypt(isArmored(bytes) ? armor.decode(Buffer.from(bytes).toString('latin1').trim()) : bytes)
  } catch (error) {
    throw new Problem({ class: 'input', where, ...decryptionProblem(error) }, { cause: error })
  }
}

/** Whether the bytes are an age file, by their first line. */
export const isEncrypted = (bytes: Uint8Array): boolean => isArmored(bytes) || startsWith(bytes, BINARY)

/** A new identity, `AGE-SECRET-KEY-1…`. */
export const generateIdentity = async (): Promise<Secret> => new Secret(await (await age()).generateX25519Identity())

/** The recipient of an identity: the public half, `age1…`. */
export const recipientOf = async (identity: Secret): Promise<string> => (await age()).identityToRecipient(identity.reveal())

/** Whether the library accepts this text as a recipient. */
export const isRecipient = async (text: string): Promise<boolean> => {
  const { Encrypter } = await age()
  try {
    new Encrypter().addRecipient(text)
    return true
  } catch {
    return false
  }
}

const isArmored = (bytes: Uint8Array): boolean => startsWith(bytes, ARMOR)

const startsWith = (bytes: Uint8Array, text: string): boolean =>
  Buffer.from(bytes.subarray(0, text.length + 8))
    .toString('latin1')
    .trimStart()
    .startsWith(text)

// The library has one error class, so only its message distinguishes a wrong key from a damaged file.
const decryptionProblem = (error: unknown): { readonly what: string; readonly why: string; readonly fix: string } =>
  error instanceof Error && error.message.startsWith('no identity matched')
    ? {
        what: 'file cannot be decrypted with your age key',
        why: 'the file is encrypted for other recipients',
        fix: 'add your recipient to identities/recipients.txt and ask somebody who can open it to run `provision secrets rotate`; if nobody can, see docs/recovery.md in the package provision',
      }
    : {
        what: 'encrypted file is damaged',
        why: error instanceof Error ? error.message : String(error),
        fix: 'restore it from version control or a backup',
      }
