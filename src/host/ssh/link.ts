import type { Client } from 'ssh2'

/** A host to which we are connected and logged in. */
export interface Link {
  readonly client: Client
  /** Settles when the connection is over, with the reason where it was not us. */
  readonly gone: Promise<Error | undefined>
  close(): Promise<void>
}
