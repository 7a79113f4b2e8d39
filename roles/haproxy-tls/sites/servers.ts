import { type Flow, type HostView, Problem } from 'provision'
import type { Server } from '../config/backends.ts'

/** The web servers that admit this balancer, with their addresses and ports. */
export const serversOf = (host: HostView, members: readonly HostView[], flows: readonly Flow[], group: string): readonly Server[] => {
  const wrong = (what: string, fix: string): Problem =>
    new Problem({ class: 'input', where: { host: host.name, role: 'haproxy-tls' }, what, fix })
  const servers = members.flatMap(({ name, addresses }) => {
    const flow = flows.find((one) => one.host === name && one.service === 'site' && admits(one, host))
    if (flow === undefined) return []
    // HAProxy resolves no names at start. The address must be of a family that the balancer has too.
    const address = addresses.find((one) => familyOf(one) !== undefined && host.addresses.some((own) => familyOf(own) === familyOf(one)))
    if (address !== undefined) return [{ name, address, port: flow.port }]
    throw wrong(
      `${name} has no address in a family of ${host.name}: ${name} has ${addresses.join(', ')}, ${host.name} has ${host.addresses.join(', ')}`,
      'set `internal` of both to IP addresses of the same family in the inventory',
    )
  })
  if (servers.length > 0) return servers
  throw wrong(
    `no host of group ${group} serves a site to ${host.name}`,
    `bind a role that serves a site (nginx) to the group ${group}, and add ${host.name} to the group in its option \`balancers\``,
  )
}

/** Returns the family of an address; undefined for a host name. */
const familyOf = (address: string): 4 | 6 | undefined => (address.includes(':') ? 6 : /^[\d.]+$/.test(address) ? 4 : undefined)

const admits = ({ from }: Flow, host: HostView): boolean => from === 'anyone' || from.some(({ name }) => name === host.name)
