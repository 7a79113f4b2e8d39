import { type Flow, type HostContext, Problem } from 'provision'
import { serverId } from './config.ts'
import { type Cast, castOf, type Options } from './options.ts'

/** Each host goes by its own options: all of them must have the same topology, which the servers tell by what they listen on. */
export const mustAgree = ({ host, site, flows, options }: HostContext<Options>): void => {
  const { topology, servers } = castOf(options, site)
  for (const server of servers) {
    const its = topologyBy(flows.filter((flow) => flow.role === 'mysql' && flow.host === server.name))
    if (its === undefined || its === topology) continue
    throw new Problem({
      class: 'input',
      where: { host: host.name, role: 'mysql' },
      what: `does not know that the topology is ${its}, as ${server.name} has it`,
      why: `by its own options it is ${topology}, such as where mysql.topology stands in the vars of a group that ${host.name} is not in`,
      fix: 'write mysql.topology where both have it, such as the vars of the whole inventory',
    })
  }
}

/** Undefined where no play binds the role to the server: nobody knows its options. */
const topologyBy = (flows: readonly Flow[]): Cast['topology'] | undefined => {
  const has = (service: string): boolean => flows.some((flow) => flow.service === service)
  if (!has('database')) return undefined
  if (has('database-cluster')) return 'cluster'
  return has('database-copy') ? 'replica' : 'single'
}

/** A common name has 64 characters at most (RFC 5280, upper bounds), and it is by this name that replicas are let in. */
const COMMON_NAME = 64

/** Replicas are known by the names of their hosts: in their certificate, and by a number that is made of the name. */
export const mustBeTellable = (servers: Cast['servers'], nameOf: (host: string) => string): void => {
  const fault = (host: string, what: string, fix: string): Problem =>
    new Problem({ class: 'input', where: { host, role: 'mysql' }, what, fix })
  for (const [i, { name }] of servers.entries()) {
    const more = nameOf(name).length - COMMON_NAME
    if (more > 0)
      throw fault(
        name,
        `its name is too long for the certificate by which it is let in: ${nameOf(name)} has ${nameOf(name).length} characters, of at most ${COMMON_NAME}`,
        `give the host a name with at most ${name.length - more} characters`,
      )
    const twin = servers.slice(0, i).find((other) => serverId(other.name) === serverId(name))
    if (twin !== undefined)
      throw fault(
        name,
        `has the same number in replication as ${twin.name} (server_id ${serverId(name)}, made of the name)`,
        'give one of the two another name',
      )
  }
}
