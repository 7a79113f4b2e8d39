import { execFile } from 'node:child_process'
import { authorityProblem } from '../problem.ts'
import type { Publisher } from './publish.ts'

/** A command that waits for its DNS provider may take minutes. */
const HOOK_MS = 300_000

/**
 * Publishes TXT records with the user's command and its first arguments; `add NAME VALUE` or `remove NAME VALUE` follow. It runs on this
 * machine, without a shell, and returns after publication.
 */
export const hookPublisher = (hook: readonly string[], directory: string): Publisher => ({
  add: ({ name, value }, signal) => run([...hook, 'add', name, value], directory, signal),
  remove: ({ name, value }, signal) => run([...hook, 'remove', name, value], directory, signal),
  published: async () => {},
})

const run = ([command = '', ...words]: readonly string[], directory: string, signal: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    execFile(command, words, { timeout: HOOK_MS, signal, maxBuffer: 1_000_000 }, (error, stdout, stderr) => {
      if (error === null) return resolve()
      const output = `${stderr}`.trim() === '' ? `${stdout}` : `${stderr}`
      reject(
        authorityProblem(
          directory,
          {
            what: `command of acme.dns_hook failed: ${command} ${words.at(-3)} ${words.at(-2)}`,
            why: output.trim() === '' ? error.message : output.trim().split('\n').slice(-20).join('\n'),
            fix: 'run the command by hand with these arguments: add or remove, then name and value of a TXT record',
          },
          error,
        ),
      )
    })
  })
