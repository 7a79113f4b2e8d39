import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type LabSpec, leaderOf } from '../../../src/lab/index.ts'
import type { Project } from './project.ts'

const script = fileURLToPath(new URL('interrupted-run.ts', import.meta.url))

/** An interrupted run, and its end: the signal that ended it, or its output about failures. */
export interface InterruptedRun {
  readonly pid: number
  readonly ended: Promise<{ readonly by: string | null; readonly said: string }>
}

/** Starts a run of the project's playbook with the real engine, and sends it a signal at the first event that matches `pattern`. */
export const interruptRun = (
  { root, env }: Project,
  pattern: string,
  signal: 'SIGKILL' | 'SIGSTOP',
  allowDataLoss: readonly string[] = [],
): InterruptedRun => {
  const child = spawn(process.execPath, [script, pattern, signal, ...allowDataLoss], {
    cwd: root,
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let said = ''
  child.stdout.on('data', (chunk) => {
    said += chunk
  })
  return { pid: child.pid ?? 0, ended: once(child, 'close').then(([, by]) => ({ by, said })) }
}

/** Waits until the run is stopped by SIGSTOP. */
export const untilStopped = async ({ pid }: InterruptedRun): Promise<void> => {
  while (!/^State:\tT/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))) await sleep(20)
}

/** Runs a script as root inside a lab host without SSH, and returns its output. Throws if the script fails. */
export const inside = async (spec: LabSpec, host: string, command: string): Promise<string> => {
  const words = [`--target=${await leaderOf(spec, host)}`, '--mount', '--uts', '--ipc', '--net', '--pid', '/bin/sh', '-ec', command]
  const { status, stdout, stderr } = spawnSync('nsenter', words, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`exit ${status}: ${stderr}`)
  return stdout
}
