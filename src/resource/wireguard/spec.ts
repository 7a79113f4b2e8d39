import { z } from 'zod'

const member = z.strictObject({
  host: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, 'must be the name of a host'),
  endpoint: z
    .string()
    .regex(/^([0-9.]+|\[[0-9a-fA-F:]+\]):[0-9]{1,5}$/, 'must be an address with a port, such as 192.0.2.11:51820')
    .meta({ description: 'address and port at which the others reach it', examples: ['192.0.2.11:51820'] }),
  addresses: z
    .array(z.string().regex(/^[0-9a-fA-F.:]+\/[0-9]{1,3}$/, 'must be an address with its length, such as 10.80.0.11/32'))
    .min(1)
    .meta({ description: 'the only addresses from which its packets are accepted', examples: [['10.80.0.11/32']] }),
})

export const schema = z.strictObject({
  interface: z
    .string()
    .regex(/^[a-z][a-z0-9]{0,13}$/, 'must be a name of an interface such as wg0')
    .meta({ description: 'name of the interface', examples: ['wg0'] }),
  me: z.string().meta({ description: 'name of this host' }),
  members: z.array(member).min(1).meta({ description: 'all members in a fixed order, this host included' }),
  keepalive: z.int().min(0).max(65_535).default(0).meta({ description: 'seconds between packets that keep a NAT open; 0: none' }),
  unit: z.string().meta({ description: 'the unit that loads the peers when it starts, and again when it reloads' }),
})

export type MeshSpec = z.output<typeof schema>
export type MeshMember = MeshSpec['members'][number]

const DIRECTORY = '/etc/wireguard'

/** The files of an interface. `loaded` has the digest of the peers that the unit has loaded. */
export const pathsOf = (name: string) => ({
  key: `${DIRECTORY}/${name}.key`,
  publicKey: `${DIRECTORY}/${name}.pub`,
  peers: `${DIRECTORY}/${name}.peers`,
  loaded: `/run/provision-wireguard/${name}.loaded`,
})
