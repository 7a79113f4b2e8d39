import type { IssueRequest, LaterValue, PendingIdentity } from './identities.ts'

/** An identity that the site uses: an ACME account or an authority. */
export interface Declared {
  missing(): PendingIdentity | undefined
  /** Notes that a host has another value where this one is desired. */
  markStale?(value: LaterValue, host: string): void
  make(): Promise<void>
  issue(request: IssueRequest, doing: (what: string) => void): Promise<string>
}
