import type { Problem, Where } from '../problem.ts'
import type { Host, Value } from './inventory/host.ts'
import type { LocatedValue, SourceList, SourceNode } from './source/source-map.ts'

/** A role of a play, with its options in the playbook if there are any; or the resources that the play itself lists. */
export interface RoleUse {
  /** The name in this site: `as` if it is set, else that of the role. The resources of a play have the name of the play. */
  readonly name: string
  readonly role: string
  /** The resources that the play itself lists, instead of a role. */
  readonly resources?: SourceList
  readonly options: Omit<Value, 'node'> | undefined
  readonly where: Where
}

/** Binds hosts to roles. Plays are barriers across hosts. */
export interface Play {
  readonly name: string
  readonly hosts: readonly string[]
  readonly roles: readonly RoleUse[]
  /** Batch sizes; the last one repeats. Empty: all hosts at once. */
  readonly serial: readonly number[]
  /** Failed hosts after which the remaining batches are skipped. */
  readonly maxFailures: number
  readonly where: Where
}

/** The checked input of the user: inventory and playbooks. Immutable. */
export interface Site {
  /** The project's directory, absolute. */
  readonly root: string
  /** Paths of the inventory files, as they were read. One of them can have no hosts. */
  readonly inventories: readonly string[]
  readonly hosts: ReadonlyMap<string, Host>
  /** Group name to host names, nested groups resolved, in inventory order. */
  readonly groups: ReadonlyMap<string, readonly string[]>
  readonly plays: readonly Play[]
  /** Content of the roles in YAML that a play binds, by name. */
  readonly roleFiles: ReadonlyMap<string, SourceNode>
  /** Suspicious but valid input, shown as a warning. */
  readonly warnings: readonly Problem[]
  /**
   * Returns the options of a role on a host, with their source positions. The variable with the role's name is merged with the options
   * in the playbook, which win.
   */
  roleOptions(host: string, use: RoleUse): LocatedValue
}
