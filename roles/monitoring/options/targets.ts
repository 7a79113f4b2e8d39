import { z } from 'provision'
import { access, authorityFile, serverUrl } from './access.ts'

const job = z
  .string()
  .regex(/^[a-z][a-z0-9_-]{0,30}$/, 'must be a short word such as shop')
  .meta({ description: 'label `job` of the measurements', examples: ['shop'] })

/** Names of hosts and groups. */
export const hostNames = z.array(z.string().min(1)).min(1)

const ownHost = z.strictObject({
  job,
  at: z
    .url({ protocol: /^http$/, hostname: /^(127\.0\.0\.1|localhost)$/ })
    .meta({ description: 'address on the host itself, in the format of Prometheus', examples: ['http://127.0.0.1:9200/metrics'] }),
  hosts: hostNames.meta({ description: 'hosts and groups that have it', examples: [['web']] }),
})

const elsewhere = z.strictObject({
  job,
  url: serverUrl.meta({ description: 'address outside the site', examples: ['https://metrics.example.org/metrics'] }),
  auth: access.optional(),
  ca_file: authorityFile('target'),
})

/** An exporter to read. */
export const target = z.union([ownHost, elsewhere])
export type Target = z.output<typeof target>
