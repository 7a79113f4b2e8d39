import { type Flow, type HostContext, Problem } from 'provision'
import { serverId } from './config.ts'
import { type Members, membersOf, type Options } from './options.ts'

/** Requires the topology in a host's options to be that of the servers, whose flows show it. */
export const requireSameTopology = ({ host, site, flows, options }: HostContext<Options>): void => {
  const { topology, servers } = membersOf(options, site)
  for (const server of servers) {
    const its = topologyBy(flows.filter((flow) => flow.role === 'mysql' && flow.host === server.name))
    if (its === undefined || its === topology) continue
    throw new Problem({
      class: 'input',
      where: { host: host.name, role: 'mysql' },
      what: `the topology is ${topology}, but ${server.name} has ${its}`,
      why: `the options of ${host.name} and ${server.name} differ, for example because mysql.topology is set for a group that has only one of them`,
      fix: 'move mysql.topology to the vars of the whole inventory',
    })
  }
}

/** Topology of a server by its flows. Undefined if no play binds the role to the server. */
const topologyBy = (flows: readonly Flow[]): Members['topology'] | undefined => {
  const has = (service: string): boolean => flows.some((flow) => flow.service === service)
  if (!has('database')) return undefined
  if (has('database-cluster')) return 'cluster'
  return has('database-copy') ? 'replica' : 'single'
}

/** Greatest length of a common name (RFC 5280, upper bounds). The primary authenticates replicas by it. */
const COMMON_NAME = 64

/** Requires host names that identify replicas: short enough for a certificate, and with distinct numbers derived from them. */
export const requireDistinctReplicas = (servers: Members['servers'], nameOf: (host: string) => string): void => {
  const fault = (host: string, what: string, fix: string): Problem =>
    new Problem({ class: 'input', where: { host, role: 'mysql' }, what, fix })
  for (const [i, { name }] of servers.entries()) {
    const more = nameOf(name).length - COMMON_NAME
    if (more > 0)
      throw fault(
        name,
        `host name is too long for a certificate: ${nameOf(name)} has ${nameOf(name).length} characters, and at most ${COMMON_NAME} are allowed`,
        `rename the host to at most ${name.length - more} characters`,
      )
    const twin = servers.slice(0, i).find((other) => serverId(other.name) === serverId(name))
    if (twin !== undefined)
      throw fault(
        name,
        `server_id ${serverId(name)}, derived from the host name, is also that of ${twin.name}`,
        'rename one of the two hosts',
      )
  }
}
