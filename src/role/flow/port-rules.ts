/** A limit of new connections from one address. */
export interface ConnectionRate {
  readonly perMinute: number
  readonly burst: number
}

/** Properties of a port for the firewall, beside its peers. */
export interface PortRules {
  /** The reason for opening it, for people. */
  readonly why?: string
  /** Packets to the port are forwarded, to a container or to another host. The rules for incoming packets then do not apply. */
  readonly forwarded?: true
  /** The only network interface on which the port is open. */
  readonly interface?: string
  readonly rate?: ConnectionRate
}
