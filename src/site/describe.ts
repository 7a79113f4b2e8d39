import { placeOf } from '../problem.ts'
import { isSecret, MASK } from '../secret/secret.ts'
import type { Host, Value } from './inventory/host.ts'
import type { Site } from './site.ts'

/** Output of `provision inventory --json`. Its field names are a public contract. */
export interface InventoryDescription {
  readonly hosts: Readonly<Record<string, HostDescription>>
  readonly groups: Readonly<Record<string, readonly string[]>>
}

export interface HostDescription {
  readonly address: string
  readonly port: number
  readonly user: string
  readonly groups: readonly string[]
  readonly vars: Readonly<Record<string, unknown>>
}

/** A variable of a host and its origin. Each option of a role is a separate variable: `nginx.content`. */
export interface VariableDescription {
  readonly name: string
  readonly value: unknown
  /** `all`, `group web` or `host web-01`. */
  readonly origin: string
  /** `inventory/lab.yaml:37:18`. */
  readonly where: string
}

/** Returns all hosts and groups as plain data, with secrets masked. */
export const describeInventory = (site: Site): InventoryDescription => ({
  hosts: Object.fromEntries([...site.hosts].map(([name, host]) => [name, describeHost(host)])),
  groups: Object.fromEntries(site.groups),
})

const describeHost = ({ connection: { address, port, user }, groups, vars }: Host): HostDescription => ({
  address,
  port,
  user,
  groups,
  vars: Object.fromEntries([...vars].map(([name, { value }]) => [name, masked(value)])),
})

/** Returns the variables of a host with the level and line that set each, sorted by name, with secrets masked. */
export const describeVariables = (host: Host): readonly VariableDescription[] =>
  [...host.vars].flatMap(([name, variable]) => describeVariable(name, variable)).toSorted((a, b) => (a.name < b.name ? -1 : 1))

const describeVariable = (name: string, { value, origin, where, parts }: Value): readonly VariableDescription[] =>
  parts === undefined
    ? [{ name, value: masked(value), origin, where: placeOf(where) }]
    : parts.map((part) => ({
        name: [name, ...part.path].join('.'),
        value: masked(part.value),
        origin: part.origin,
        where: placeOf(part.where),
      }))

const masked = (value: unknown): unknown => {
  if (isSecret(value)) return MASK
  if (Array.isArray(value)) return value.map(masked)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, masked(inner)]))
}
