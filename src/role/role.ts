import type { z } from 'zod'
import type { AcmeAccount, AcmeOptions, Authority, AuthorityOptions } from '../keystore/identities.ts'
import type { LocalFile } from '../resource/kind/content.ts'
import type { Resource } from '../resource/kind/kind.ts'
import type { OptionFault } from '../resource/option/fault.ts'
import type { Script, ShellText } from '../shell/script.ts'
import type { Connection } from './flow/connection.ts'
import type { Exposed, Exposes } from './flow/exposes.ts'
import type { PortRules } from './flow/port-rules.ts'

export type { Connection } from './flow/connection.ts'
export type { Exposed, Exposes, HealthProbe, Metrics } from './flow/exposes.ts'

/** The facts of a host, as it reports them. */
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
  /** The address and port of sshd in the present connection. */
  readonly sshAddress: string
  readonly sshPort: number
  /** That port, and every other port in sshd's configuration. */
  readonly sshPorts: readonly number[]
  /** The client address that the host sees: the controller's, a jump host's or a router's. Empty if the host does not report it. */
  readonly clientAddress: string
  /** The host is a container without its own kernel: LXC, Docker, Podman, systemd-nspawn, OpenVZ. */
  readonly container: boolean
  /** The installed daemon that synchronises the clock, if it is one of these. */
  readonly clock?: 'timesyncd' | 'chrony'
  /** Whether rsyslog is installed. */
  readonly rsyslog: boolean
  /** The networks of the host with their interfaces: `eth0`, `192.0.2.0/24`. For IPv6, `network` has the host's own address. */
  readonly networks: readonly Network[]
}

export interface Network {
  readonly interface: string
  readonly network: string
}

/** A permitted peer of a port. A group that the inventory does not have can be a set of the host's firewall. */
export type Peer =
  | 'anyone'
  | 'administrators'
  | { readonly group: string }
  | { readonly host: string }
  | { readonly network: string }
  | { readonly set: string; readonly networks: readonly string[] }

/** The protocol of a flow. TCP and UDP have ports; VRRP, by which load balancers monitor each other, has none. */
export type Protocol = 'tcp' | 'udp' | 'vrrp'

/** A request of a visitor that shows whether a site works, and the status of the right response. */
export interface SiteProbe {
  readonly path: string
  readonly status: number
}

/** A site that a service serves, for the roles in front of it. */
export interface ServedSite {
  /** Its host names, `*.example.org` included; empty: all names that no other site has. */
  readonly names: readonly string[]
  readonly probe?: SiteProbe
}

/** A port that a role listens on. The firewall opens exactly these ports. */
export interface Listen extends PortRules {
  /** The service name that other roles look for: `site`, `https`. */
  readonly service: string
  /** 0 where the protocol has no ports. */
  readonly port: number
  readonly protocol: Protocol
  readonly from: readonly Peer[]
  /** The traffic is encrypted. */
  readonly encrypted?: boolean
  /** The longest time until a response that the user configured, in seconds. A proxy in front must wait at least as long. */
  readonly responseSeconds?: number
  /** The sites that it serves by host name. */
  readonly sites?: readonly ServedSite[]
}

/** One permitted flow: a listen entry of a role on a host, with its peers resolved to hosts and addresses. */
export interface Flow extends PortRules {
  readonly host: string
  readonly role: string
  readonly service: string
  readonly port: number
  readonly protocol: Protocol
  readonly encrypted: boolean
  readonly responseSeconds?: number
  readonly sites?: readonly ServedSite[]
  /** `anyone`, or the permitted hosts with their IPv4 and IPv6 addresses. */
  readonly from: 'anyone' | readonly { readonly name: string; readonly addresses: readonly string[] }[]
}

/** A host of the site as roles see it. */
export interface HostView {
  readonly name: string
  /** The inventory's account for logging in. */
  readonly user: string
  /** The inventory's port for SSH; the port of the present connection is a fact. */
  readonly sshPort: number
  readonly addresses: readonly string[]
  readonly publicAddresses: readonly string[]
  readonly groups: readonly string[]
}

/** The site as roles see it. Nothing here needs a connection. */
export interface SiteView {
  readonly hosts: readonly HostView[]
  /** Hosts of a group, in inventory order; empty for an unknown group. */
  group(name: string): readonly HostView[]
  /** Hosts to which a play binds this role, in inventory order. */
  withRole(name: string): readonly HostView[]
}

/** The input of a role before any host is contacted. */
export interface SiteContext<Options> {
  /** The other name under which the play binds the role (`{ role: nginx, as: shop }`), for roles that are `repeatable`. */
  readonly as?: string
  readonly host: HostView
  readonly site: SiteView
  readonly options: Options
}

/** The input of hooks that also use the permitted flows of the whole site. */
export interface FlowContext<Options> extends SiteContext<Options> {
  /** All permitted flows of the site. */
  readonly flows: readonly Flow[]
}

