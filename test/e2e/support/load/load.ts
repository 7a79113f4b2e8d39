import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** Load of the visitors: connections and requests per second of each protocol. */
export interface LoadOptions {
  /** Address, and the host names of the pages and of the application. */
  readonly address: string
  readonly ca: string
  readonly pages: { readonly name: string; readonly paths: Readonly<Record<string, readonly string[]>> }
  /** Undefined: no POST requests. */
  readonly application?: string
  /** Multiplier of the usual rate of about ninety requests per second. */
  readonly factor?: number
}

export type Way = 'kept GET' | 'fresh GET' | 'kept POST' | 'fresh POST' | 'h2 GET' | 'h2 POST'

/** A failed request, with the reason. */
export interface Failure {
  readonly way: Way
  /** Start within the phase and duration, in seconds. */
  readonly at: number
  readonly seconds: number
  readonly why: string
  readonly id?: string
}

/** Results of all requests that began in one phase. */
export interface Phase {
  readonly name: string
  readonly seconds: number
  readonly sent: Readonly<Record<string, number>>
  readonly failures: readonly Failure[]
  readonly slowestMs: number
  /** HTTP/2 streams that were refused unprocessed, and opened again. */
  readonly refused: number
  readonly servedBy: readonly string[]
}

/** Visitors in a separate process: they continue while the test blocks. */
export interface Load {
  /** Ends the current phase, waits for its last answers, and begins another. */
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

/** Returns one line per phase, for the log of the test. */
export const phaseLine = ({ name, seconds, sent, failures, slowestMs, servedBy, refused }: Phase): string => {
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
