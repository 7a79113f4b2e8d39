/** A value that exists once its identity was made (structurally the resources' `Later`). */
export interface MadeOnce {
  readonly later: string
  get(): string | undefined
  /** What is known of it until then, where it will only be longer. */
  soFar?(): string
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
  /** The user's command that publishes TXT records: names are proved by DNS-01 then, by HTTP-01 without. */
  readonly dnsHook?: readonly string[] | undefined
  /** A directory that must issue first, before the very first order: its certificate is thrown away. */
  readonly tryFirst?: string | undefined
}

/**
 * A certificate authority of the site for one trust domain. It follows itself: when two thirds of its life are over, the next run makes
 * its next generation, which the one before vouches for, and both are trusted until the older one expires.
 */
export interface Authority {
  /** `authority:DOMAIN`, the key by which certificates find it. */
  readonly key: string
  /** The only names that it may vouch for end so: `edge.provision.internal`. */
  readonly zone: string
  /** What to trust in this domain: the certificates (PEM) of its living generations. */
  readonly certificate: MadeOnce
  /** The same, one by one, as it is at this moment, even while a generation is still to be made; empty before the first. */
  trusted(): readonly string[]
  /** The name of a host in this domain: `web-01.edge.provision.internal`. */
  nameOf(host: string): string
}

export interface AuthorityOptions {
  /** The trust domain: `edge`, `database`, `metrics`. A certificate of one opens nothing in another. */
  readonly domain: string
}

/** An identity that does not exist yet, or that needs a successor, and that the next run makes. */
export interface IdentityToMake {
  readonly key: string
  readonly action: 'create' | 'update'
  readonly reason: string
}

/** What a certificate of an authority of the site is good for. */
export type LeafUsage = 'server' | 'client'

/** A certificate that a host asks for, and what the site (not the request) says about it. */
export interface CertificateWish {
  /** Certificate signing request, PEM. */
  readonly request: string
  readonly names: readonly string[]
  /** For certificates of the site's own authorities; an ACME authority decides this itself. */
  readonly leaf?: { readonly usages: readonly LeafUsage[]; readonly lifetimeDays: number } | undefined
}

/** What the controller keeps for a site. Declaring and reading change nothing; `make` and `issue` do. */
export interface Identities {
  /** Declares that the site uses this account. */
  acmeAccount(options: AcmeOptions): AcmeAccount
  /** Declares that the site uses this authority. */
  authority(options: AuthorityOptions): Authority
  /** Declared identities that are still to be made, in order of declaration. */
  missing(): readonly IdentityToMake[]
  /**
   * A host has something else where this value shall be. Until it has learnt of it, nothing is signed that the host could not verify:
   * a new generation whose predecessor is lost, and could not vouch for it, signs nothing in this run.
   */
  stillLearns(value: MadeOnce, host: string): void
  /** Makes one and keeps it, encrypted. */
  make(key: string): Promise<void>
  /** A certificate chain (PEM) for a request, from the authority with this key. Refuses a request for anything else than the wish says. */
  issue(key: string, wish: CertificateWish, doing: (what: string) => void): Promise<string>
}
