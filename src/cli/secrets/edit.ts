import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { PRIVATE } from '../../disk/folder.ts'
import type { Holder, Lock } from '../../disk/lock.ts'
import { writeWhole } from '../../disk/write.ts'
import { encrypt } from '../../keystore/age.ts'
import { ensureAgeKey } from '../../keystore/age-key.ts'
import { problemsIn } from '../../problem.ts'
import { cards } from '../../report/card.ts'
import { words } from '../../report/text.ts'
import { quote } from '../../shell/quote.ts'
import { readSecrets } from '../../site/read.ts'
import type { CommandContext } from '../command.ts'
import { usageError } from '../parse.ts'
import { bytesOf, ConcurrentChange, withLock, writeEncrypted } from './file.ts'

const TEMPLATE = `# One secret per line, as name: value. Maps may be nested. The inventory refers to it as \${secret:name}.\n`

/** Opens the secrets in the user's editor and encrypts the result. If that fails, the typed text is saved elsewhere. */
export const edit = async (path: string, context: CommandContext): Promise<number> => {
  const { directory, env } = context
  const editor = editorOf(context)
  // Before the user types anything: check the key, and with the lock that the directory is writable.
  const { recipients } = await ensureAgeKey(directory, env)
  return withLock(path, context, async (lock) => {
    if (lock.stale !== undefined) context.err(words(staleLockMessage(lock.stale)))
    const bytes = bytesOf(directory, path)
    const before = (await readSecrets({ root: directory, path, env }))?.reveal() ?? TEMPLATE
    const scratch = makeScratch(basename(path), before, lock)
    let isKept = true
    try {
      return await editUntilWritten(path, { scratch, bytes, before, editor }, context)
    } catch (error) {
      isKept = await saveDraft(scratch, before, recipients, context)
      throw error
    } finally {
      scratch.clear(isKept)
    }
  })
}

interface Scratch {
  readonly directory: string
  read(): string
  open(editor: Editor): void
  clear(isKept: boolean): void
}

/** Uses memory if the machine has /dev/shm. Editors leave backup copies beside the file, so the whole directory is deleted. */
const makeScratch = (name: string, text: string, lock: Lock): Scratch => {
  const directory = tryEach(['/dev/shm', tmpdir()], (place) => mkdtempSync(join(place, 'provision-')))
  const file = join(directory, name)
  const clear = (): void => rmSync(directory, { recursive: true, force: true })
  process.once('exit', clear)
  try {
    lock.note(directory)
    writeWhole(file, text, { mode: 0o600 })
  } catch (error) {
    clear()
    throw error
  }
  return {
    directory,
    read: () => readFileSync(file, 'utf8'),
    open: (editor) => open(file, editor),
    clear: (isKept) => {
      if (isKept) clear()
      process.off('exit', clear)
    },
  }
}

interface EditSession {
  readonly scratch: Scratch
  /** The encrypted file as it was opened. */
  readonly bytes: Uint8Array | undefined
  readonly before: string
  readonly editor: Editor
}

const editUntilWritten = async (
  path: string,
  { scratch, bytes, before, editor }: EditSession,
  context: CommandContext,
): Promise<number> => {
  for (;;) {
    scratch.open(editor)
    const after = scratch.read()
    if (after === before) {
      context.err('Nothing was changed.\n')
      return 0
    }
    if (await tryToWrite(path, after, bytes, context)) return 0
  }
}

/** Returns false if the text could not be written and the user wants to edit again: a missing colon, a full disk. */
const tryToWrite = async (path: string, text: string, before: Uint8Array | undefined, context: CommandContext): Promise<boolean> => {
  try {
    await writeEncrypted(path, text, before, context)
    return true
  } catch (error) {
    const problems = problemsIn(error)
    if (problems === undefined || context.ask === undefined || error instanceof ConcurrentChange) throw error
    context.err(cards(problems, context.view))
    if (/^n/i.test(await context.ask('Edit it again? [Y/n] '))) throw error
    return false
  }
}

/**
 * Saves a typed text that could not be written, encrypted as the secrets are, and prints where. Returns false if no directory takes it; the
 * scratch directory must stay then.
 */
const saveDraft = async (
  scratch: Scratch,
  before: string,
  recipients: readonly string[],
  { env, err }: CommandContext,
): Promise<boolean> => {
  try {
    const typed = scratch.read()
    if (typed === before) return true
    const bytes = await encrypt(typed, recipients)
    const state = env.XDG_STATE_HOME || join(env.HOME || homedir(), '.local', 'state')
    const name = `secrets-${new Date().toISOString().replaceAll(/[:.]/g, '-')}-${randomBytes(4).toString('hex')}.age`
    const file = tryEach([join(state, 'provision'), '/dev/shm', tmpdir()], (place) => {
      writeWhole(join(place, name), bytes, { mode: 0o600, directory: PRIVATE, onlyNew: true })
      return join(place, name)
    })
    err(words(`Your text is saved, encrypted, in ${file}.\nShow it: provision secrets view ${quote(file)}\n`))
    return true
  } catch {
    err(words(`Your text could not be saved elsewhere. It is in ${scratch.directory}, unencrypted: copy it, then delete that directory.\n`))
    return false
  }
}

const tryEach = <T>(places: readonly string[], act: (place: string) => T): T => {
  const [first = '', ...more] = places
  if (more.length === 0) return act(first)
  try {
    return act(first)
  } catch (error) {
    if (problemsIn(error) === undefined) throw error
    return tryEach(more, act)
  }
}

const staleLockMessage = ({ user, machine, since, scratch }: Holder): string => {
  const leftText =
    scratch === undefined || !existsSync(scratch)
      ? ''
      : ` Its text may be in ${scratch}, unencrypted: check it, then delete that directory.`
  return `The command of ${user} on ${machine} that locked the file at ${since} was killed; its lock is removed.${leftText}\n`
}

interface Editor {
  readonly command: string
  readonly hasTerminal: boolean
}

/** Editors that wait forever without a terminal. */
const TERMINAL_EDITORS =
  /^(\/(usr\/(local\/)?)?bin\/)?(vi|vim|nvim|view|ex|ed|nano|pico|joe|mcedit|micro|hx|helix|ne|emacs|editor|sensible-editor)(\s|$)/

/** Returns the user's editor. Throws a `Problem` if it needs a terminal and there is none. */
const editorOf = ({ env, ask }: CommandContext): Editor => {
  const command = env.VISUAL || env.EDITOR || 'vi'
  const hasTerminal = ask !== undefined
  if (hasTerminal || !TERMINAL_EDITORS.test(command)) return { command, hasTerminal }
  throw usageError(
    'secrets edit',
    `the editor ${command} needs a terminal, and none is attached`,
    'run the command in a terminal, or set EDITOR to a program that changes the file by itself',
  )
}

const open = (file: string, { command, hasTerminal }: Editor): void => {
  // As in git, the variable may contain options.
  const { status, error } = spawnSync('sh', ['-c', `${command} "$1"`, 'sh', file], {
    stdio: [hasTerminal ? 'inherit' : 'ignore', 'inherit', 'inherit'],
  })
  if (error === undefined && status === 0) return
  throw usageError(
    'secrets edit',
    `the editor ${command} ${status === null ? 'was ended by a signal' : `failed with exit status ${status}`}`,
    'set EDITOR to a working editor; the secrets were not changed',
  )
}
