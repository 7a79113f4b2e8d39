import { createHash } from 'node:crypto'
import { isIP, isIPv4 } from 'node:net'
import { join } from 'node:path'
import { hasControls } from '../hidden.ts'
import { Problem } from '../problem.ts'

/** One host of a lab: its name, the account for logging in, and its IPv4 and IPv6 addresses. */
export interface LabHost {
  readonly name: string
  readonly user: string
  readonly addresses: readonly string[]
  /** The codename or version of its release, if another than the lab's: `noble`, `24.04`. */
  readonly release?: string
}

/** The desired lab: its name, project and hosts. */
export interface LabSpec {
  readonly name: string
  /** The project's directory. The user's files of the lab are in `<root>/.provision/lab/<name>/`. */
  readonly root: string
  readonly hosts: readonly LabHost[]
  /** The codename or version of the release of its hosts; by default the one of the last start, otherwise `DEFAULT_RELEASE`. */
  readonly release?: string
  /** The address of the packages of the release, for a base image that does not exist yet: `http://mirror.example.org/debian`. */
  readonly mirror?: string
  /** The architecture of its hosts, by Debian's name: `arm64`. By default this machine's; others need qemu. */
  readonly architecture?: string
  /** Packages that its hosts have from the beginning, with services that neither run nor are enabled. Names that a release lacks are skipped. */
  readonly packages?: readonly string[]
  /** Names that the lab's DNS resolves differently from the default, which is the first host. */
  readonly names?: Readonly<Record<string, string>>
  /** Lifetime of certificates of the lab's authority; 90 days by default. */
  readonly certificateSeconds?: number
  /** Whether the lab's authority misbehaves as ACME permits: it rejects some nonces and waits before each validation. */
  readonly faults?: boolean
}

/** The parts of a lab on this machine, all named by its id. */
export interface Parts {
  /** Digest of the project's directory and the lab's name. */
  readonly id: string
  /** The directory of overlays, logs and configuration of daemons. */
  readonly state: string
  /** The network namespace of the bridge. */
  readonly switch: string
  /** The machine's interface on that bridge. */
  readonly interface: string
  /** The lab's cgroup, below each hierarchy's mount point. */
  readonly cgroup: string
}

/** All paths and names of a lab. */
export interface Layout extends Parts {
  /** The user's directory: key, known hosts, certificates. */
  readonly directory: string
  readonly gateways: readonly Gateway[]
}

/** The first address of a subnet: the controller's, on the bridge. */
export interface Gateway {
  readonly address: string
  readonly prefix: 24 | 64
}

/** The directory of all labs' overlays, and the cgroup of all labs. */
export const STATE = '/var/lib/provision/lab'
export const CGROUP = 'provision-lab'

/** The layout of a lab. The same spec has the same layout, so that remains of an earlier run are found by name. */
export const layoutOf = (spec: LabSpec): Layout => ({
  ...partsOf(shortHash(`${spec.root}\n${spec.name}`)),
  directory: userDirectory(spec),
  gateways: gatewaysOf(spec),
})

/** The parts of the lab with this id. */
export const partsOf = (id: string): Parts => ({
  id,
  state: join(STATE, id),
  switch: `pv-${id}`,
  interface: `pv-${id}`,
  cgroup: join(CGROUP, id),
})

/** The user's directory of a lab, inside the project. */
export const userDirectory = ({ root, name }: Pick<LabSpec, 'root' | 'name'>): string => join(root, '.provision', 'lab', name)

/** A host's interface on the lab's bridge. An interface name has at most 15 characters. */
export const portOf = (host: LabHost): string => `p-${shortHash(host.name)}`

/** The host with this name. Throws a problem if there is none. */
export const hostOf = (spec: LabSpec, name: string): LabHost => {
  const host = spec.hosts.find((each) => each.name === name)
  if (host) return host
  throw invalid(spec, `host ${name} does not exist in the lab`, `name one of ${spec.hosts.map((each) => each.name).join(', ')}`)
}

