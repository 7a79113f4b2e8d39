import { StringDecoder } from 'node:string_decoder'
import { Problem } from '../../problem.ts'
import { isSecret } from '../../secret/secret.ts'
import type { Link } from '../ssh/link.ts'
import { lastLines, unreachable } from '../target/problems.ts'
import { NO_ROOM } from './answer-loop.ts'
import { AnswerReader, randomWord, requestFrame } from './frame.ts'
import type { Launched } from './launch.ts'
import { Lines } from './lines.ts'
import type { Answer, RequestOptions, Shell } from './shell.ts'

const BEAT_MS = 10_000
const REQUEST_MS = 600_000
const KEPT_BYTES = 64 * 1024 * 1024
// A script that says more than this is not going to stop.
const HARD_LIMIT_BYTES = 1024 * 1024 * 1024
const CLOSE_MS = 5_000

/** Once what it ran has been ended, the loop answers; or it never will. */
const ANSWER_MS = 5_000

interface Pending {
  readonly options: RequestOptions
  /** What becomes of it, once it has taken longer than it may. */
  ending?: Promise<Problem | undefined> | undefined
  readonly resolve: (answer: Answer) => void
  readonly reject: (error: Error) => void
}

/** A way to end, over a connection of its own, what a shell's request has been running for so long; `word` tells the shell from all others. */
export type EndOverdue = (word: string, afterMs: number) => Promise<Problem | undefined>

export interface PersistentShellOptions {
  readonly host: string
  /** The words of `$SSH_CONNECTION` on the host. */
  readonly sshConnection: readonly string[]
  /** Tells the host every few seconds that we are there. */
  readonly beats: boolean
  /** Ends what has taken longer than it may, so that the shell can go on; without, the host is given up. */
  readonly endOverdue?: EndOverdue | undefined
}

/** Speaks with the answering loop on a host. */
export class PersistentShell implements Shell {
  readonly host: string
  readonly sshConnection: readonly string[]
  frames = 0
  readonly #link: Link
  readonly #launched: Launched
  readonly #reader = new AnswerReader()
  readonly #pending: Pending[] = []
  readonly #endOverdue: EndOverdue | undefined
  readonly #beat: NodeJS.Timeout | undefined
  #deadline: NodeJS.Timeout | undefined
  #lost: Problem | undefined
  #closing: Promise<void> | undefined

