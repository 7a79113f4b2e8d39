import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type LabSpec, leaderOf } from '../../../src/lab/index.ts'
import type { Project } from './project.ts'

const script = fileURLToPath(new URL('interrupted-run.ts', import.meta.url))

/** A run that was struck, and what it ended with: the signal that ended it, or what it said of its failures. */
export interface Struck {
  readonly pid: number
  readonly ended: Promise<{ readonly by: string | null; readonly said: string }>
}

/** Starts a run of the project's playbook with the real engine, and strikes it at the first event that matches. What only the hosts of `allowDataLoss` have may be lost. */
export const strike = (
  { root, env }: Project,
  pattern: string,
  signal: 'SIGKILL' | 'SIGSTOP',
  allowDataLoss: readonly string[] = [],
): Struck => {
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

/** Waits until the run was struck with SIGSTOP. */
export const untilStopped = async ({ pid }: Struck): Promise<void> => {
  while (!/^State:\tT/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))) await sleep(20)
}

/** Runs a script as root on a lab host, also when nobody comes in over the network; what it printed. It must succeed. */
export const inside = async (spec: LabSpec, host: string, command: string): Promise<string> => {
  const words = [`--target=${await leaderOf(spec, host)}`, '--mount', '--uts', '--ipc', '--net', '--pid', '/bin/sh', '-ec', command]
  const { status, stdout, stderr } = spawnSync('nsenter', words, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`exit ${status}: ${stderr}`)
  return stdout
}