/** The address by which the controller reaches a host. */
export const addressOf = (host: LabHost): string => host.addresses[0] ?? ''

/** The addresses of one family. */
export const ofFamily = (family: 4 | 6, addresses: readonly string[]): readonly string[] =>
  addresses.filter((address) => isIP(address) === family)

/** Throws a problem for a lab that cannot be built, for example with invalid names or with addresses of two subnets. */
export const checkSpec = (spec: LabSpec): void => {
  if (spec.architecture !== undefined && !/^[a-z0-9]{2,20}$/.test(spec.architecture))
    throw invalid(spec, `architecture ${JSON.stringify(spec.architecture)} is invalid`, "write Debian's name of it, for example arm64")
  if (spec.mirror !== undefined && !/^http:\/\/[^\s"\\]+$/.test(spec.mirror))
    throw invalid(
      spec,
      `mirror ${JSON.stringify(spec.mirror)} is not an http address`,
      'write, for example, http://deb.debian.org/debian: hosts reach it through the package cache of the lab, which reads no https',
    )
  if (!/^[a-z0-9][a-z0-9-]{0,30}$/.test(spec.name))
    throw invalid(spec, `lab name "${spec.name}" is invalid`, 'use at most 31 lower-case letters, digits and dashes')
  if (hasControls(spec.root) || /["\\]|\$\{/.test(spec.root))
    throw invalid(
      spec,
      `lab cannot be in ${JSON.stringify(spec.root)}`,
      'use a directory without quotes, backslashes, ${ and control characters, which ssh interprets in its configuration',
    )
  if (spec.hosts.length === 0) throw invalid(spec, 'lab has no hosts', 'add at least one host to the inventory')
  const taken = new Map(gatewaysOf(spec).map(({ address }) => [expanded(address), 'the bridge']))
  for (const host of spec.hosts) {
    if (!/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/i.test(host.name))
      throw invalid(spec, `host name ${host.name} is invalid`, 'use at most 63 letters, digits and dashes')
    if (!/^[a-z_][a-z0-9_-]{0,31}$/.test(host.user))
      throw invalid(spec, `${host.name}: user name "${host.user}" is invalid`, 'set user to the account for logging in, for example ops')
    if (host.addresses.length === 0) throw invalid(spec, `${host.name} has no address`, 'set an address, for example 10.78.0.11')
    for (const address of host.addresses) checkAddress(spec, host, address, taken)
  }
}

const checkAddress = (spec: LabSpec, host: LabHost, address: string, taken: Map<string, string>) => {
  if (!isIP(address))
    throw invalid(spec, `${host.name}: "${address}" is not an IP address`, 'use an IP address instead of a name, for example 10.78.0.11')
  if (SPECIAL.test(expanded(address)))
    throw invalid(
      spec,
      `${host.name}: ${address} is not the address of a single host`,
      'use an address of a private subnet, for example 10.78.0.11',
    )
  if (!gatewaysOf(spec).some((gateway) => subnetOf(gateway.address) === subnetOf(address)))
    throw invalid(spec, `${host.name}: ${address} is in another subnet`, 'give all hosts addresses in the /24 and /64 of the first host')
  const holder = taken.get(expanded(address))
  if (holder)
    throw invalid(spec, `${host.name}: ${address} is the address of ${holder}`, 'give each host a different address; .1 is the bridge')
  taken.set(expanded(address), host.name)
}

// "This network", loopback, link-local, multicast and broadcast would conflict with this machine's own addresses.
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

// The URL parser writes IPv6 addresses in their canonical form.
const compressed = (address: string) => new URL(`http://[${address}]`).hostname.slice(1, -1)

const expanded = (address: string) => {
  if (isIPv4(address)) return address
  const [head = '', tail] = compressed(address).split('::')
  const left = head.split(':').filter(Boolean)
  const right = (tail ?? '').split(':').filter(Boolean)
  return [...left, ...Array<string>(8 - left.length - right.length).fill('0'), ...right].join(':')
}

const shortHash = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, 8)
