import { createHash } from 'node:crypto'
import { isIP, isIPv4 } from 'node:net'
import { join } from 'node:path'
import { hasControls } from '../hidden.ts'
import { Problem } from '../problem.ts'

/** One host of a lab: its name, the account that the operator logs in with, and its addresses (IPv4 and IPv6). */
export interface LabHost {
  readonly name: string
  readonly user: string
  readonly addresses: readonly string[]
}

/** A lab as it is asked for: a name, the project it belongs to, and the hosts it shall have. */
export interface LabSpec {
  readonly name: string
  /** The project's directory; what the user needs of the lab lies in `<root>/.provision/lab/<name>/`. */
  readonly root: string
  readonly hosts: readonly LabHost[]
  /** Names that the lab's DNS resolves differently from the default, which is the first host. */
  readonly names?: Readonly<Record<string, string>>
  /** How long the certificates of the lab's authority live; 90 days where nothing is said. */
  readonly certificateSeconds?: number
  /** Whether the lab's authority is as trying as one may be: it refuses one nonce in five, and dawdles before it validates. */
  readonly faults?: boolean
}

/** The parts of a lab on this machine, all found by its id. */
export interface Parts {
  /** Tells the labs of a machine apart: a digest of the project's directory and the lab's name. */
  readonly id: string
  /** The machine's side: overlays, logs, daemons' configuration. */
  readonly state: string
  /** The network namespace that holds the bridge. */
  readonly switch: string
  /** The machine's own leg on that bridge. */
  readonly interface: string
  /** The lab's cgroup, below each hierarchy's mount point. */
  readonly cgroup: string
}

/** Where a lab is. */
export interface Layout extends Parts {
  /** The user's side: key, known hosts, certificates. */
  readonly directory: string
  readonly gateways: readonly Gateway[]
}

/** The first address of a subnet: the controller's, on the bridge. */
export interface Gateway {
  readonly address: string
  readonly prefix: 24 | 64
}

/** All labs' overlays lie below this directory, and all labs' cgroups in the group of this name. */
export const STATE = '/var/lib/provision/lab'
export const CGROUP = 'provision-lab'

/** Where everything of a lab is; the same for the same spec, so that remains are found by name. */
export const layoutOf = (spec: LabSpec): Layout => ({
  ...partsOf(shortHash(`${spec.root}\n${spec.name}`)),
  directory: userDirectory(spec),
  gateways: gatewaysOf(spec),
})

/** The machine's side of the lab with that id. */
export const partsOf = (id: string): Parts => ({
  id,
  state: join(STATE, id),
  switch: `pv-${id}`,
  interface: `pv-${id}`,
  cgroup: join(CGROUP, id),
})

/** The user's side of a lab, inside of his project. */
export const userDirectory = ({ root, name }: Pick<LabSpec, 'root' | 'name'>): string => join(root, '.provision', 'lab', name)

/** The port of the lab's switch that a host is plugged into; an interface name has at most 15 characters. */
export const portOf = (host: LabHost): string => `p-${shortHash(host.name)}`

/** The host of that name. */
export const hostOf = (spec: LabSpec, name: string): LabHost => {
  const host = spec.hosts.find((each) => each.name === name)
  if (host) return host
  throw invalid(spec, `there is no host ${name}`, `the hosts are ${spec.hosts.map((each) => each.name).join(', ')}`)
}

/** The address by which the controller reaches a host. */
export const addressOf = (host: LabHost): string => host.addresses[0] ?? ''

/** The addresses of one family. */
export const ofFamily = (family: 4 | 6, addresses: readonly string[]): readonly string[] =>
  addresses.filter((address) => isIP(address) === family)

