import type { Secret } from '../secret/secret.ts'

/** A value that exists once its identity was created (structurally the resources' `Later`). */
export interface LaterValue {
  readonly later: string
  get(): string | undefined
  /** The part of the value that exists already, for a value that only grows. */
  soFar?(): string
}

/** An ACME account of the site. The first run creates its key, which is encrypted in the project. */
export interface AcmeAccount {
  /** `acme-account:DIRECTORY`, by which certificates refer to it. */
  readonly key: string
  /** base64url SHA-256 of the account's public key (RFC 7638 section 3): answers HTTP-01 without state. */
  readonly thumbprint: LaterValue
}

export interface AcmeOptions {
  /** `letsencrypt`, `letsencrypt-staging` or an https URL. */
  readonly directory: string
  readonly contact?: string | undefined
  /** PEM file of authorities that verify the directory's own certificate, if the system's do not; relative to the project. */
  readonly caFile?: string | undefined
  /** The user's command that publishes TXT records. With it, names are validated by DNS-01, otherwise by HTTP-01. */
  readonly dnsHook?: readonly string[] | undefined
  /** A name server that takes signed updates (RFC 2136) of TXT records, in place of the command. */
  readonly dnsUpdate?:
    | {
        readonly server: string
        readonly port: number
        readonly key: { readonly name: string; readonly algorithm: 'hmac-sha256' | 'hmac-sha384' | 'hmac-sha512'; readonly secret: Secret }
        readonly waitSeconds: number
      }
    | undefined
  /** An account that the user has with the authority already, to which the ACME account is bound (RFC 8555, 7.3.4). */
  readonly externalAccount?: { readonly kid: string; readonly hmacKey: Secret } | undefined
  /** A directory that must issue once before the first order of this account; its certificate is discarded. */
  readonly tryFirst?: string | undefined
}

/**
 * A certificate authority of the site for one trust domain. After two thirds of its lifetime, the next run creates its next generation,
 * which the previous one cross-signs. Hosts trust both until the older one expires.
 */
export interface Authority {
  /** `authority:DOMAIN`, by which certificates refer to it. */
  readonly key: string
  /** The zone to which its name constraint limits it: `edge.provision.internal`. */
  readonly zone: string
  /** The certificates (PEM) of its unexpired generations, which hosts of the domain trust. */
  readonly certificate: LaterValue
  /** The same certificates as a list, also while a generation is still to be created; empty before the first. */
  trusted(): readonly string[]
  /** The name of a host in this domain: `web-01.edge.provision.internal`. */
  nameOf(host: string): string
}

export interface AuthorityOptions {
  /** The trust domain: `edge`, `database`, `metrics`. A certificate is valid in its own domain only. */
  readonly domain: string
}

/** An identity that the next run creates, or whose next generation it creates. */
export interface PendingIdentity {
  readonly key: string
  readonly action: 'create' | 'update'
  readonly reason: string
}

/** The usage of a certificate of the site's own authorities. */
export type LeafUsage = 'server' | 'client'

/** A host's signing request, with names, usages and lifetime from the site, not from the request. */
export interface IssueRequest {
  /** Certificate signing request, PEM. */
  readonly request: string
  readonly names: readonly string[]
  /** Profile of the certificate, for an ACME authority that offers several. */
  readonly profile?: string | undefined
  /** For the site's own authorities; an ACME authority decides both itself. */
  readonly leaf?: { readonly usages: readonly LeafUsage[]; readonly lifetimeDays: number } | undefined
}

/** The identities of a site. Only `make` and `issue` change anything. */
export interface Identities {
  /** Declares that the site uses this account. */
  acmeAccount(options: AcmeOptions): AcmeAccount
  /** Declares that the site uses this authority. */
  authority(options: AuthorityOptions): Authority
  /** Declared identities that are still to be created, in order of declaration. */
  missing(): readonly PendingIdentity[]
  /**
   * Records that a host has another value where this one is desired. A new generation that its predecessor could not cross-sign, because the
   * predecessor's key is lost, signs nothing while such hosts exist.
   */
  markStale(value: LaterValue, host: string): void
  /** Creates one identity and stores it encrypted. */
  make(key: string): Promise<void>
  /** A certificate chain (PEM) from the authority with this key. Throws a `Problem` if the signing request is not for exactly these names. */
  issue(key: string, request: IssueRequest, doing: (what: string) => void): Promise<string>
}
