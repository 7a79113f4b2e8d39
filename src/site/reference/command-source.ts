import { spawnSync } from 'node:child_process'
import type { Environment } from '../../environment.ts'
import { Secret } from '../../secret/secret.ts'

/** Output of a user's command as a secret, or the reason of its failure. The reason contains no output, which could be the secret. */
export type CommandOutput = { readonly secret: Secret } | { readonly failed: string }

/** A password store may wait for its agent, and the agent for the user. */
const COMMAND_MS = 60_000
const MAX_BYTES = 1_048_576

/** Runs commands in a shell in the project's directory, each command once. A final line break is not part of the secret. */
export const commandSource = (root: string, env: Environment): ((line: string) => CommandOutput) => {
  const outputs = new Map<string, CommandOutput>()
  return (line) => {
    const output = outputs.get(line) ?? run(root, env, line)
    outputs.set(line, output)
    return output
  }
}

const run = (root: string, env: Environment, line: string): CommandOutput => {
  const { status, signal, error, stdout } = spawnSync('sh', ['-c', line], {
    cwd: root,
    env,
    timeout: COMMAND_MS,
    maxBuffer: MAX_BYTES,
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const { code } = (error ?? {}) as NodeJS.ErrnoException
  if (code === 'ETIMEDOUT') return { failed: `took longer than ${COMMAND_MS / 1000} s` }
  if (code === 'ENOBUFS') return { failed: 'printed more than 1 MB' }
  if (code !== undefined) return { failed: `could not be started (${code})` }
  if (signal !== null) return { failed: `was killed by ${signal}` }
  if (status !== 0) return { failed: `failed with exit status ${status}` }
  const bytes = stdout.at(-1) === 10 ? stdout.subarray(0, -1) : stdout
  try {
    const value = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    return value.trim() === '' ? { failed: 'printed nothing' } : { secret: new Secret(value) }
  } catch {
    return { failed: 'printed data that is not UTF-8 text' }
  }
}
