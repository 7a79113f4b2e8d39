import { StringDecoder } from 'node:string_decoder'
import { lastLines, Problem } from '../../problem.ts'
import { isSecret } from '../../secret/secret.ts'
import type { Link } from '../target/link.ts'
import { unreachable } from '../target/problems.ts'
import { NO_ROOM } from './answer-loop.ts'
import { AnswerReader, randomWord, requestFrame } from './frame.ts'
import type { Launched } from './launch.ts'
import { Lines } from './lines.ts'
import type { Answer, FirstRequest, RequestOptions, Shell } from './shell.ts'

const BEAT_MS = 10_000
const REQUEST_MS = 600_000
const KEPT_BYTES = 64 * 1024 * 1024
// A script with more output than this does not end.
const HARD_LIMIT_BYTES = 256 * 1024 * 1024
const CLOSE_MS = 5_000

/** Time limit for the loop's answer after its overdue processes were killed. */
const ANSWER_MS = 5_000

/** A request as bytes, and the mark of its answer. */
export interface Frame {
  readonly mark: string
  readonly bytes: Buffer
  readonly options: RequestOptions
}

export const frameOf = ({ script, ...options }: FirstRequest): Frame => {
  const mark = randomWord()
  const { input, deadlineMs = REQUEST_MS } = options
  const bytes = requestFrame(mark, script, isSecret(input) ? Buffer.from(input.reveal()) : input, Math.ceil(deadlineMs / 1000))
  return { mark, bytes, options }
}

interface Pending {
  readonly options: RequestOptions
  /** The result of killing it, once it is overdue. */
  killing?: Promise<Problem | undefined> | undefined
  readonly resolve: (answer: Answer) => void
  readonly reject: (error: Error) => void
}

/** Kills, over a new connection, the processes that a shell's request has been running for `afterMs`; `word` identifies the shell. */
export type KillOverdue = (word: string, afterMs: number) => Promise<Problem | undefined>

export interface PersistentShellOptions {
  readonly host: string
  /** The words of `$SSH_CONNECTION` on the host. */
  readonly sshConnection: readonly string[]
  /** A request that was sent behind the script of the shell. */
  readonly first?: Frame | undefined
  /** Sends a heartbeat every few seconds. */
  readonly heartbeat: boolean
  /** Kills an overdue step, so that the shell can continue. Without it, the host is given up. */
  readonly killOverdue?: KillOverdue | undefined
}

/** A persistent root shell on a host: sends requests to the loop there and reads its answers. */
export class PersistentShell implements Shell {
  readonly host: string
  readonly sshConnection: readonly string[]
  readonly first: Promise<Answer> | undefined
  frames = 0
  readonly #link: Link
  readonly #launched: Launched
  readonly #reader = new AnswerReader()
  readonly #pending: Pending[] = []
  readonly #killOverdue: KillOverdue | undefined
  readonly #beat: NodeJS.Timeout | undefined
  #deadline: NodeJS.Timeout | undefined
  #latest: Promise<unknown> = Promise.resolve()
  #lost: Problem | undefined
  #closing: Promise<void> | undefined

