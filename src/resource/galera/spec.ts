import { z } from 'zod'
import { serviceOption } from '../service/service.ts'

export const schema = z
  .strictObject({
    cluster: z.string().regex(/^[a-z0-9][a-z0-9_-]{0,31}$/, 'must be a short word'),
    me: z.string(),
    /** The hosts that hold data, in the order in which they are changed. */
    servers: z.array(z.string()).min(1),
    /** Hosts without data whose voice makes a majority. */
    arbitrators: z.array(z.string()).default([]),
    /** The unit that is a member here, with all that it loads. */
    service: serviceOption,
    /** Hosts whose own data, of another cluster or of none, may be replaced by the cluster's. */
    discardDataOf: z.array(z.string()).default([]),
  })
  .refine(({ me, servers, arbitrators }) => [...servers, ...arbitrators].includes(me), 'a member must be among the servers or arbitrators')

export type GaleraSpec = z.output<typeof schema>
