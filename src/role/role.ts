import type { z } from 'zod'
import type { AcmeAccount, AcmeOptions } from '../identity/identities.ts'
import type { LocalFile } from '../resource/content.ts'
import type { Resource } from '../resource/kind.ts'

/** What a host is, as it says itself. */
export interface Facts {
  readonly distribution: 'debian' | 'ubuntu'
  /** `12`, `24.04`. */
  readonly release: string
  readonly codename: string
  /** Debian's name: `amd64`, `arm64`. */
  readonly architecture: string
  readonly memoryMB: number
  readonly cpus: number
  readonly hostname: string
  /** The address and the port on which sshd really serves us. */
  readonly sshAddress: string
  readonly sshPort: number
}

/** Who may come to a port: everybody, the administrators' networks, a group of hosts, or one host. */
export type Peer = 'anyone' | 'administrators' | { readonly group: string } | { readonly host: string }

/** A port that a role listens on. The firewall is the sum of these; nobody types a port twice. */
export interface Listen {
  /** What is offered there, a name other roles can look for: `site`, `https`. */
  readonly service: string
  readonly port: number
  readonly protocol: 'tcp' | 'udp'
  readonly from: readonly Peer[]
}

/** One permitted way in: a listen entry of a role on a host, its peers resolved to hosts and addresses. */
export interface Flow {
  readonly host: string
  readonly role: string
  readonly service: string
  readonly port: number
  readonly protocol: 'tcp' | 'udp'
  /** `anyone`, or the addresses that may come, IPv4 and IPv6. */
  readonly from: 'anyone' | readonly { readonly name: string; readonly addresses: readonly string[] }[]
}

/** What a role may know of any host of the site. */
export interface HostView {
  readonly name: string
  /** The port for SSH by the inventory; where sshd really serves us is a fact. */
  readonly sshPort: number
  readonly addresses: readonly string[]
  readonly publicAddresses: readonly string[]
  readonly groups: readonly string[]
}

/** What a role may know of the site. Nothing here needs a connection. */
export interface SiteView {
  readonly hosts: readonly HostView[]
  /** Hosts of a group, in inventory order; an unknown group is an input error at the role's option. */
  group(name: string): readonly HostView[]
}

/** Before any host was asked anything. */
export interface SiteContext<Options> {
  readonly host: HostView
  readonly site: SiteView
  readonly options: Options
}

/** Everything a role may know when it says what shall be on a host. */
export interface HostContext<Options> extends SiteContext<Options> {
  readonly facts: Facts
  /** Every permitted flow of the site, of all roles on all hosts. */
  readonly flows: readonly Flow[]
  /** All files below a directory of the project (path relative to it), sorted; an unreadable directory is an input error. */
  files(directory: string): readonly { readonly path: string; readonly content: LocalFile }[]
  acmeAccount(options: AcmeOptions): AcmeAccount
  /** Says something in every plan that a person should know: `SSH is open to the world`. */
  warn(what: string): void
}

/** A behavioural check of `provision verify`: a script on a host that must succeed. */
export interface Check {
  readonly name: string
  readonly script: string
}

export interface Role<Input = unknown, Options = unknown> {
  readonly name: string
  /** One line, for help. */
  readonly summary: string
  readonly options: z.ZodType<Options, Input>
  listens?(context: SiteContext<Options>): readonly Listen[]
  resources(context: HostContext<Options>): readonly Resource[]
  /** What the loaded site must offer; returned problems are input errors, found before any host is asked. */
  check?(context: SiteContext<Options>): readonly { readonly path: readonly PropertyKey[]; readonly what: string; readonly fix: string }[]
  verify?(context: SiteContext<Options>): readonly Check[]
}

/** Says what a role is; the types of `resources` and `listens` follow from `options`. */
export const defineRole = <Input, Options>(role: Role<Input, Options>): Role<Input, Options> => role
