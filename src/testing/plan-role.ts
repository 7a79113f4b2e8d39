import { isDeepStrictEqual } from 'node:util'
import { planHost } from '../engine/plan/plan-host.ts'
import { resourcesOf } from '../engine/plan/resources.ts'
import type { AcmeAccount, Authority } from '../keystore/identities.ts'
import { sha256Hex } from '../resource/kind/content.ts'
import { type Action, type Certainty, keyOf, type Resource } from '../resource/kind/kind.ts'
import { bindRoles } from '../role/bind.ts'
import type { ProjectFile } from '../role/files.ts'
import type { Facts, Role } from '../role/role.ts'
import { buildSite } from '../site/build.ts'
import { bareState } from './missing.ts'

/** What a role is given: the inventory as a value, and what the host reports. */
export interface RoleCase {
  /** Options of the role, as the inventory has them. */
  readonly options?: object
  /** The host to plan; default: the first of the inventory. */
  readonly host?: string
  /** Hosts and groups, as YAML has them; default: one host, `host-01`. The role is bound to all hosts. */
  readonly inventory?: { readonly hosts: object; readonly groups?: object; readonly vars?: object }
  /** Facts that differ from those of a host with Debian 13, two processors and 4 GB of memory. `own`: the answer to the role's own question. */
  readonly facts?: Partial<Facts> & { readonly own?: unknown }
  /** Files of the project, by path. */
  readonly files?: Readonly<Record<string, string>>
  /** What the host reports, by the key of the resource (`file:/etc/motd`). Default: the host has nothing of it. */
  readonly states?: Readonly<Record<string, unknown>>
}

/** A planned change. */
export interface RoleChange {
  /** `kind:identity`. */
  readonly resource: string
  readonly action: Action
  readonly certainty: Certainty
  readonly reason: string
  /** The text after the change, for a kind with a diff. Undefined if it has a secret. */
  readonly text?: string
}

/** The plan of a role on one host. */
export interface RolePlan {
  /** All resources of the role, in the order in which they are applied. */
  readonly resources: readonly Resource[]
  /** The changes, in the same order. */
  readonly changes: readonly RoleChange[]
  /** Warnings that a plan shows. */
  readonly warnings: readonly string[]
}

const DEBIAN: Facts = {
  ...{ distribution: 'debian', release: '13', codename: 'trixie', architecture: 'amd64', memoryMB: 4096, cpus: 2, hostname: 'host-01' },
  ...{
    sshAddress: '192.0.2.1',
    sshPort: 22,
    sshPorts: [22],
    clientAddress: '192.0.2.250',
    container: false,
    rsyslog: false,
    clock: 'timesyncd',
  },
  networks: [{ interface: 'eth0', network: '192.0.2.0/24' }],
}

/**
 * Returns the plan of a role from values alone: nothing is read from disk, and no host is contacted.
 * @throws Problems for invalid options, and Error for a state that the test has to state
 */
export const planRole = <Input, Options, Own>(role: Role<Input, Options, Own>, given: RoleCase = {}): RolePlan => {
  const any = role as Role
  const { options = {}, inventory = { hosts: { 'host-01': { address: '192.0.2.1' } } }, states = {}, facts: { own, ...facts } = {} } = given
  const site = buildSite(
    {
      root: '/',
      inventory: [{ path: 'inventory', text: JSON.stringify({ ...inventory, vars: { user: 'root', ...inventory.vars } }) }],
      playbooks: [{ path: 'playbook', text: JSON.stringify([{ name: 'test', hosts: 'all', roles: [{ [any.name]: options }] }]) }],
      ...{ secretsPath: 'secrets', secretsUnreadable: false, env: {}, home: '/root', user: 'root', problems: [] },
      command: () => ({ failed: 'is not run in a test' }),
    },
    { knownRoles: [any.name] },
  )
  const bindings = bindRoles(site, new Map([[any.name, any]]))
  const host = given.host ?? [...site.hosts.keys()][0] ?? ''
  if (!site.hosts.has(host)) throw new Error(`host ${host} is not in the inventory of the test`)
  const warnings: string[] = []
  const declared = resourcesOf(
    host,
    { ...DEBIAN, ...facts },
    {
      bindings,
      files: filesIn(given.files ?? {}),
      identities: IDENTITIES,
      listen: (event) => void (event.type === 'warning' && warnings.push(event.what)),
      isRecorded: false,
      own: new Map([[any.name, own]]),
    },
  )
  const resources = declared.map(({ resource }) => resource)
  const unused = Object.keys(states).find((key) => !resources.some((one) => keyOf(one) === key))
  if (unused !== undefined) throw new Error(`the role declares no ${unused}; it declares ${resources.map(keyOf).join(', ')}`)
  const observation = new Map(resources.map((one) => [keyOf(one), stateOf(one, states)]))
  const changes = planHost({
    ...{ resources: declared, observation, observations: new Map([[host, observation]]), selected: () => true, now: new Date() },
  }).map(({ resource, change, state }): RoleChange => {
    const { action, certainty, reason } = change
    const text = resource.kind.diff?.({ id: resource.id, spec: resource.spec, state, change }, undefined)?.after
    return { resource: keyOf(resource), action, certainty, reason, ...(text !== undefined && { text }) }
  })
  return { resources, changes, warnings }
}

const stateOf = (resource: Resource, states: Readonly<Record<string, unknown>>): unknown => {
  const key = keyOf(resource)
  const state = Object.hasOwn(states, key) ? states[key] : bareState(resource)
  if (state !== undefined) return state
  throw new Error(`state of ${key} is not known: add what the host reports to \`states\``)
}

/** Reads from the files of the test as from a project: sorted, without hidden files. */
const filesIn = (files: Readonly<Record<string, string>>) => {
  const all = Object.entries(files).map(([path, text]): ProjectFile => {
    const bytes = Buffer.from(text)
    return { path, content: { type: 'local', path, sha256: sha256Hex(bytes), size: bytes.length, open: () => bytes } }
  })
  return (directory: string, name?: string): readonly ProjectFile[] => {
    const parts = (path: string) => path.split('/').filter((part) => part !== '' && part !== '.')
    const base = parts(directory)
    return all
      .flatMap(({ path, content }) => {
        const [above, below] = [parts(path).slice(0, base.length), parts(path).slice(base.length)]
        const isFound = name === undefined ? below.every((part) => !part.startsWith('.')) : isDeepStrictEqual(below, [name])
        return below.length > 0 && isDeepStrictEqual(above, base) && isFound ? [{ path: below.join('/'), content }] : []
      })
      .toSorted((one, other) => (one.path < other.path ? -1 : 1))
  }
}

/** Identities of a site that has none yet, as in a dry run. */
const IDENTITIES = {
  acmeAccount: (): AcmeAccount => ({
    key: 'acme-account:test',
    thumbprint: { later: 'the thumbprint of the account', get: () => undefined },
  }),
  authority: (_: string, { domain }: { readonly domain: string }): Authority => ({
    key: `authority:${domain}`,
    zone: `${domain}.provision.internal`,
    certificate: { later: `the certificate of authority:${domain}`, get: () => undefined },
    trusted: () => [],
    nameOf: (name) => `${name}.${domain}.provision.internal`,
  }),
}