  constructor(link: Link, launched: Launched, { host, sshConnection, beats, endOverdue }: PersistentShellOptions) {
    this.host = host
    this.sshConnection = sshConnection
    this.#link = link
    this.#launched = launched
    this.#endOverdue = endOverdue
    // A step at hand beats when it ends; the lock's judges know that it runs.
    if (beats) this.#beat = setInterval(() => this.#pending.length === 0 && this.#send(':', {}).catch(() => {}), BEAT_MS).unref()
    // Where it ended because what it waited for was ended, that is the reason.
    launched.ended.then(async (code) => {
      const ending = await this.#pending[0]?.ending
      this.#lose(ending ?? this.#problem(code === undefined ? 'the connection was lost' : endOf(code)))
    })
    link.gone.then((error) => this.#lose(this.#problem('the connection was lost', error?.message)))
  }

  /** Takes what the host says; to be called with everything that follows the loop's `open` line. */
  take(chunk: Buffer): void {
    this.#reader.push(chunk)
  }

  async request(script: string, options: RequestOptions = {}): Promise<Answer> {
    if (this.#closing) throw new Error(`a request to ${this.host} after its shell was closed`)
    this.frames += 1
    return await this.#send(script, options)
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  #send(script: string, options: RequestOptions): Promise<Answer> {
    if (this.#lost) return Promise.reject(this.#lost)
    const mark = randomWord()
    const { input, deadlineMs = REQUEST_MS } = options
    const frame = requestFrame(mark, script, isSecret(input) ? Buffer.from(input.reveal()) : input, Math.ceil(deadlineMs / 1000))
    return new Promise((resolve, reject) => {
      this.#pending.push({ options, resolve, reject })
      if (this.#pending.length === 1) this.#watch()
      this.#expect(mark, options)
      this.#launched.channel.write(frame)
    })
  }

  #expect(mark: string, options: RequestOptions): void {
    const { maxBytes = KEPT_BYTES } = options
    const lines = options.onLine && linesTo(options.onLine)
    const kept: Buffer[] = []
    let length = 0
    this.#reader.expect({
      mark,
      onStdout: (piece) => {
        length += piece.length
        if (length <= maxBytes) kept.push(piece)
        else kept.length = 0
        if (length > HARD_LIMIT_BYTES) this.#giveUp(this.#problem(`a script says more than ${HARD_LIMIT_BYTES / 1024 / 1024} MB`))
        lines?.push(piece)
      },
      onEnd: (code, stderr) => {
        lines?.end()
        const pending = this.#pending.shift()
        this.#watch()
        const settle = (problem: Problem | undefined): void => {
          if (problem !== undefined) pending?.reject(problem)
          else if (length > maxBytes) pending?.reject(tooMuch(this.host, maxBytes))
          else pending?.resolve({ code, stdout: Buffer.concat(kept), stderr })
        }
        if (pending?.ending === undefined) settle(undefined)
        else pending.ending.then(settle, pending.reject)
      },
    })
  }

  // The deadline is for the request at hand; those behind it have not begun.
  #watch(): void {
    clearTimeout(this.#deadline)
    const [first] = this.#pending
    if (first !== undefined) this.#deadline = setTimeout(() => this.#overdue(first), first.options.deadlineMs ?? REQUEST_MS)
  }

  // Were only the connection closed, what has begun would go on, hold the lock, and keep every later run out.
  async #overdue(first: Pending): Promise<void> {
    const ms = first.options.deadlineMs ?? REQUEST_MS
    const late = (): Problem => this.#problem(`no answer within ${Math.round(ms / 1000)} s`, undefined, MAY_RUN)
    first.ending = this.#endOverdue?.(this.#launched.word, ms)
    if (first.ending === undefined) return this.#giveUp(late())
    const problem = await first.ending
    if (this.#pending[0] !== first) return
    if (problem?.class === 'unreachable') return this.#giveUp(problem)
    this.#deadline = setTimeout(() => this.#giveUp(problem ?? late()), ANSWER_MS)
  }

  #giveUp(problem: Problem): void {
    this.#lose(problem)
    this.#launched.channel.destroy()
    this.#link.client.destroy()
  }

  #lose(problem: Problem): void {
    if (this.#lost) return
    this.#lost = problem
    clearInterval(this.#beat)
    clearTimeout(this.#deadline)
    for (const { reject } of this.#pending.splice(0)) reject(problem)
    if (!this.#closing) this.#link.client.end()
  }

  #problem(what: string, why?: string, begun = 'a step that had begun ends by itself, the others did not begin'): Problem {
    const said = lastLines([why ?? '', this.#launched.stderr()].join('\n'))
    return unreachable(this.host, { what, why: said, fix: `check the host, then run again: ${begun}` })
  }

  async #close(): Promise<void> {
    clearInterval(this.#beat)
    // The end of its input is what ends the loop, after the requests that it has been sent.
    this.#launched.channel.end()
    while (this.#pending.length > 0) await new Promise((resolve) => setTimeout(resolve, 5))
    const forced = setTimeout(() => this.#launched.channel.destroy(), CLOSE_MS)
    await Promise.race([this.#launched.ended, this.#link.gone])
    clearTimeout(forced)
    await this.#link.close()
  }
}

const MAY_RUN = 'what had begun may still run there, the others did not begin'

const endOf = (code: number): string =>
  code === NO_ROOM ? 'it could not keep what it was sent: /run is full' : `the shell on the host ended (exit ${code})`

const tooMuch = (host: string, maxBytes: number): Problem =>
  new Problem({ class: 'task', where: { host }, what: `a script said more than ${Math.round(maxBytes / 1024)} KB`, fix: 'let it say less' })

const linesTo = (onLine: (line: string) => void): { push(piece: Buffer): void; end(): void } => {
  const decoder = new StringDecoder('utf8')
  const lines = new Lines(onLine)
  return {
    push: (piece) => lines.push(decoder.write(piece)),
    end: () => {
      lines.push(decoder.end())
      lines.end()
    },
  }
}
