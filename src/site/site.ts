import type { Connection } from '../host/connection.ts'
import type { Problem, Where } from '../problem.ts'

export type { Connection }

/** A value from the inventory and the place where it was written. */
export interface Value {
  readonly value: unknown
  readonly where: Where
  /** `all`, `group web` or `host web-01`: what `provision inventory` shows as its origin. */
  readonly origin: string
  /** Of a map that several levels contributed to: where each single part was written. */
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
  /** Addresses for peers: the internal ones where given, else the address itself. IPv4 and IPv6. */
  readonly addresses: readonly string[]
  /** Addresses for visitors: the public ones where given, else `addresses`. */
  readonly publicAddresses: readonly string[]
  /** All groups, nested ones included, sorted. */
  readonly groups: readonly string[]
  /** Merged variables by name (all, then groups from the outermost in, then the host; maps merge key by key). */
  readonly vars: ReadonlyMap<string, Value>
  readonly where: Where
}

/** One role of a play, with the options written beside it in the playbook, if any. */
export interface RoleUse {
  readonly name: string
  readonly options: Value | undefined
  readonly where: Where
}

/** Binds hosts to roles. Plays are barriers across hosts. */
export interface Play {
  readonly name: string
  readonly hosts: readonly string[]
  readonly roles: readonly RoleUse[]
  /** How many hosts at a time: the first so many, then so many, the last number again and again. Empty: all of them at once. */
  readonly serial: readonly number[]
  /** How many of its hosts may fail before the rest is left as it is. */
  readonly maxFailures: number
  readonly where: Where
}

/** Everything that the user wrote, read and checked. Immutable. */
export interface Site {
  /** The project's directory, absolute. */
  readonly root: string
  readonly hosts: ReadonlyMap<string, Host>
  /** Group name to host names, nested groups resolved, in inventory order. */
  readonly groups: ReadonlyMap<string, readonly string[]>
  readonly plays: readonly Play[]
  /** What may well be meant, and is told all the same. */
  readonly warnings: readonly Problem[]
  /**
   * The options of a role on a host, as written: role options stand under the role's own name in the variables, and those
   * beside the role in the playbook win key by key. `whereOf(path)` finds the line of one option.
   */
  roleOptions(host: string, use: RoleUse): WrittenOptions
}

/** A value as it was written, and the place of any part of it. */
export interface WrittenOptions {
  readonly value: unknown
  /**
   * The place of the deepest part of the path that was written: a scalar's own, the key of a map or a list. With `key`
   * always the key, which is what an unknown option is wrong about.
   */
  whereOf(path: readonly PropertyKey[], part?: 'key' | 'value'): Where
}
