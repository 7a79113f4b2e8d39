import { existsSync, readFileSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { PRIVATE, SHARED } from '../disk/folder.ts'
import { writeWhole } from '../disk/write.ts'
import type { Environment } from '../environment.ts'
import { Problem } from '../problem.ts'
import { Secret } from '../secret/secret.ts'
import { generateIdentity, isRecipient, recipientOf } from './age.ts'

/** The administrator's age identities, and the recipients of this project's encrypted files. */
export interface AgeKey {
  readonly identities: readonly Secret[]
  readonly recipients: readonly string[]
}

/** The recipients who can decrypt the project's secrets and identities: one `age1…` per line, `#` begins a comment. */
export const RECIPIENTS = 'identities/recipients.txt'

/** The administrator's own key file: `$PROVISION_AGE_KEY_FILE`, else `~/.config/provision/age.txt`. */
export const ageKeyFile = (env: Environment): string => {
  const named = env.PROVISION_AGE_KEY_FILE
  if (named !== undefined && named !== '') return named
  return join(env.XDG_CONFIG_HOME || join(env.HOME || homedir(), '.config'), 'provision', 'age.txt')
}

/** The identities in the key file. Throws a `Problem` if the file is missing, readable by others, or contains no key. */
export const loadAgeIdentities = (env: Environment): readonly Secret[] => {
  const file = ageKeyFile(env)
  const identities = linesOf(readKeyFile(file)).filter((line) => line.startsWith('AGE-SECRET-KEY-'))
  if (identities.length === 0) throw keyProblem(file, 'file contains no age key', 'add a line AGE-SECRET-KEY-1…, as age-keygen prints it')
  return identities.map((identity) => new Secret(identity))
}

/** The project's recipients; empty if the file does not exist. Throws a `Problem` for a line that is not a recipient. */
export const recipientsOf = async (root: string): Promise<readonly string[]> => {
  const text = readRecipients(root, RECIPIENTS)
  if (text === undefined) return []
  for (const [i, line] of text.split('\n').entries()) {
    if (linesOf(line).length > 0 && !(await isRecipient(line.trim()))) throw recipientProblem(i + 1)
  }
  return linesOf(text)
}

/**
 * The key and the recipients, created if missing: for a run and for `provision secrets edit`, never for a dry run. Throws a `Problem` if
 * this key is not among the project's recipients, because it could not decrypt what it encrypts.
 */
export const ensureAgeKey = async (root: string, env: Environment): Promise<AgeKey> => {
  const file = ageKeyFile(env)
  if (!existsSync(file)) await createKeyFile(file)
  const identities = loadAgeIdentities(env)
  const own = await Promise.all(identities.map(recipientOf))
  const [first = ''] = own
  if ((await recipientsOf(root)).length === 0) {
    const text = `# Recipients who can decrypt the secrets and identities of this project: one age recipient per line.\n${first}\n`
    writeWhole(join(root, RECIPIENTS), text, { mode: 0o644, directory: SHARED, onlyNew: true, shown: RECIPIENTS })
  }
  const recipients = await recipientsOf(root)
  if (!recipients.some((recipient) => own.includes(recipient))) throw notRecipientProblem(first)
  return { identities, recipients }
}

/** Recipients of a project have about a hundred bytes each. */
const MAX_BYTES = 65_536

/** The text of a file of recipients; undefined if it does not exist. Waits for no named pipe, and reads no endless file. */
export const readRecipients = (root: string, file: string): string | undefined => {
  const found = orKeyProblem(file, () => statSync(join(root, file), { throwIfNoEntry: false }))
  if (found === undefined) return undefined
  if (found.isFile() && found.size <= MAX_BYTES) return orKeyProblem(file, () => readFileSync(join(root, file), 'utf8'))
  throw keyProblem(file, 'file is not a regular file of at most 64 KB', 'replace it by a text file with one recipient (age1…) per line')
}

const orKeyProblem = <T>(file: string, read: () => T): T => {
  try {
    return read()
  } catch (error) {
    throw keyProblem(file, 'file cannot be read', 'replace it with a regular file that your account can read', error)
  }
}

const createKeyFile = async (file: string): Promise<void> => {
  const identity = await generateIdentity()
  const text = `# created: ${new Date().toISOString()}\n# public key: ${await recipientOf(identity)}\n${identity.reveal()}\n`
  writeWhole(file, text, { mode: 0o600, directory: PRIVATE, onlyNew: true })
}

const readKeyFile = (file: string): string => {
  const text = readIfThere(file)
  if (text === undefined) {
    throw keyProblem(file, 'age key file does not exist', 'copy your key file there, or set PROVISION_AGE_KEY_FILE to its path')
  }
  if ((statSync(file).mode & 0o077) !== 0) throw keyProblem(file, 'age key file is readable by other accounts', `run: chmod 600 ${file}`)
  return text
}

const readIfThere = (file: string): string | undefined => {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    if (isCode(error, 'ENOENT')) return undefined
    throw keyProblem(file, 'file cannot be read', 'replace it with a regular file that your account can read', error)
  }
}

const isCode = (error: unknown, code: string): boolean => error instanceof Error && 'code' in error && error.code === code

const linesOf = (text: string): readonly string[] =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))

const keyProblem = (file: string, what: string, fix: string, cause?: unknown): Problem =>
  new Problem({ class: 'input', where: { file }, what, ...(cause instanceof Error ? { why: cause.message } : {}), fix }, { cause })

const recipientProblem = (line: number): Problem =>
  new Problem({
    class: 'input',
    where: { file: RECIPIENTS, line, column: 1 },
    what: 'line is not an age recipient',
    fix: 'write one recipient (age1…) per line; # begins a comment',
  })

const notRecipientProblem = (own: string): Problem =>
  new Problem({
    class: 'input',
    where: { file: RECIPIENTS },
    what: 'age key of this account is not among the recipients of this project',
    why: 'you could not decrypt what you encrypt, and two administrators would create two certificate authorities',
    fix: `add the line ${own} and ask somebody who is on the list to run \`provision secrets rotate\`; if nobody is left, see docs/recovery.md in the package provision`,
  })
