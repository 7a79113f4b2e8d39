import { lastLines } from '../../problem.ts'
import type { Secret } from '../../secret/secret.ts'
import type { Script } from '../../shell/script.ts'

/** A script for the root shell of the host. `$T` is a private directory for temporary files, deleted with the session. */
export interface ShellStep {
  readonly do: 'shell'
  readonly script: Script
  /** Standard input: the only place for a secret. */
  readonly input?: Uint8Array | Secret
  /** Name of another host of the play that runs the script. Default: the host of the resource. */
  readonly on?: string
  /** The activity shown during the step: `installing nginx`. Default: the resources of the batch. */
  readonly doing?: string
  /** Deadline in milliseconds. Default: 30 minutes. */
  readonly withinMs?: number
  /**
   * The script installs packages, and sets the mark `: >"$installing.from"` before it begins. If a later resource declares a
   * path that appears from then on, it is accepted only if it is the package's by the database of dpkg.
   */
  readonly installs?: true
}

/** A script over a new connection: it proves that the host still accepts logins. */
export interface ReconnectStep {
  readonly do: 'reconnect'
  readonly script: Script
  /** Time for retries, in milliseconds. */
  readonly withinMs: number
}

/** A request to the identities of the controller: sign or order a certificate. */
export interface IdentityStep {
  readonly do: 'identity'
  /** The identity's key, `acme-account:…` or `authority:…`, as the role received it. */
  readonly identity: string
  /** Certificate signing request (PEM). The certificate has the names of the site, not those of the request. */
  readonly request: string
  readonly names: readonly string[]
  /** Profile of a certificate of an ACME authority. */
  readonly profile?: string
  /** Usages and lifetime of a certificate by an authority of the site. */
  readonly leaf?: { readonly usages: readonly ('server' | 'client')[]; readonly lifetimeDays: number }
  readonly doing?: string
}

/** A file that the controller fetches by URL. Its bytes are the answer; an exit code other than 0 means that it could not be fetched. */
export interface FetchStep {
  readonly do: 'fetch'
  readonly url: string
  readonly sha256: string
  /** Limit in bytes. */
  readonly maxBytes: number
  /** Not sent to another host that a redirection leads to. */
  readonly headers: Readonly<Record<string, Secret>>
  /** URL of a proxy, or `none`. Default: the proxy of the environment. */
  readonly proxy?: string | undefined
  readonly withinMs: number
  readonly doing: string
}

/** A sentence for the output of the run. The host does nothing. */
export interface NoticeStep {
  readonly do: 'notice'
  readonly what: string
  /** Print it as a warning. */
  readonly warn?: true
}

/** Reboots the host, waits until it is back, and opens its shell again. Its boot id proves that it booted. */
export interface RebootStep {
  readonly do: 'reboot'
  /** Why, as the host's journal and its users read it. */
  readonly reason: string
  /** Time until it must be back, in milliseconds. */
  readonly withinMs: number
}

export type Step = ShellStep | ReconnectStep | IdentityStep | FetchStep | NoticeStep | RebootStep

/** The answer to a step. For an `IdentityStep`, `stdout` is the PEM chain; for a `FetchStep`, the file. */
export interface Answer {
  readonly code: number
  readonly stdout: Buffer
  readonly stderr: string
}

/** Steps of a batch: yields a step, receives its answer. Throws a `HostRefusal` if the host refuses one. */
export type Steps = Generator<Step, void, Answer>

/** Progress of a batch of resources before a host refused a step. */
export interface RefusedBatch {
  /** Identities of the resources that were changed before. */
  readonly done?: readonly string[] | undefined
  /** Identity of the resource that was refused; without, the first that was not changed. */
  readonly culprit?: string | undefined
  /** Other hosts that share the resource are not changed after it: their services would refuse the same. */
  readonly othersToo?: boolean
  /**
   * The account other than root that controls the path of this resource, if that is the cause and the path is untouched. The run changes
   * the resources of the host that do not depend on it.
   */
  readonly account?: string | undefined
}

/** The host refused a step. `what` names the failure, `why` has the host's own words, `fix` an instruction. */
export class HostRefusal extends Error {
  override readonly name = 'HostRefusal'
  readonly what: string
  readonly why: string
  readonly fix: string | undefined
  /** Identities of the resources that were changed before. */
  readonly done: readonly string[]
  /** Identity of the resource that was refused; if undefined, the first that was not changed. */
  readonly culprit: string | undefined
  /** Other hosts that share the resource are not changed after it. */
  readonly othersToo: boolean
  /** The account other than root that controls the path of the refused resource. */
  readonly account: string | undefined

  constructor(what: string, why: string, fix?: string, { done = [], culprit, othersToo = false, account }: RefusedBatch = {}) {
    super(`${what}: ${why}`)
    this.what = what
    this.why = why
    this.fix = fix
    this.done = done
    this.culprit = culprit
    this.othersToo = othersToo
    this.account = account
  }
}

/** The controller failed in its part of a change. The resources in `done` were changed before. */
export class ControllerFailure extends Error {
  override readonly name = 'ControllerFailure'
  readonly done: readonly string[]
  readonly culprit: string

  constructor(cause: unknown, done: readonly string[], culprit: string) {
    super(`${culprit} was not done`, { cause })
    this.done = done
    this.culprit = culprit
  }
}

/** Returns the answer of a successful script. Otherwise throws a `HostRefusal` with the exit status and the last 20 lines of output. */
export const requireSuccess = (answer: Answer, what: string, fix?: string): Answer => {
  if (answer.code === 0) return answer
  throw new HostRefusal(
    `${what} (exit ${answer.code})`,
    outputExcerpt(answer.stderr.trim() === '' ? answer.stdout.toString() : answer.stderr),
    fix,
  )
}

/** Returns the last 20 lines of the output of a host, for the `why` of an error. */
export const outputExcerpt = (output: string): string => (output.trim() === '' ? 'the host printed nothing' : lastLines(output, 20))
