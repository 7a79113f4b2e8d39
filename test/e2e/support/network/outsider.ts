import { leaderOf } from '../../../../src/lab/index.ts'
import { referenceLab, type up } from '../lab.ts'
import { type Project, referenceProject } from '../project.ts'

type Spec = Parameters<typeof up>[0]
export type Family = 4 | 6

/** Source of connections: a host of the lab, or the controller. */
export interface Source {
  readonly name: string
  address(family: Family): string
  /** A process in its network namespace; undefined: this machine. */
  process(): Promise<number | undefined>
}

/** The reference site on a lab with an additional host that the inventory does not contain. */
export interface SiteWithOutsider {
  readonly project: Project
  readonly spec: Spec
  /** The hosts of the site. */
  readonly hosts: readonly string[]
  /** All sources: the hosts of the site, the outsider, and the controller, where the administrators are. */
  readonly sources: readonly Source[]
  address(host: string, family: Family): string
  /** The permitted flows, as `provision inventory --flows` prints them. */
  flows(): readonly PrintedFlow[]
}

export interface PrintedFlow {
  readonly host: string
  readonly role: string
  readonly port: number
  readonly protocol: 'tcp' | 'udp'
  readonly from: 'anyone' | readonly { readonly name: string; readonly addresses: readonly string[] }[]
}

export const siteWithOutsider = (lab: string, subnet: string): SiteWithOutsider => {
  const project = referenceProject(lab, subnet)
  const reference = referenceLab(project, subnet)
  const prefixes = { 4: `${subnet}.`, 6: `fd${subnet.split('.').at(-1)}::` }
  const outsider = { name: 'outsider', user: 'ops', addresses: [`${prefixes[4]}66`, `${prefixes[6]}66`] }
  const spec = { ...reference, hosts: [...reference.hosts, outsider] }
  const address = (host: string, family: Family): string =>
    spec.hosts.find(({ name }) => name === host)?.addresses.find((one) => one.includes(':') === (family === 6)) ?? ''
  return {
    project,
    spec,
    hosts: reference.hosts.map(({ name }) => name),
    sources: [
      ...spec.hosts.map(({ name }) => ({
        name,
        address: (family: Family) => address(name, family),
        process: () => leaderOf(spec, name),
      })),
      { name: 'controller', address: (family: Family) => `${prefixes[family]}1`, process: async () => undefined },
    ],
    address,
    flows: () => (JSON.parse(project.provision('inventory', '--flows', '--json').stdout) as { flows: readonly PrintedFlow[] }).flows,
  }
}

/** Whether a flow permits connections from this source. */
export const permits = ({ from }: PrintedFlow, source: Source, family: Family): boolean =>
  from === 'anyone' ||
  from.some(({ name, addresses }) =>
    name === 'administrators' ? source.name === 'controller' : addresses.includes(source.address(family)),
  )
