import { z } from 'zod'
import { fromOption, type Publishes, whyOption } from '../published/published.ts'

const port = z.int().min(1).max(65_535)
const hostPort = port.meta({ description: 'port of the host', examples: [8080] })
const protocol = z.enum(['tcp', 'udp']).default('tcp').meta({ description: 'protocol' })

/** A port that the content of a Quadlet publishes. */
export const portOption = z.strictObject({
  port: hostPort,
  protocol,
  from: fromOption,
  why: whyOption.optional(),
  forwarded: z.boolean().default(true).meta({ description: 'false: the program listens on the host itself (`Network=host`)' }),
})

/** A port of a container. */
export const published = z
  .strictObject({
    port: hostPort,
    to: port.optional().meta({ description: 'port in the container. Default: the same', examples: [80] }),
    address: z
      .union([z.ipv4(), z.ipv6()])
      .optional()
      .meta({
        description: 'address of the host; 0.0.0.0 for all. Default: 127.0.0.1, or 0.0.0.0 with `from`',
        examples: ['192.0.2.10'],
      }),
    protocol,
    from: fromOption.optional(),
    why: whyOption.optional(),
  })
  .superRefine(({ address, from, why }, context) => {
    const fault = (key: string, message: string) => context.addIssue({ code: 'custom', path: [key], message })
    if (from !== undefined && address !== undefined && isLoopback(address))
      fault('from', `must not be set with ${address}, to which other hosts cannot connect`)
    if (why !== undefined && from === undefined) fault('why', 'must not be set without `from`')
  })

type Port = z.output<typeof published>

const isLoopback = (address: string): boolean => address.startsWith('127.') || address === '::1'

/** Returns the port as an argument of podman. */
export const publishText = ({ port: at, to = at, from, address = from === undefined ? '127.0.0.1' : '0.0.0.0', protocol }: Port): string =>
  `${address.includes(':') ? `[${address}]` : address}:${at}:${to}/${protocol}`

/** Returns the ports of a container that the firewall opens. */
export const publishedPorts = ({ ports, network }: Omit<ContainerPorts, 'name'>): z.output<typeof portOption>[] =>
  ports.flatMap(({ port: at, protocol, from, why }) =>
    from === undefined ? [] : [{ port: at, protocol, from, forwarded: network !== 'host', ...(why !== undefined && { why }) }],
  )

interface ContainerPorts {
  readonly name: string
  readonly ports: readonly Port[]
  readonly network?: string | undefined
}

export const containerPorts: Publishes<ContainerPorts> = {
  options: ['name', 'ports', 'network'],
  schema: z.object({ name: z.string(), ports: z.array(published).default([]), network: z.string().optional() }),
  ports: (picked) => publishedPorts(picked).map((one) => ({ ...one, service: picked.name })),
}

/** Whether a port has only peers. In the network of the host, the program itself chooses where it listens. */
export const isPeersOnly = ({ from, to, address }: Port): boolean => from !== undefined && to === undefined && address === undefined

interface QuadletPorts {
  readonly name: string
  readonly ports: readonly z.output<typeof portOption>[]
  readonly state: 'present' | 'absent'
}

export const quadletPorts: Publishes<QuadletPorts> = {
  options: ['name', 'ports', 'state'],
  schema: z.object({ name: z.string(), ports: z.array(portOption).default([]), state: z.enum(['present', 'absent']).default('present') }),
  ports: ({ name, ports, state }) => (state === 'present' ? ports.map((one) => ({ ...one, service: name.split('.')[0] ?? name })) : []),
}
