import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { makeDirectory } from '../disk/folder.ts'
import { Problem } from '../problem.ts'
import { STATE } from './spec.ts'

/**
 * Runs `act` while no other command of this machine works on a lab; a second command waits for the first. A `cat` holds the lock and ends
 * with this process, so that a killed command leaves no lock behind.
 */
export const withLabLock = async <T>(act: () => Promise<T>): Promise<T> => {
  makeDirectory(STATE, 0o755)
  const holder = spawn('flock', ['--wait', '600', join(STATE, 'lock'), 'sh', '-c', 'echo held; exec cat'], {
    detached: true,
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  holder.stdin.on('error', () => {})
  try {
    await new Promise<void>((resolve, reject) => {
      holder.stdout.once('data', () => resolve())
      holder.once('error', reject)
      holder.once('close', () => reject(busy()))
    })
    return await act()
  } finally {
    holder.stdin.end()
  }
}

const busy = () =>
  new Problem({
    class: 'task',
    where: { command: 'lab' },
    what: 'labs of this machine have been locked by another command for ten minutes',
    fix: `wait until that command ends, or find its process: fuser ${join(STATE, 'lock')}`,
  })
