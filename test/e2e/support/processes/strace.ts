import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** Returns the output of `strace` with these options while `act` runs. */
export const traced = async (options: readonly string[], act: () => unknown): Promise<readonly string[]> => {
  const scratch = mkdtempSync(join(tmpdir(), 'provision-strace-'))
  try {
    const tracer: ChildProcess = spawn('strace', ['-f', '-qq', '--pidns-translation', '-o', join(scratch, 'trace'), ...options], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    await sleep(500)
    await act()
    await sleep(500)
    tracer.kill('SIGINT')
    await once(tracer, 'exit')
    return readFileSync(join(scratch, 'trace'), 'utf8').split('\n')
  } finally {
    rmSync(scratch, { recursive: true })
  }
}

/** Returns the number of processes started by the first process that runs this program, itself included, without threads. */
export const processesBelow = (program: string, trace: readonly string[]): number => {
  const parents = new Map<string, string>()
  let first: string | undefined
  for (const line of trace) {
    const [, pid = '', call = ''] = /^(\d+) +(.*)$/.exec(line) ?? []
    // In a host the kernel answers with the host's own numbers; strace adds what they are to us.
    const [, inner, outer] = /^(?:<\.\.\. )?(?:clone|clone3|fork|vfork)\b.* = (\d+)(?: \/\* (\d+) in strace's PID NS)?/.exec(call) ?? []
    if (inner !== undefined && !call.includes('CLONE_THREAD')) parents.set(outer ?? inner, pid)
    if (first === undefined && call.startsWith('execve(') && call.includes(`/${program}"`) && !call.includes('= -1')) first = pid
  }
  const isBelow = (pid: string | undefined): boolean => pid !== undefined && (pid === first || isBelow(parents.get(pid)))
  return first === undefined ? 0 : 1 + [...parents.keys()].filter((pid) => isBelow(parents.get(pid))).length
}
