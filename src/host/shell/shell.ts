import type { Secret } from '../../secret/secret.ts'

/** The result of one script. `code` is the exit status. A lost connection throws a `Problem` instead. */
export interface Answer {
  readonly code: number
  readonly stdout: Buffer
  readonly stderr: string
}

export interface RequestOptions {
  readonly input?: Uint8Array | Secret
  /** Milliseconds after which the script is killed or the host given up; 10 minutes by default. */
  readonly deadlineMs?: number
  /** Called with each complete line of standard output, for progress. */
  readonly onLine?: (line: string) => void
  /** Maximum size of stdout, 64 MB by default. More is a `Problem`. */
  readonly maxBytes?: number
}

/** A request that is sent right behind the script of the shell itself, which saves a round trip. */
export interface FirstRequest extends RequestOptions {
  readonly script: string
}

/** A root POSIX shell on one host, kept open for the whole run. Requests may be pipelined and are answered in order. */
export interface Shell {
  readonly host: string
  /** `SSH_CONNECTION` of the host: client address and port, server address and port. */
  readonly sshConnection: readonly string[]
  /** The answer to the request that the shell was opened with. */
  readonly first?: Promise<Answer> | undefined
  /** Number of requests sent so far. */
  readonly frames: number
  request(script: string, options?: RequestOptions): Promise<Answer>
  /** Ends the shell after the pending requests, which releases the lock. */
  close(): Promise<void>
}

/** The holder of the lock, as recorded on the host. */
export interface Holder {
  readonly user: string
  readonly machine: string
  readonly command: string
  /** ISO 8601. */
  readonly since: string
}
