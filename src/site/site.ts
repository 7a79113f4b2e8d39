import type { Problem, Where } from '../problem.ts'
import type { Host, Value } from './inventory/host.ts'
import type { WrittenOptions } from './source/source-map.ts'

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
