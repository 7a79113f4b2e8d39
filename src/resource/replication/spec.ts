import { z } from 'zod'
import { serviceOption } from '../service/service.ts'

const hostName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9.-]{0,62}$/, 'must be the name of a host')

const server = z.strictObject({
  host: hostName,
  /** Where the others find it. */
  address: z.string().regex(/^[0-9A-Fa-f.:]+$/, 'must be an IP address'),
  /** The common name of its certificate. */
  certificate: z.string().regex(/^[A-Za-z0-9.-]{1,255}$/),
})

export const schema = z
  .strictObject({
    /** Names the servers that replicate one another. */
    name: z.string().regex(/^[a-z0-9][a-z0-9_-]{0,31}$/, 'must be a short word'),
    me: z.string(),
    /** The host whose server is written to. All others follow it, and take no writes. */
    primary: z.string(),
    servers: z.array(server).min(2),
    /** The pair (with its key beside it) and what trusts the others', on each server. */
    pair: z.string(),
    trusted: z.string(),
    /** Where a server that gets all data listens meanwhile. */
    seedPort: z.int().min(1024).max(65535),
    /** What opens the primary when it was restarted; it is stopped before another one takes over. */
    opener: z.string(),
    service: serviceOption,
  })
  .refine(
    ({ me, primary, servers }) => [me, primary].every((host) => servers.some((one) => one.host === host)),
    'must be among the servers',
  )

export type ReplicationSpec = z.output<typeof schema>
export type Server = ReplicationSpec['servers'][number]
