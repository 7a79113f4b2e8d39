import type { Flow } from 'provision'

export type Peers = Exclude<Flow['from'], 'anyone'>

export interface Rate {
  readonly perMinute: number
  readonly burst: number
}

/** Rules of one network interface. */
export interface InterfaceRules {
  readonly name: string
  /** Interfaces to which packets that arrive here may be forwarded; `any`: all. */
  readonly forward: readonly string[]
  /** Networks whose packets leave here with the address of the host. */
  readonly masquerade: readonly string[]
}

/** Connections to a port of the host that are passed on to another host. */
export interface Forwarding {
  readonly name: string
  readonly port: number
  readonly protocol: 'tcp' | 'udp'
  readonly to: string
  readonly toPort: number
}

/** A permitted outgoing flow. */
export interface Outgoing {
  readonly name: string
  readonly port: number | undefined
  readonly protocol: 'tcp' | 'udp'
  readonly to: 'anyone' | Peers
  readonly why: string | undefined
}

/** Parameters of a host's rules. */
export interface Policy {
  /** Ports of sshd now and after a restart. */
  readonly sshPorts: readonly number[]
  /** Networks that may connect to sshd. Empty: anyone may, at a limited rate. */
  readonly administrators: readonly string[]
  /** Limit of new SSH connections per address. Undefined: no limit. */
  readonly sshRate: Rate | undefined
  readonly forward: 'drop' | 'accept'
  /** Networks whose packets no rule accepts, apart from replies and ICMP. */
  readonly deny: readonly string[]
  readonly extra: readonly string[]
  /** Incoming flows of this host, also those that are forwarded. */
  readonly flows: readonly Flow[]
  readonly interfaces?: readonly InterfaceRules[]
  readonly forwards?: readonly Forwarding[]
  readonly outgoing?: {
    readonly policy: 'log' | 'drop'
    readonly to: readonly Outgoing[]
    /** Ports of other hosts of the site to which this host may connect. */
    readonly site: readonly SitePort[]
  }
}

/** A port of the site. `port` is 0 where the protocol has none. */
export interface SitePort {
  readonly name: string
  readonly addresses: readonly string[]
  readonly port: number
  readonly protocol: Flow['protocol']
}
