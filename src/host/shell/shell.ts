import type { Secret } from '../../secret/secret.ts'

/** What one script answered. `code` is the exit status; a lost connection is never an answer, it throws a `Problem`. */
export interface Answer {
  readonly code: number
  readonly stdout: Buffer
  readonly stderr: string
}

export interface RequestOptions {
  readonly input?: Uint8Array | Secret
  /** Milliseconds until it is ended, or the host given up, as hanging; 10 minutes unless told. */
  readonly deadlineMs?: number
  /** Complete lines of standard output as they come, for progress. */
  readonly onLine?: (line: string) => void
  /** How much of stdout is kept at most; 64 MB unless told. More is a `Problem`. */
  readonly maxBytes?: number
}

/** One privileged POSIX shell on one host, held for the whole run. Requests are answered in their order and may be pipelined. */
export interface Shell {
  readonly host: string
  /** `SSH_CONNECTION` as sshd gave it: client address and port, server address and the port that sshd really serves us on. */
  readonly sshConnection: readonly string[]
  /** Frames sent so far (tests count them). */
  readonly frames: number
  request(script: string, options?: RequestOptions): Promise<Answer>
  /** Ends the shell after the request at hand; releases the lock. */
  close(): Promise<void>
}

/** Who holds the lock, as it is written on the host. */
export interface Holder {
  readonly user: string
  readonly machine: string
  readonly command: string
  /** ISO 8601. */
  readonly since: string
}