  constructor(link: Link, launched: Launched, { host, sshConnection, first, heartbeat, killOverdue }: PersistentShellOptions) {
    this.host = host
    this.sshConnection = sshConnection
    this.#link = link
    this.#launched = launched
    this.#killOverdue = killOverdue
    // No heartbeat during a step: the loop records that it is busy, and sends one at the end of the step.
    if (heartbeat) this.#beat = setInterval(() => this.#pending.length === 0 && this.#send(':', {}).catch(() => {}), BEAT_MS).unref()
    // If the shell ended because its step was killed, that is the reason.
    launched.channel.ended.then(async (code) => {
      const killed = await this.#pending[0]?.killing
      this.#lose(killed ?? this.#problem(code === undefined ? 'connection was lost' : endOf(code)))
    })
    link.gone.then((error) => this.#lose(this.#problem('connection was lost', error?.message)))
    if (first === undefined) return
    this.frames += 1
    this.first = this.#answer(first)
  }

  /** Takes the host's output that follows the `open` line of the loop. */
  take(chunk: Buffer): void {
    this.#reader.push(chunk)
  }

  async request(script: string, options: RequestOptions = {}): Promise<Answer> {
    if (this.#closing) throw new Error(`the shell on ${this.host} is closed`)
    this.frames += 1
    return await this.#send(script, options)
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  #send(script: string, options: RequestOptions): Promise<Answer> {
    if (this.#lost) return Promise.reject(this.#lost)
    const frame = frameOf({ script, ...options })
    const answer = this.#answer(frame)
    this.#launched.channel.stdin.write(frame.bytes)
    return answer
  }

  #answer({ mark, options }: Frame): Promise<Answer> {
    const answer = new Promise<Answer>((resolve, reject) => {
      this.#pending.push({ options, resolve, reject })
      if (this.#pending.length === 1) this.#watch()
      this.#expect(mark, options)
    })
    this.#latest = answer.catch(() => {})
    return answer
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
        if (length > HARD_LIMIT_BYTES) this.#giveUp(this.#problem(`output of a script exceeds ${HARD_LIMIT_BYTES / 1024 / 1024} MB`))
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
        if (pending?.killing === undefined) settle(undefined)
        else pending.killing.then(settle, pending.reject)
      },
    })
  }

  // The deadline is for the first request only. The others have not begun.
  #watch(): void {
    clearTimeout(this.#deadline)
    const [first] = this.#pending
    if (first !== undefined) this.#deadline = setTimeout(() => this.#overdue(first), first.options.deadlineMs ?? REQUEST_MS)
  }

  // Closing only the connection would leave the step running, with the lock, so that no later run could start.
  async #overdue(first: Pending): Promise<void> {
    const ms = first.options.deadlineMs ?? REQUEST_MS
    const late = (): Problem => this.#problem(`no answer within ${Math.round(ms / 1000)} s`, undefined, MAY_RUN)
    first.killing = this.#killOverdue?.(this.#launched.word, ms)
    if (first.killing === undefined) return this.#giveUp(late())
    const problem = await first.killing
    if (this.#pending[0] !== first) return
    if (problem?.class === 'unreachable') return this.#giveUp(problem)
    this.#deadline = setTimeout(() => this.#giveUp(problem ?? late()), ANSWER_MS)
  }

  #giveUp(problem: Problem): void {
    this.#lose(problem)
    this.#link.destroy()
  }

  #lose(problem: Problem): void {
    if (this.#lost) return
    this.#lost = problem
    clearInterval(this.#beat)
    clearTimeout(this.#deadline)
    for (const { reject } of this.#pending.splice(0)) reject(problem)
    if (!this.#closing) void this.#link.close()
  }

  #problem(what: string, why?: string, begun = 'a started step finishes by itself, and no other was started'): Problem {
    const output = lastLines([why ?? '', this.#launched.stderr()].join('\n'))
    return unreachable(this.host, { what, why: output, fix: `check the host, then run again: ${begun}` })
  }

  async #close(): Promise<void> {
    clearInterval(this.#beat)
    // The loop ends at the end of its input, after the requests that were sent.
    this.#launched.channel.stdin.end()
    await this.#latest
    const forced = setTimeout(() => this.#launched.channel.destroy(), CLOSE_MS)
    await Promise.race([this.#launched.channel.ended, this.#link.gone])
    clearTimeout(forced)
    await this.#link.close()
  }
}

const MAY_RUN = 'the step may still be running there, and no other was started'

const endOf = (code: number): string =>
  code === NO_ROOM ? 'host could not store a request: /run is full' : `root shell ended (exit ${code})`

const tooMuch = (host: string, maxBytes: number): Problem =>
  new Problem({
    class: 'task',
    where: { host },
    what: `output of a script exceeds ${Math.round(maxBytes / 1024)} KB`,
    fix: 'reduce the output of the script',
  })

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
