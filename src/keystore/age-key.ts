import { existsSync, readFileSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { PRIVATE, SHARED } from '../disk/folder.ts'
import { writeWhole } from '../disk/write.ts'
import { Problem } from '../problem.ts'
import { Secret } from '../secret/secret.ts'
import { generateIdentity, isRecipient, recipientOf } from './age.ts'

/** What the key file and the recipients' file say: who I am, and who may open what is encrypted in this project. */
export interface AgeKey {
  readonly identities: readonly Secret[]
  readonly recipients: readonly string[]
}

type Environment = Readonly<Record<string, string | undefined>>

/** Whoever stands here can open the project's secrets and identities: one `age1…` a line, `#` begins a comment. */
export const RECIPIENTS = 'identities/recipients.txt'

/** The administrator's own key file: `$PROVISION_AGE_KEY_FILE`, else `~/.config/provision/age.txt`. */
export const ageKeyFile = (env: Environment): string => {
  const named = env.PROVISION_AGE_KEY_FILE
  if (named !== undefined && named !== '') return named
  return join(env.XDG_CONFIG_HOME || join(env.HOME || homedir(), '.config'), 'provision', 'age.txt')
}

/** The identities in the key file. Throws a `Problem` when there is no such file, others may read it, or it holds no key. */
export const loadAgeIdentities = (env: Environment): readonly Secret[] => {
  const file = ageKeyFile(env)
  const identities = linesOf(readKeyFile(file)).filter((line) => line.startsWith('AGE-SECRET-KEY-'))
  if (identities.length === 0) throw keyProblem(file, 'holds no age key', 'put a line AGE-SECRET-KEY-1… there, as `age-keygen` prints it')
  return identities.map((identity) => new Secret(identity))
}

/** The project's recipients; empty where nobody has made the file yet. Throws a `Problem` at a line that is no recipient. */
export const recipientsOf = async (root: string): Promise<readonly string[]> => {
  const text = readIfThere(join(root, RECIPIENTS))
  if (text === undefined) return []
  for (const [i, line] of text.split('\n').entries()) {
    if (linesOf(line).length > 0 && !(await isRecipient(line.trim()))) throw recipientProblem(i + 1)
  }
  return linesOf(text)
}

/**
 * The key and the recipients, made where there are none: for a run and for `provision secrets edit`, never for a dry run.
 * Refuses when the project has recipients and none of them is ours, because we could not read what we write.
 */
export const ensureAgeKey = async (root: string, env: Environment): Promise<AgeKey> => {
  const file = ageKeyFile(env)
  if (!existsSync(file)) await makeKeyFile(file)
  const identities = loadAgeIdentities(env)
  const own = await Promise.all(identities.map(recipientOf))
  const [first = ''] = own
  if ((await recipientsOf(root)).length === 0) {
    const text = `# Who can open what is encrypted in this project: one age recipient a line.\n${first}\n`
    writeWhole(join(root, RECIPIENTS), text, { mode: 0o644, directory: SHARED, onlyNew: true, shown: RECIPIENTS })
  }
  const recipients = await recipientsOf(root)
  if (!recipients.some((recipient) => own.includes(recipient))) throw strangerProblem(first)
  return { identities, recipients }
}

const makeKeyFile = async (file: string): Promise<void> => {
  const identity = await generateIdentity()
  const text = `# created: ${new Date().toISOString()}\n# public key: ${await recipientOf(identity)}\n${identity.reveal()}\n`
  writeWhole(file, text, { mode: 0o600, directory: PRIVATE, onlyNew: true })
}

const readKeyFile = (file: string): string => {
  const text = readIfThere(file)
  if (text === undefined) {
    throw keyProblem(file, 'there is no age key here', 'copy your key file there, or say where it is with PROVISION_AGE_KEY_FILE')
  }
  if ((statSync(file).mode & 0o077) !== 0) throw keyProblem(file, 'others than you may read this age key', `run: chmod 600 ${file}`)
  return text
}

const readIfThere = (file: string): string | undefined => {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    if (isCode(error, 'ENOENT')) return undefined
    throw keyProblem(file, 'this file cannot be read', 'make it a plain file that you may read', error)
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
    what: 'this line is no age recipient',
    fix: 'write one recipient (age1…) a line; `#` begins a comment',
  })

const strangerProblem = (own: string): Problem =>
  new Problem({
    class: 'input',
    where: { file: RECIPIENTS },
    what: 'your age key is not among the recipients of this project',
    why: 'you could not read what you encrypt, and two administrators would make two certificate authorities',
    fix: `add the line ${own} and ask somebody who is on the list to run \`provision secrets rotate\`; if nobody is left: see docs/recovery.md`,
  })
