import type { Readable, Writable } from 'node:stream'
import { finished } from 'node:stream/promises'

/** A command that runs on a host. */
export interface Channel {
  readonly stdin: Writable
  readonly stdout: Readable
  readonly stderr: Readable
  /** The exit status when the command has ended; undefined if the connection was lost or a signal ended the command. */
  readonly ended: Promise<number | undefined>
  /** Ends the command's connection to this side at once. */
  destroy(): void
}

/** Resolves when the output of a command has been taken: only then is the command over. */
export const outputTaken = async (...streams: readonly Readable[]): Promise<void> => {
  await Promise.all(streams.map((stream) => finished(stream).catch(() => {})))
}

/** A way to run commands on a host. Every transport provides one. */
export interface Link {
  /** Starts a command in the login shell of the account. Throws a `Problem` if the host refuses, or if it cannot be reached. */
  run(command: string): Promise<Channel>
  /** Resolves when the connection has ended, with the error unless this side closed it. */
  readonly gone: Promise<Error | undefined>
  /**
   * The public key, in base64, that was accepted at the login, or all keys that were offered if this is not known. Empty before the login,
   * or if another method was accepted.
   */
  readonly loginKeys: readonly string[]
  /** The process of the controller, if it runs on the host: the lock is free for others when it has ended. */
  readonly controller?: number
  /** Ends the connection at once. */
  destroy(): void
  /** Ends the connection, and waits until the host will learn of it. */
  close(): Promise<void>
}

export interface ConnectOptions {
  readonly signal?: AbortSignal | undefined
  readonly log?: ((line: string) => void) | undefined
  /** Called with the reason if OpenSSH is used instead of ssh2. */
  readonly onTransport?: ((what: string) => void) | undefined
  /** Whether to retry a dropped or refused connection, true by default. */
  readonly retries?: boolean | undefined
  /** Whether the connection must be a new one, all the way to the host: it proves that the host still accepts logins. */
  readonly fresh?: boolean | undefined
}
