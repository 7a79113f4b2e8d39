/** A value that exists once its identity was made (structurally the resources' `Later`). */
export interface MadeOnce {
  readonly later: string
  get(): string | undefined
}

/** An ACME account of the site; its key lies encrypted in the project and is made in the first run. */
export interface AcmeAccount {
  /** `acme-account:DIRECTORY`, the key by which certificates find it. */
  readonly key: string
  /** base64url SHA-256 of the account's public key (RFC 7638 section 3): answers HTTP-01 without state. */
  readonly thumbprint: MadeOnce
}

export interface AcmeOptions {
  /** `letsencrypt`, `letsencrypt-staging` or an https URL. */
  readonly directory: string
  readonly contact?: string | undefined
  /** PEM file with which the directory's own certificate is verified, for CAs that the system does not know; relative to the project. */
  readonly caFile?: string | undefined
}

/** An identity that does not exist yet and that the next run makes. */
export interface IdentityToMake {
  readonly key: string
  readonly reason: string
}

/** What the controller keeps for a site. Declaring and reading change nothing; `make` and `issue` do. */
export interface Identities {
  /** Declares that the site uses this account. */
  acmeAccount(options: AcmeOptions): AcmeAccount
  /** Declared identities that are still to be made, in order of declaration. */
  missing(): readonly IdentityToMake[]
  /** Makes one and keeps it, encrypted. */
  make(key: string): Promise<void>
  /** A certificate chain (PEM) for a request, from the CA behind the account. Refuses a request whose names are not `names`. */
  issue(key: string, request: string, names: readonly string[], doing: (what: string) => void): Promise<string>
}
