import { spawn } from 'node:child_process'
import { type LabSpec, leaderOf } from '../../../../src/lab/index.ts'
import { quote } from '../../../../src/shell/quote.ts'

/** Runs a script as root on a lab host, beside any session, and returns its output. Rejects if the script fails. */
export type Root = (script: string) => Promise<string>

const WITHIN_MS = 240_000

/** The script is read from standard input, so that no process shows its text to other accounts. */
export const rootOf =
  (spec: LabSpec, host: string): Root =>
  async (script) => {
    const leader = await leaderOf(spec, host)
    const env = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/root', LC_ALL: 'C' }
    const enter = [`--target=${leader}`, '--mount', '--uts', '--ipc', '--net', '--pid']
    const child = spawn('nsenter', [...enter, '/bin/sh', '-es'], { env, timeout: WITHIN_MS, killSignal: 'SIGKILL' })
    const out: Buffer[] = []
    const err: Buffer[] = []
    child.stdout.on('data', (bytes: Buffer) => out.push(bytes))
    child.stderr.on('data', (bytes: Buffer) => err.push(bytes))
    // A script that ends early leaves the rest of it unread.
    child.stdin.on('error', () => undefined)
    child.stdin.end(script)
    const code = await new Promise<number | null>((resolve, reject) => child.once('error', reject).once('close', resolve))
    if (code !== 0) throw new Error(`exit ${code}: ${Buffer.concat(err)}\n${script.slice(0, 2000)}`)
    return Buffer.concat(out).toString()
  }

/** Shell that runs words as an account, with its groups and nothing else of root's. */
export const wordsAs = (account: string): string =>
  `env -i PATH=/usr/local/bin:/usr/bin:/bin LC_ALL=C setpriv --reuid ${account} --regid "$(id -g ${account})" --init-groups --inh-caps=-all --no-new-privs`

/** Shell that runs a script as an account. */
export const scriptAs = (account: string, script: string): string => `${wordsAs(account)} sh -c ${quote(script)} </dev/null`

/** Starts a Perl program as an account in the background and returns its process number on the host. */
export const startPerl = async (root: Root, account: string, words: readonly string[]): Promise<number> =>
  Number(await root(`${wordsAs(account)} setsid perl -e ${words.map(quote).join(' ')} </dev/null >/dev/null 2>&1 & echo $!`))

/** Ends a process by its number and waits until it is gone. */
export const endProcess = (root: Root, pid: number): Promise<string> =>
  root(`kill -KILL ${pid} 2>/dev/null || :; while [ -e /proc/${pid} ] && ! grep -q '^State:.Z' /proc/${pid}/status; do sleep 0.02; done`)
