import type { CertificateWish, IdentityToMake, MadeOnce } from './identities.ts'

/** An identity that the site uses: what any sort of them can do. */
export interface Declared {
  missing(): IdentityToMake | undefined
  /** A host has something else where this value shall be. */
  stillLearns?(value: MadeOnce, host: string): void
  make(): Promise<void>
  issue(wish: CertificateWish, doing: (what: string) => void): Promise<string>
}
