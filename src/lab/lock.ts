import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { makeDirectory } from '../disk/folder.ts'
import { Problem } from '../problem.ts'
import { STATE } from './spec.ts'

/**
 * Does something to a lab while nobody else on this machine does: a second command waits for the first, as it would for the base image.
 * The lock is held by a `cat` that ends with us, however we end, so that a killed command leaves no lock behind.
 */
export const alone = async <T>(act: () => Promise<T>): Promise<T> => {
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
    what: 'another command has been working on the labs of this machine for ten minutes',
    fix: `wait for it to end, or end it: fuser ${join(STATE, 'lock')}`,
  })
