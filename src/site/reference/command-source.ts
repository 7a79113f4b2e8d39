import { spawnSync } from 'node:child_process'
import { Secret } from '../../secret/secret.ts'

/** What a user's own command printed, as a secret; or why there is none. Neither holds a word of what it said: that could be the secret. */
export type FromCommand = { readonly secret: Secret } | { readonly failed: string }

/** A password store may ask its agent, and that a person. */
const COMMAND_MS = 60_000
const MOST_BYTES = 1_048_576

/** Runs commands of the inventory by a shell, in the project's directory, each once; the line end at the end of what it prints is no part of the secret. */
export const commandSource = (root: string, env: Readonly<Record<string, string | undefined>>): ((line: string) => FromCommand) => {
  const known = new Map<string, FromCommand>()
  return (line) => {
    const found = known.get(line) ?? run(root, env, line)
    known.set(line, found)
    return found
  }
}

const run = (root: string, env: Readonly<Record<string, string | undefined>>, line: string): FromCommand => {
  const { status, signal, error, stdout } = spawnSync('sh', ['-c', line], {
    cwd: root,
    env,
    timeout: COMMAND_MS,
    maxBuffer: MOST_BYTES,
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const { code } = (error ?? {}) as NodeJS.ErrnoException
  if (code === 'ETIMEDOUT') return { failed: `took longer than ${COMMAND_MS / 1000} s` }
  if (code === 'ENOBUFS') return { failed: 'printed more than 1 MB' }
  if (code !== undefined) return { failed: `could not be started (${code})` }
  if (signal !== null) return { failed: `was ended by ${signal}` }
  if (status !== 0) return { failed: `ended with exit ${status}` }
  const bytes = stdout.at(-1) === 10 ? stdout.subarray(0, -1) : stdout
  try {
    const value = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    return value.trim() === '' ? { failed: 'printed nothing' } : { secret: new Secret(value) }
  } catch {
    return { failed: 'printed something that is no text' }
  }
}
