import { spawn } from 'node:child_process'
import { dirname } from 'node:path'
import { makeDirectory } from '../../disk/folder.ts'
import { Problem } from '../../problem.ts'

/** A lock file, the subject of its messages with its verb, and the minutes that a command waits for it. */
export interface LockFile {
  readonly path: string
  readonly what: string
  readonly minutes: number
}

/**
 * Runs `act` while no other command of this machine holds the lock; a second command waits for the first. A `cat` holds the lock and ends
 * with this process, so that a killed command leaves no lock behind.
 */
export const withLock = async <T>({ path, what, minutes }: LockFile, act: () => Promise<T>): Promise<T> => {
  makeDirectory(dirname(path), 0o755)
  const holder = spawn('flock', ['--wait', String(60 * minutes), path, 'sh', '-c', 'echo held; exec cat'], {
    detached: true,
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  holder.stdin.on('error', () => {})
  try {
    await new Promise<void>((resolve, reject) => {
      holder.stdout.once('data', () => resolve())
      holder.once('error', reject)
      holder.once('close', () => reject(busy({ path, what, minutes })))
    })
    return await act()
  } finally {
    holder.stdin.end()
  }
}

const busy = ({ path, what, minutes }: LockFile) =>
  new Problem({
    class: 'task',
    where: { command: 'lab' },
    what: `${what} locked by another command for ${minutes} minutes`,
    fix: `wait until that command ends, or find its process: fuser ${path}`,
  })