/** Complains of a lab that cannot be built: names, addresses that are none, two subnets, the bridge's own address. */
export const checkSpec = (spec: LabSpec): void => {
  if (!/^[a-z0-9][a-z0-9-]{0,30}$/.test(spec.name))
    throw invalid(spec, `"${spec.name}" is no name for a lab`, 'use small letters, digits and "-", 31 at most')
  if (hasControls(spec.root) || /["\\]|\$\{/.test(spec.root))
    throw invalid(
      spec,
      `a lab cannot be in ${JSON.stringify(spec.root)}`,
      'use a directory without quotes, backslashes, ${ and control characters: ssh interprets them in its configuration',
    )
  if (spec.hosts.length === 0) throw invalid(spec, 'the lab has no hosts', 'name at least one host in the inventory')
  const taken = new Map(gatewaysOf(spec).map(({ address }) => [expanded(address), 'the bridge']))
  for (const host of spec.hosts) {
    if (!/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/i.test(host.name))
      throw invalid(spec, `${host.name} is no host name`, 'use letters, digits and "-", 63 at most')
    if (!/^[a-z_][a-z0-9_-]{0,31}$/.test(host.user))
      throw invalid(spec, `${host.name}: "${host.user}" is no user name`, 'name the account to log in with, for instance ops')
    if (host.addresses.length === 0) throw invalid(spec, `${host.name} has no address`, 'give it one, for instance 10.78.0.11')
    for (const address of host.addresses) checkAddress(spec, host, address, taken)
  }
}

const checkAddress = (spec: LabSpec, host: LabHost, address: string, taken: Map<string, string>) => {
  if (!isIP(address))
    throw invalid(spec, `${host.name}: "${address}" is no IP address`, 'a lab host needs addresses, not names: for instance 10.78.0.11')
  if (SPECIAL.test(expanded(address)))
    throw invalid(
      spec,
      `${host.name}: ${address} means no single host of a network`,
      'take addresses of a private subnet: for instance 10.78.0.11',
    )
  if (!gatewaysOf(spec).some((gateway) => subnetOf(gateway.address) === subnetOf(address)))
    throw invalid(spec, `${host.name}: ${address} is in another subnet`, "put all hosts into the first host's /24 and /64")
  const holder = taken.get(expanded(address))
  if (holder)
    throw invalid(spec, `${host.name}: ${address} is the address of ${holder}`, 'give each host an address of its own; .1 is the bridge')
  taken.set(expanded(address), host.name)
}

// "This network", loopback, link-local, multicast and broadcast: on a bridge they would take this machine's own away.
const SPECIAL = /^(0|127|169\.254|22[4-9]|2[345]\d)\.|^(0:0:0:0:0:0:0:[01]|fe[89ab][0-9a-f]:.*|ff[0-9a-f]{2}:.*)$/i

const invalid = (spec: LabSpec, what: string, fix: string) =>
  new Problem({ class: 'input', where: { command: `lab ${spec.name}` }, what, fix })

const gatewaysOf = (spec: LabSpec): readonly Gateway[] => {
  const addresses = spec.hosts.flatMap((host) => host.addresses)
  const [v4] = ofFamily(4, addresses)
  const [v6] = ofFamily(6, addresses)
  return [
    ...(v4 ? [{ address: `${subnetOf(v4)}.1`, prefix: 24 } as const] : []),
    ...(v6 ? [{ address: compressed(`${subnetOf(v6)}:0:0:0:1`), prefix: 64 } as const] : []),
  ]
}

const subnetOf = (address: string) =>
  isIPv4(address) ? address.split('.').slice(0, 3).join('.') : expanded(address).split(':').slice(0, 4).join(':')

// The URL parser is Node's own writer of IPv6 addresses in their canonical form.
const compressed = (address: string) => new URL(`http://[${address}]`).hostname.slice(1, -1)

const expanded = (address: string) => {
  if (isIPv4(address)) return address
  const [head = '', tail] = compressed(address).split('::')
  const left = head.split(':').filter(Boolean)
  const right = (tail ?? '').split(':').filter(Boolean)
  return [...left, ...Array<string>(8 - left.length - right.length).fill('0'), ...right].join(':')
}

const shortHash = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, 8)
