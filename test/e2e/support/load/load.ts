import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** What visitors do all the while: each way with so many connections, and so many requests a second. */
export interface LoadOptions {
  /** Where they connect, and the name that they ask for; pages and application have a name each. */
  readonly address: string
  readonly ca: string
  readonly pages: { readonly name: string; readonly paths: Readonly<Record<string, readonly string[]>> }
  /** Without one, nothing is posted. */
  readonly application?: string
  /** Times the usual rate of about ninety requests a second. */
  readonly factor?: number
}

export type Way = 'kept GET' | 'fresh GET' | 'kept POST' | 'fresh POST' | 'h2 GET' | 'h2 POST'

/** One request that did not get what it should, and why. */
export interface Failure {
  readonly way: Way
  /** When it began, in seconds of the phase, and how long it took. */
  readonly at: number
  readonly seconds: number
  readonly why: string
  readonly id?: string
}

/** What came of all requests that began in one phase. */
export interface Phase {
  readonly name: string
  readonly seconds: number
  readonly sent: Readonly<Record<string, number>>
  readonly failures: readonly Failure[]
  readonly slowestMs: number
  /** HTTP/2 streams that were refused before anybody looked at them, and opened again. */
  readonly refused: number
  readonly servedBy: readonly string[]
}

/** Visitors in a process of their own: the test may block, they go on. */
export interface Load {
  /** Ends the phase that runs, waits for its last answers, and begins another. */
  next(name: string): Promise<Phase>
  /** Ends the last phase; `posted` are the ids that were acknowledged, in no order. */
  stop(): Promise<{ readonly phase: Phase; readonly posted: readonly string[]; readonly unsure: readonly string[] }>
  kill(): void
}

export const startLoad = async (options: LoadOptions, name: string): Promise<Load> => {
  const child = fork(fileURLToPath(new URL('visitors.ts', import.meta.url)), [JSON.stringify(options)], { stdio: 'inherit' })
  const ask = <T>(message: object): Promise<T> =>
    new Promise((resolve, reject) => {
      const ended = (code: number | null) => reject(new Error(`the visitors ended (${code})`))
      child.once('exit', ended)
      child.once('message', (answer) => {
        child.off('exit', ended)
        resolve(answer as T)
      })
      child.send(message)
    })
  await ask({ begin: name })
  return {
    next: (following) => ask({ next: following }),
    stop: async () => {
      const last = await ask<Awaited<ReturnType<Load['stop']>>>({ stop: true })
      child.kill()
      return last
    },
    kill: () => child.kill(),
  }
}

/** One line a phase, for the log of the test. */
export const told = ({ name, seconds, sent, failures, slowestMs, servedBy, refused }: Phase): string => {
  const all = Object.values(sent).reduce((sum, one) => sum + one, 0)
  const ways = Object.entries(sent).map(([way, count]) => `${way} ${count}`)
  const lost = [...Map.groupBy(failures, ({ way, why }) => `${way}: ${why}`)].map(([what, some]) => `  ${some.length} × ${what}`)
  const when =
    failures.length === 0
      ? []
      : [
          `  begun ${Math.min(...failures.map(({ at }) => at)).toFixed(1)} to ${Math.max(...failures.map(({ at }) => at)).toFixed(1)} s after the phase began`,
        ]
  const line = `${name}: ${failures.length} failed of ${all} in ${seconds.toFixed(0)} s (${ways.join(', ')}); slowest ${Math.round(slowestMs)} ms; by ${servedBy.join(' and ')}${refused === 0 ? '' : `; ${refused} streams opened again`}`
  return [line, ...lost, ...when].join('\n')
}
