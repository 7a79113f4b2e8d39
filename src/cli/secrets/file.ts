import { readFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { resolve } from 'node:path'
import { type Lock, lockFile } from '../../disk/lock.ts'
import { targetOf } from '../../disk/target.ts'
import { writeWhole } from '../../disk/write.ts'
import { ensureAgeKey } from '../../keystore/age-key.ts'
import { recipientsForSecrets } from '../../keystore/renewal.ts'
import { Problem, systemProblem } from '../../problem.ts'
import { encryptSecrets } from '../../site/secrets.ts'
import type { CommandContext } from '../command.ts'

/** Bytes of a secrets file on disk; undefined if there is none. */
export const bytesOf = (directory: string, path: string): Uint8Array | undefined => {
  try {
    // Refuses anything but a regular file: a named pipe would block.
    return readFileSync(targetOf(resolve(directory, path), path))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw systemProblem(error, { file: path, asked: 'read' }) ?? error
  }
}

/** Replaces a secrets file atomically. Behind a link of this account, the file is replaced and the link stays. */
export const replace = (directory: string, path: string, bytes: Uint8Array): void =>
  void writeWhole(resolve(directory, path), bytes, { mode: 0o600, keepsMode: true, shown: path })

/** Encrypts a text for the project's recipients and replaces the file. Throws `ConcurrentChange` if the file is not `before` any more. */
export const writeEncrypted = async (
  path: string,
  text: string,
  before: Uint8Array | undefined,
  context: CommandContext,
): Promise<void> => {
  const { directory, env } = context
  const { recipients } = await ensureAgeKey(directory, env)
  const bytes = await encryptSecrets(path, text, recipientsForSecrets(directory, path, recipients))
  const now = bytesOf(directory, path)
  if (now !== undefined && (before === undefined || !Buffer.from(before).equals(now))) throw new ConcurrentChange(path)
  replace(directory, path, bytes)
}

/** Runs `act` while it holds the lock of a secrets file. */
export const withLock = async <T>(path: string, { directory, env }: CommandContext, act: (lock: Lock) => Promise<T>): Promise<T> => {
  const lock = lockFile(resolve(directory, path), path, userName(env))
  process.once('exit', lock.release)
  try {
    return await act(lock)
  } finally {
    process.off('exit', lock.release)
    lock.release()
  }
}

const userName = (env: CommandContext['env']): string => {
  try {
    return env.SUDO_USER ?? env.USER ?? userInfo().username
  } catch {
    return `account ${process.getuid?.()}`
  }
}

/** The file changed since it was opened, for example through git. */
export class ConcurrentChange extends Problem {
  constructor(path: string) {
    super({
      class: 'input',
      where: { file: path },
      what: `${path} changed since it was opened`,
      why: 'another program wrote it, for example git; saving would undo that change',
      fix: 'run provision secrets edit again, and repeat your change in the new text',
    })
  }
}
