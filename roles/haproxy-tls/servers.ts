import { type Flow, type HostView, Problem } from 'provision'
import type { Server } from './backends.ts'

/** The web servers that let this balancer in, at the addresses and ports that they offer. */
export const serversOf = (host: HostView, members: readonly HostView[], flows: readonly Flow[], group: string): readonly Server[] => {
  const wrong = (what: string, fix: string): Problem =>
    new Problem({ class: 'input', where: { host: host.name, role: 'haproxy-tls' }, what, fix })
  const servers = members.flatMap(({ name, addresses }) => {
    const flow = flows.find((one) => one.host === name && one.service === 'site' && letsIn(one, host))
    if (flow === undefined) return []
    // HAProxy asks no name server when it starts; and it comes from an address of ours that the server lets in.
    const address = addresses.find((one) => familyOf(one) !== undefined && host.addresses.some((own) => familyOf(own) === familyOf(one)))
    if (address !== undefined) return [{ name, address, port: flow.port }]
    throw wrong(
      `${name} has no address that ${host.name} could reach it at: it has ${addresses.join(', ')}; ${host.name} has ${host.addresses.join(', ')}`,
      'write IP addresses of one family as internal: of both in the inventory',
    )
  })
  if (servers.length > 0) return servers
  throw wrong(
    `no host of the group ${group} offers a site to ${host.name}`,
    `give the group ${group} a role that serves a site (nginx), and ${host.name} to the group that may ask (its option balancers)`,
  )
}

/** Undefined for what is a name. */
const familyOf = (address: string): 4 | 6 | undefined => (address.includes(':') ? 6 : /^[\d.]+$/.test(address) ? 4 : undefined)

const letsIn = ({ from }: Flow, host: HostView): boolean => from === 'anyone' || from.some(({ name }) => name === host.name)
