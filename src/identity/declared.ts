import type { CertificateWish, IdentityToMake } from './identities.ts'

/** An identity that the site uses: what any sort of them can do. */
export interface Declared {
  missing(): IdentityToMake | undefined
  make(): Promise<void>
  issue(wish: CertificateWish, doing: (what: string) => void): Promise<string>
}
