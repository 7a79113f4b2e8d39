import { execFile } from 'node:child_process'
import { authorityProblem } from './problem.ts'

export interface Publication {
  /** The user's command and its first arguments; `add NAME VALUE` or `remove NAME VALUE` follow. It runs on this machine, without a shell. */
  readonly hook: readonly string[]
  /** Name of the directory, for problems. */
  readonly directory: string
  /** TXT records. One name can have several values at the same time: `example.org` and `*.example.org` share theirs. */
  readonly records: readonly { readonly name: string; readonly value: string }[]
  readonly doing: (what: string) => void
  readonly signal: AbortSignal
}

/** A command that waits for its DNS provider may take minutes. */
const HOOK_MS = 300_000

/**
 * Publishes TXT records with the user's command one after the other, runs `act`, and removes the records, also after a failure.
 */
export const dnsRecords = async ({ hook, directory, records, doing, signal }: Publication, act: () => Promise<void>): Promise<void> => {
  const call = (operation: 'add' | 'remove', { name, value }: { name: string; value: string }): Promise<void> => {
    doing(`${operation === 'add' ? 'publishing' : 'removing'} ${name}`)
    return run([...hook, operation, name, value], directory, signal)
  }
  const added: (typeof records)[number][] = []
  try {
    for (const record of records) {
      added.push(record)
      await call('add', record)
    }
    await act()
  } finally {
    // A record that stays is harmless, and its error must not replace the cause of the failure.
    for (const record of added) await call('remove', record).catch(() => undefined)
  }
}

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
