import type { Connection } from '../../host/target/connection.ts'
import type { Where } from '../../problem.ts'
import type { SourceNode } from '../source/source-map.ts'

/** A value from the inventory and its source position. */
export interface Value {
  readonly value: unknown
  /** The value with the positions of its parts. */
  readonly node: SourceNode
  readonly where: Where
  /** Level that sets the value: `all`, `group web` or `host web-01`. */
  readonly origin: string
  /** Origin of each part of a map that several levels set. */
  readonly parts?: readonly ValuePart[]
}

/** One scalar or list inside a variable: `acme.directory` of `haproxy-tls`. */
export interface ValuePart {
  readonly path: readonly string[]
  readonly value: unknown
  readonly where: Where
  readonly origin: string
}

export interface Host {
  readonly name: string
  readonly connection: Connection
  /** Addresses for peers: the internal ones if set, otherwise `address`. IPv4 and IPv6. */
  readonly addresses: readonly string[]
  /** Addresses for clients: the public ones if set, otherwise `addresses`. */
  readonly publicAddresses: readonly string[]
  /** The release that `provision lab` boots for this host, if one is set. */
  readonly release?: string
  /** All groups, nested ones included, sorted. */
  readonly groups: readonly string[]
  /** Merged variables by name (all, then groups from the outermost in, then the host; maps merge key by key). */
  readonly vars: ReadonlyMap<string, Value>
  readonly where: Where
}
