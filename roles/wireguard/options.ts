import { network, z } from 'provision'

const address = z.union([z.ipv4(), z.ipv6()], { error: 'must be an IP address such as 10.80.0.11' })

const byHost = (description: string, example: string) =>
  z
    .record(z.string(), address)
    .default({})
    .meta({ description, examples: [{ 'web-01': example }] })

export const options = z.strictObject({
  network: network
    .refine((value) => value.includes('/'), 'must be a network such as 10.80.0.0/24')
    .meta({ description: 'network of the mesh; no other network of the hosts may overlap it', examples: ['10.80.0.0/24'] }),
  addresses: byHost('address of each member in the mesh, by host; default: its `internal` address in `network`', '10.80.0.11'),
  endpoints: byHost(
    'address at which the others reach a member, by host; default: its first `public` address outside of `network`',
    '198.51.100.11',
  ),
  interface: z
    .string()
    .regex(/^[a-z][a-z0-9]{0,13}$/, 'must be a name of an interface such as wg0')
    .refine((name) => name !== 'lo' && !/^(eth|en|wl|docker|veth|br)/.test(name), 'must not be a name of other interfaces')
    .default('wg0')
    .meta({ description: 'name of the interface' }),
  port: z.int().min(1024).max(65_535).default(51_820).meta({ description: 'UDP port, the same on all members' }),
  keepalive: z
    .int()
    .min(0)
    .max(3600)
    .default(0)
    .meta({ description: 'seconds between packets that keep a NAT in front of a member open; 0: none', examples: [25] }),
  mtu: z.int().min(1280).max(9000).default(1420).meta({ description: 'largest packet in the mesh: 80 bytes less than outside' }),
  userspace: z.boolean().default(false).meta({
    description: 'run the program wireguard-go, for hosts whose kernel has no WireGuard: containers, and kernels before 5.6',
  }),
})

export type Options = z.output<typeof options>
