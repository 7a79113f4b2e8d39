import type { IncomingHttpHeaders } from 'node:http'
import { Worker } from 'node:worker_threads'

/** A request with its whole body. */
export interface Arrived {
  readonly method: string | undefined
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
  /** Time of arrival, in milliseconds. */
  readonly at: number
}

/** The response to a request, and what the test learns from it. */
export interface Answer<T> {
  readonly status: number
  readonly text?: string
  readonly records: readonly T[]
}

export interface RecorderOptions {
  /** URL of a module that exports `answer(request, context): Answer`. */
  readonly module: string
  readonly address: string
  readonly port: number
  /** For HTTPS. */
  readonly pair?: { readonly cert: string; readonly key: string }
  /** Second argument of `answer`. */
  readonly context?: unknown
}

export interface Recorder<T> {
  readonly records: readonly T[]
  close(): void
}

/**
 * Starts an HTTP server in a thread of its own: a test that waits for a program blocks its own thread, and Alertmanager sends an alert again
 * if nobody responds within ten seconds.
 */
export const recorder = async <T>(options: RecorderOptions): Promise<Recorder<T>> => {
  const records: T[] = []
  const thread = new Worker(new URL('./recorder-thread.ts', import.meta.url), { workerData: options })
  await new Promise<void>((resolve, reject) =>
    thread.on('error', reject).on('message', (message: 'listens' | readonly T[]) => {
      if (message === 'listens') resolve()
      else records.push(...message)
    }),
  )
  return { records, close: () => void thread.terminate() }
}
