import { execFile } from 'node:child_process'
import { authorityProblem } from './problem.ts'

export interface Publication {
  /** The user's command and its first words; `add NAME VALUE` or `remove NAME VALUE` follow. It runs without a shell, here. */
  readonly hook: readonly string[]
  /** For problems. */
  readonly directory: string
  /** TXT records. One name may stand with several values (`example.org` and `*.example.org` share theirs): they stand beside each other. */
  readonly records: readonly { readonly name: string; readonly value: string }[]
  readonly doing: (what: string) => void
  readonly signal: AbortSignal
}

/** A command that waits for its DNS provider may take minutes. */
const HOOK_MS = 300_000

/**
 * Publishes TXT records through the user's command, one after the other, does something while they stand, and removes them
 * again, also after a failure.
 */
export const dnsRecords = async ({ hook, directory, records, doing, signal }: Publication, act: () => Promise<void>): Promise<void> => {
  const call = (word: 'add' | 'remove', { name, value }: { name: string; value: string }): Promise<void> => {
    doing(`${word === 'add' ? 'publishing' : 'removing'} ${name}`)
    return run([...hook, word, name, value], directory, signal)
  }
  const added: (typeof records)[number][] = []
  try {
    for (const record of records) {
      added.push(record)
      await call('add', record)
    }
    await act()
  } finally {
    // What is left behind harms nothing, and must not hide why the order failed.
    for (const record of added) await call('remove', record).catch(() => undefined)
  }
}

const run = ([command = '', ...words]: readonly string[], directory: string, signal: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    execFile(command, words, { timeout: HOOK_MS, signal, maxBuffer: 1_000_000 }, (error, stdout, stderr) => {
      if (error === null) return resolve()
      const said = `${stderr}`.trim() === '' ? `${stdout}` : `${stderr}`
      reject(
        authorityProblem(
          directory,
          {
            what: `the command of acme.dns_hook failed: ${command} ${words.at(-3)} ${words.at(-2)}`,
            why: said.trim() === '' ? error.message : said.trim().split('\n').slice(-20).join('\n'),
            fix: 'try it by hand with these words; it is given `add` or `remove`, the name and the value of a TXT record',
          },
          error,
        ),
      )
    })
  })
