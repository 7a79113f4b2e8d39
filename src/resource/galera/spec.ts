import { z } from 'zod'
import { serviceOption } from '../service/service.ts'

export const schema = z
  .strictObject({
    cluster: z.string().regex(/^[a-z0-9][a-z0-9_-]{0,31}$/, 'must be a name of at most 32 lower-case letters, digits, _ and -'),
    me: z.string(),
    /** Hosts with data, in the order in which they are changed. */
    servers: z.array(z.string()).min(1),
    /** Hosts without data that vote for the majority. */
    arbitrators: z.array(z.string()).default([]),
    /** The service of the member on this host. */
    service: serviceOption,
    /** Hosts whose data from outside the cluster may be replaced by the cluster's. */
    discardDataOf: z.array(z.string()).default([]),
  })
  .refine(
    ({ me, servers, arbitrators }) => [...servers, ...arbitrators].includes(me),
    'must include this host among the servers or arbitrators',
  )

export type GaleraSpec = z.output<typeof schema>
