import type { z } from 'zod'
import type { AcmeAccount, AcmeOptions, Authority, AuthorityOptions } from '../keystore/identities.ts'
import type { LocalFile } from '../resource/kind/content.ts'
import type { Resource } from '../resource/kind/kind.ts'
import type { ShellText } from '../shell/script.ts'

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
  /** That port, and every other on which sshd listens by its own configuration. */
  readonly sshPorts: readonly number[]
  /** The address from which the host sees us come: the controller's, a jump host's or a router's; empty where it does not say. */
  readonly clientAddress: string
  /** It has no kernel of its own: LXC, Docker, Podman, systemd-nspawn, OpenVZ. */
  readonly container: boolean
  /** The networks that it is on, and by which interface: `eth0`, `192.0.2.0/24`; of IPv6 an address of its own in each. */
  readonly networks: readonly Network[]
}

export interface Network {
  readonly interface: string
  readonly network: string
}

/** Who may come to a port: everybody, the administrators' networks, a group of hosts, or one host. */
export type Peer = 'anyone' | 'administrators' | { readonly group: string } | { readonly host: string }

/** What a way in is made of: TCP and UDP have ports; VRRP, by which balancers tell each other that they live, has none. */
export type Protocol = 'tcp' | 'udp' | 'vrrp'

/** A port that a role listens on. The firewall is the sum of these; nobody types a port twice. */
export interface Listen {
  /** What is offered there, a name other roles can look for: `site`, `https`. */
  readonly service: string
  /** 0 where the protocol has no ports. */
  readonly port: number
  readonly protocol: Protocol
  readonly from: readonly Peer[]
  /** Nobody on the way can read it. */
  readonly encrypted?: boolean
}

/** One permitted way in: a listen entry of a role on a host, its peers resolved to hosts and addresses. */
export interface Flow {
  readonly host: string
  readonly role: string
  readonly service: string
  readonly port: number
  readonly protocol: Protocol
  readonly encrypted: boolean
  /** `anyone`, or the addresses that may come, IPv4 and IPv6. */
  readonly from: 'anyone' | readonly { readonly name: string; readonly addresses: readonly string[] }[]
}

/** Measurements that a service offers on its own host: monitoring carries them off it, behind mutual TLS and to the monitoring hosts only. */
export interface Metrics {
  readonly type: 'metrics'
  /** What they are kept under: `haproxy`, `nginx`, `mysql`. */
  readonly job: string
  /** `prometheus`: as they are; the others are translated by an exporter on the host. */
  readonly format: 'prometheus' | 'nginx-status' | 'mysqld'
  /** A URL on loopback; of `mysqld` the path of its socket, which opens to the account `prometheus` of the host. */
  readonly at: string
}

/** A question that the monitoring hosts ask again and again, as a visitor would. */
export interface HealthProbe {
  readonly type: 'probe'
  /** What is asked, in the words of an alert: `www.example.org`, `web-01`. */
  readonly name: string
  /** `site`: what visitors get; `direct`: one host behind the balancer. */
  readonly of: 'site' | 'direct'
  /** With an address that the monitoring hosts reach. */
  readonly url: string
  /** The name that is asked for there, and that the certificate must have. */
  readonly server: string
  /** What the certificate must come from: an authority that systems know, one trust domain of the site (which then knows us by a certificate too), or anybody. */
  readonly trusts: 'public' | 'anybody' | { readonly domain: string }
}

/** What a role shows to monitoring. */
export type Exposes = Metrics | HealthProbe

/** What a role on a host shows to monitoring. */
export type Exposed = Exposes & { readonly host: string; readonly role: string }

/** What a role may know of any host of the site. */
export interface HostView {
  readonly name: string
  /** The account that the run logs in with, by the inventory. */
  readonly user: string
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
  /** Hosts to which some play binds this role, in inventory order. */
  withRole(name: string): readonly HostView[]
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
  /** What all roles on all hosts show to monitoring. */
  readonly exposed: readonly Exposed[]
  /** All files below a directory of the project (path relative to it), sorted; an unreadable directory is an input error. */
  files(directory: string): readonly { readonly path: string; readonly content: LocalFile }[]
  acmeAccount(options: AcmeOptions): AcmeAccount
  /** The certificate authority of the site for one trust domain: `edge`, `database`, `metrics`. */
  authority(options: AuthorityOptions): Authority
  /** Says something in every plan that a person should know: `SSH is open to the world`. */
  warn(what: string): void
}

/**
 * A behavioural check of `provision verify`: a script on a host that must succeed. Status 77 says that there is nothing to check on
 * this host (as in Automake's test protocol): it is left out of the report.
 */
export interface Check {
  readonly name: string
  readonly script: ShellText
}

/**
 * How a host is taken out of service at another one that sends it requests, and put back: POSIX sh, run as root on that other one.
 * Both may be run again, and both succeed at once where there is nothing to take out: no service yet, or one that does not know the host.
 */
export interface Drain {
  /** Sends no new request there, and ends when none is under way any more, or after a bounded time; a failure says why on stderr. */
  readonly out: ShellText
  /** Puts the host in again whatever its state, then ends when it is found healthy; fails when it is not within a bounded time. */
  readonly back: ShellText
}

export interface Role<Input = unknown, Options = unknown> {
  readonly name: string
  /** One line, for help. */
  readonly summary: string
  readonly options: z.ZodType<Options, Input>
  listens?(context: SiteContext<Options>): readonly Listen[]
  /** What of it can be measured and asked, for whoever watches the site. */
  exposes?(context: SiteContext<Options>): readonly Exposes[]
  resources(context: HostContext<Options>): readonly Resource[]
  /** What the loaded site must offer; returned problems are input errors, found before any host is asked. */
  check?(context: SiteContext<Options>): readonly { readonly path: readonly PropertyKey[]; readonly what: string; readonly fix: string }[]
  /** How this host takes another one out of service while that is changed, a few hosts at a time; undefined where it sends it nothing. */
  drains?(context: SiteContext<Options>, member: HostView): Drain | undefined
  verify?(context: SiteContext<Options>): readonly Check[]
  /** Whether this host may have rows that no other has, so that `--allow-data-loss` can name it. */
  holdsOwnRows?(context: SiteContext<Options>): boolean
}

/** Says what a role is; the types of `resources` and `listens` follow from `options`. */
export const defineRole = <Input, Options>(role: Role<Input, Options>): Role<Input, Options> => role
