import { accessSync, constants, lstatSync, realpathSync, rmSync } from 'node:fs'
import { lstat, mkdtemp, opendir, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { dirname, join, resolve } from 'node:path'
import { writeWhole } from '../../disk/write.ts'
import type { Environment } from '../../environment.ts'
import { Problem } from '../../problem.ts'

const PREFIX = 'provision-openssh-'
const RANDOM = 6
/** Bytes that must be free: without messages of ssh, no session would open. */
const ROOM = 64 * 1024
/** The socket for the questions of ssh. */
const SOCKET = 'questions'
/** The path of a socket, in bytes (unix(7); macOS has a shorter limit than Linux). */
const MAX_SOCKET_PATH = 103

let made: Promise<string> | undefined

/** A private directory of this process for the messages and questions of ssh. It is deleted when the process ends. */
export const scratch = (): Promise<string> => {
  made ??= makeScratch().then((directory) => {
    process.once('exit', () => rmSync(directory, { recursive: true, force: true }))
    return directory
  })
  return made
}

export const socketIn = (directory: string): string => join(directory, SOCKET)

/** Makes the directory where ssh can start programs and sockets have room. Removes those of killed commands. */
export const makeScratch = async (env: Environment = process.env, common: readonly string[] = COMMON): Promise<string> => {
  const places = new Set([env.TMPDIR, env.XDG_RUNTIME_DIR, ...common].flatMap((place) => (place ? [resolve(place)] : [])))
  const refusals: string[] = []
  for (const place of places) {
    const result = await makeIn(place).catch((error: NodeJS.ErrnoException) => ({ refusal: error.code ?? error.message }))
    if (typeof result === 'string') {
      removeDead(place).catch(() => {})
      return result
    }
    refusals.push(`${place}: ${result.refusal}`)
  }
  throw new Problem({
    class: 'input',
    where: { command: 'provision' },
    what: 'no directory is suitable for the temporary files of transport openssh',
    why: refusals.join('\n'),
    fix: 'set TMPDIR to a directory of yours with a short path, on a file system without noexec',
  })
}

const COMMON = ['/tmp', '/var/tmp', '/dev/shm']

const makeIn = async (place: string): Promise<string | { readonly refusal: string }> => {
  const length = Buffer.byteLength(socketIn(join(place, PREFIX + '_'.repeat(RANDOM))))
  if (length > MAX_SOCKET_PATH) return { refusal: `the path of a socket would have ${length} bytes; ${MAX_SOCKET_PATH} are possible` }
  if (!isSafe(realpathSync(place))) return { refusal: 'other accounts can replace files in it' }
  const directory = await mkdtemp(join(place, PREFIX))
  const program = join(directory, 'program')
  try {
    writeWhole(program, ' '.repeat(ROOM), { mode: 0o700 })
    // Fails on file systems that are mounted noexec.
    accessSync(program, constants.X_OK)
    rmSync(program)
    return directory
  } catch (error) {
    rmSync(directory, { recursive: true, force: true })
    if ((error as NodeJS.ErrnoException).code === 'EACCES') return { refusal: 'it is mounted noexec' }
    throw error
  }
}

/** Whether only root and this account can replace entries of a directory, and the directories above. In a sticky one, only their owners can. */
const isSafe = (directory: string): boolean => {
  const { uid, mode } = lstatSync(directory)
  const isShared = (mode & constants.S_IWOTH) !== 0 && (mode & STICKY) === 0
  if (isShared || (uid !== 0 && uid !== process.geteuid?.())) return false
  return dirname(directory) === directory || isSafe(dirname(directory))
}
const STICKY = 0o1000

const ONE_HOUR = 3_600_000
/** Other accounts decide how many files a shared directory has. */
const MAX_LOOKED_AT = 20_000

/** Deletes directories of killed commands of this account. Nobody answers at their sockets. */
const removeDead = async (place: string): Promise<void> => {
  let count = 0
  for await (const { name } of await opendir(place)) {
    count += 1
    if (count > MAX_LOOKED_AT) return
    if (!name.startsWith(PREFIX) || name.length !== PREFIX.length + RANDOM) continue
    const path = join(place, name)
    const found = await lstat(path).catch(() => undefined)
    if (found?.isDirectory() !== true || found.uid !== process.geteuid?.()) continue
    const answer = await answerAt(socketIn(path))
    const isOld = Date.now() - found.mtimeMs > ONE_HOUR
    if (answer === 'ECONNREFUSED' || (answer === 'ENOENT' && isOld)) await rm(path, { recursive: true, force: true })
  }
}

/** The error of a connection to a socket; undefined if somebody accepts it. */
const answerAt = (socket: string): Promise<string | undefined> =>
  new Promise((done) => {
    const connection = connect(socket)
    connection.once('error', ({ code }: NodeJS.ErrnoException) => done(code))
    connection.once('connect', () => {
      connection.destroy()
      done(undefined)
    })
  })
