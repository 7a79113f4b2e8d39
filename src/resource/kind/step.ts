import type { Secret } from '../../secret/secret.ts'
import type { ShellText } from '../../shell/script.ts'

/** One privileged script and what it reads on standard input. Its output is bytes; `$T` is a directory for its temporary files, which no cut outlives. */
export interface ShellStep {
  readonly do: 'shell'
  readonly script: ShellText
  readonly input?: Uint8Array | Secret
  /** Another host of the play than the one whose resource this is (plans over several hosts). */
  readonly on?: string
  /** What the host is doing meanwhile, for the person who watches: `installing nginx`. Without, its resources are named. */
  readonly doing?: string
  /** How long it may take, in milliseconds, where that can be longer than half an hour. */
  readonly withinMs?: number
}

/** A script that is run over a connection of its own, opened for it: proof that one can still come in. */
export interface ReconnectStep {
  readonly do: 'reconnect'
  readonly script: ShellText
  /** How long to go on trying, in milliseconds. */
  readonly withinMs: number
}

/** Something that only the controller's identities can do: sign, order a certificate. */
export interface IdentityStep {
  readonly do: 'identity'
  /** The identity's key, `acme-account:…` or `authority:…`, as the role received it. */
  readonly identity: string
  /** A certificate signing request (PEM) and the names that the site (not the request) asks for. */
  readonly request: string
  readonly names: readonly string[]
  /** What a certificate of the site's own authority is good for, and how long. */
  readonly leaf?: { readonly usages: readonly ('server' | 'client')[]; readonly lifetimeDays: number }
  readonly doing?: string
}

/** Something that a person should know of what was done, beside that it was done. */
export interface NoticeStep {
  readonly do: 'tell'
  readonly what: string
  /** It is to worry about. */
  readonly warn?: true
}

export type Step = ShellStep | ReconnectStep | IdentityStep | NoticeStep

/** A host's answer to a step; for an identity step, `stdout` is what was made (a PEM chain). */
export interface Answer {
  readonly code: number
  readonly stdout: Buffer
  readonly stderr: string
}

/** The steps that bring some resources to their state: yields a step, receives its answer. Throws `Refused` when a host refuses. */
export type Steps = Generator<Step, void, Answer>

/** How far a batch of resources came before a host refused a step. */
export interface RefusedBatch {
  /** Identities of the resources that were changed before. */
  readonly done?: readonly string[] | undefined
  /** Identity of the resource that was refused; without, the first that was not changed. */
  readonly culprit?: string | undefined
}

/** A host refused a step: the words to show are the host's own. */
export class HostRefusal extends Error {
  override readonly name = 'Refused'
  readonly what: string
  readonly why: string
  readonly fix: string | undefined
  /** Identities of those of the batch that were done before it was refused. */
  readonly done: readonly string[]
  /** Which of the batch it was about; else the first that was not done. */
  readonly culprit: string | undefined

  constructor(what: string, why: string, fix?: string, { done = [], culprit }: RefusedBatch = {}) {
    super(`${what}: ${why}`)
    this.what = what
    this.why = why
    this.fix = fix
    this.done = done
    this.culprit = culprit
  }
}

/** The controller could not do its part of a change; what had been done of the batch before counts. */
export class ControllerFailure extends Error {
  override readonly name = 'Undone'
  readonly done: readonly string[]
  readonly culprit: string

  constructor(cause: unknown, done: readonly string[], culprit: string) {
    super(`${culprit} was not done`, { cause })
    this.done = done
    this.culprit = culprit
  }
}

/** The answer when the script succeeded; else `Refused`, with the last lines of what the host said. */
export const requireSuccess = (answer: Answer, what: string, fix?: string): Answer => {
  if (answer.code === 0) return answer
  throw new HostRefusal(`${what} (exit ${answer.code})`, lastWords(answer), fix)
}

const lastWords = ({ stderr, stdout }: Answer): string => {
  return lastLines(stderr.trim() === '' ? stdout.toString() : stderr)
}

/** The last of what a host said, for an error; or that it said nothing. */
export const lastLines = (said: string): string =>
  said.trim() === '' ? 'the host said nothing' : said.trim().split('\n').slice(-20).join('\n')
