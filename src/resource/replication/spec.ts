import { z } from 'zod'
import { flavour } from '../database/flavour.ts'
import { serviceOption } from '../service/service.ts'

const hostName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9.-]{0,62}$/, 'must be the name of a host')

const server = z.strictObject({
  host: hostName,
  /** Address for the other servers. */
  address: z.string().regex(/^[0-9A-Fa-f.:]+$/, 'must be an IP address'),
  /** The common name of its certificate. */
  certificate: z.string().regex(/^[A-Za-z0-9.-]{1,255}$/),
})

export const schema = z
  .strictObject({
    /** Name of the group of servers. */
    name: z.string().regex(/^[a-z0-9][a-z0-9_-]{0,31}$/, 'must be a name of at most 32 lower-case letters, digits, _ and -'),
    flavour: flavour.default('mariadb'),
    me: z.string(),
    /** Host of the primary. All other servers are read-only replicas. */
    primary: z.string(),
    servers: z.array(server).min(2),
    /** Path of the certificate, with its key beside it, on each server. */
    pair: z.string(),
    trusted: z.string(),
    /** Port on which a server listens while it receives a copy of all data. */
    seedPort: z.int().min(1024).max(65535),
    /** Unit that makes the primary writable after a restart. It is stopped before another server is promoted. */
    opener: z.string(),
    service: serviceOption,
  })
  .refine(
    ({ me, primary, servers }) => [me, primary].every((host) => servers.some((one) => one.host === host)),
    'must be among the servers',
  )

export type ReplicationSpec = z.output<typeof schema>
export type Server = ReplicationSpec['servers'][number]
