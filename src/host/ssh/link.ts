import type { Client } from 'ssh2'

/** A connection to a host after login. */
export interface Link {
  readonly client: Client
  /** Resolves when the connection has ended, with the error unless this side closed it. */
  readonly gone: Promise<Error | undefined>
  close(): Promise<void>
}