/** The input of a role when it declares the resources of a host. */
export interface HostContext<Options, Own = unknown> extends FlowContext<Options> {
  /** The facts of the host. `own`: the answer to the role's own question (`facts` of the role). */
  readonly facts: unknown extends Own ? Facts : Facts & { readonly own: Own }
  /** All metrics and health probes of the site. */
  readonly exposed: readonly Exposed[]
  /** Connections of all roles of this host to places outside the site. */
  readonly connections?: readonly (Connection & { readonly role: string })[]
  /**
   * All files below a directory of the project, sorted by their path relative to it, without hidden ones. With `name`, only the file of
   * this name in the directory. An unreadable directory is an input error.
   */
  files(directory: string, name?: string): readonly { readonly path: string; readonly content: LocalFile }[]
  acmeAccount(options: AcmeOptions): AcmeAccount
  /** The certificate authority of the site for one trust domain: `edge`, `database`, `metrics`. */
  authority(options: AuthorityOptions): Authority
  /** Returns whether a former run declared this resource (`kind:identity`) of the role on the host, and nothing deleted it since. Undefined without a host. */
  wasDeclared?(key: string): boolean
  /** Shows a warning in every plan: `SSH is open to anyone`. */
  warn(what: string): void
}

/**
 * A behavioural check of `provision verify`: a script on a host that must exit with 0. Exit status 77 means that the check does not apply
 * to this host (as in Automake's test protocol); the report then leaves it out.
 */
export interface Check {
  readonly name: string
  readonly script: ShellText
  /** systemd units of the host that must run. If one does not, that is the failure, and the check is not run. */
  readonly units?: readonly string[]
  /** Name of a check of the same role and host. If both fail, this one is reported as a consequence of that one. */
  readonly follows?: string
  /** The fix of a failure, as an imperative; default: compare the configuration, then read the log. */
  readonly fix?: string
}

/**
 * Scripts that take a host out of service at another host that sends it requests, and put it back: POSIX sh, run as root on that other
 * host. Both must be repeatable, and succeed at once if the service does not exist yet or does not know the host.
 */
export interface Drain {
  /** Stops new requests and waits, for a bounded time, until none is in progress. Prints the reason of a failure on stderr. */
  readonly out: Script
  /** Puts the host back into service and waits until it is healthy; fails if it is not within a bounded time. */
  readonly back: Script
}

/** A question of a role to its host, asked together with the built-in facts. */
export interface OwnFacts<Own = unknown> {
  /** POSIX sh, run as root before anything is changed, also by a dry run: it must change nothing. It prints JSON, or lines KEY=VALUE. */
  readonly script: ShellText
  /** Checks the answer. The values of lines are text: `z.coerce.number()` makes numbers of them. */
  readonly schema: z.ZodType<Own>
}

export interface Role<Input = unknown, Options = unknown, Own = unknown> {
  readonly name: string
  /** One line, for help. */
  readonly summary: string
  readonly options: z.ZodType<Options, Input>
  /**
   * Whether a play may bind the role under another name (`{ role: NAME, as: OTHER }`), several times to one host. Its resources, ports and
   * metrics must then differ between two names: derive them from `context.as` or from options.
   */
  readonly repeatable?: boolean
  listens?(context: SiteContext<Options>): readonly Listen[]
  /** Networks by name, which the peers of all ports of this host can name as they name groups. */
  networks?(context: SiteContext<Options>): Readonly<Record<string, readonly string[]>>
  /** Connections to places outside the site, which a firewall of outgoing packets permits. */
  connects?(context: SiteContext<Options>): readonly Connection[]
  /** Metrics and health probes for monitoring. */
  exposes?(context: FlowContext<Options>): readonly Exposes[]
  /** What this role asks the host; the answer is `facts.own` of `resources`. */
  readonly facts?: OwnFacts<Own>
  resources(context: HostContext<Options, Own>): readonly Resource[]
  /** Checks of the options against the site. Returned problems are input errors, shown before any host is contacted. */
  check?(context: SiteContext<Options>): readonly OptionFault[]
  /** Scripts by which this host takes `member` out of service while a rolling play changes it; undefined if it sends `member` no requests. */
  drains?(context: FlowContext<Options>, member: HostView): Drain | undefined
  /**
   * Script, run as root on this host at the end of a run that changed it or a host that it drains. It fails, and prints the reason on
   * stderr, if the service of this host does not answer. It succeeds at once if the service does not exist yet.
   */
  serves?(context: FlowContext<Options>): ShellText
  verify?(context: FlowContext<Options>): readonly Check[]
  /** Whether this host may have unreplicated rows, so that `--allow-data-loss` may name it. */
  holdsOwnRows?(context: SiteContext<Options>): boolean
}

/** Defines a role; the types of `resources` and `listens` follow from `options`. */
export const defineRole = <Input, Options, Own>(role: Role<Input, Options, Own>): Role<Input, Options, Own> => role
