import type { Client } from 'ssh2'

/** A connection to a host after login. */
export interface Link {
  readonly client: Client
  /** Resolves when the connection has ended, with the error unless this side closed it. */
  readonly gone: Promise<Error | undefined>
  /** The public key of the login in base64, or all keys of the agent if one of them was accepted. */
  readonly loginKeys?: readonly string[]
  close(): Promise<void>
}
