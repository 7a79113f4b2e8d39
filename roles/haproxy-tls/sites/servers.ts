import { type Flow, type HostView, Problem } from 'provision'
import type { Server } from '../config/backends.ts'

/** The web servers that admit this balancer, with their addresses and ports. */
export const serversOf = (host: HostView, members: readonly HostView[], flows: readonly Flow[], group: string): readonly Server[] => {
  const servers = members.flatMap((member) => {
    const flow = flows.find((one) => one.host === member.name && one.service === 'site' && admits(one, host))
    return flow === undefined ? [] : [{ name: member.name, address: addressFor(member, host), port: flow.port }]
  })
  if (servers.length > 0) return servers
  throw wrong(
    host,
    `no host of group ${group} serves a site to ${host.name}`,
    `bind a role that serves a site (nginx) to the group ${group}, and add ${host.name} to the group in its option \`balancers\``,
  )
}

/** The address of a server for a balancer. HAProxy resolves no names at start, and the balancer must have an address of the same family. */
export const addressFor = ({ name, addresses }: HostView, host: HostView): string => {
  const address = addresses.find((one) => familyOf(one) !== undefined && host.addresses.some((own) => familyOf(own) === familyOf(one)))
  if (address !== undefined) return address
  throw wrong(
    host,
    `${name} has no address in a family of ${host.name}: ${name} has ${addresses.join(', ')}, ${host.name} has ${host.addresses.join(', ')}`,
    'set `internal` of both to IP addresses of the same family in the inventory',
  )
}

const wrong = (host: HostView, what: string, fix: string): Problem =>
  new Problem({ class: 'input', where: { host: host.name, role: 'haproxy-tls' }, what, fix })

/** Returns the family of an address; undefined for a host name. */
const familyOf = (address: string): 4 | 6 | undefined => (address.includes(':') ? 6 : /^[\d.]+$/.test(address) ? 4 : undefined)

export const admits = ({ from }: Flow, host: HostView): boolean => from === 'anyone' || from.some(({ name }) => name === host.name)
