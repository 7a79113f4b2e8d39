import { z } from 'provision'
import { access, authorityFile, serverUrl } from './access.ts'
import { pattern } from './probes.ts'

/** A store outside the site that gets the measurements. */
export const remoteWrite = z.strictObject({
  url: serverUrl.meta({
    description: 'address that takes measurements by remote write',
    examples: ['https://mimir.example.org/api/v1/push'],
  }),
  auth: access.optional(),
  ca_file: authorityFile('store'),
  metrics: pattern
    .optional()
    .meta({ description: 'regular expression of whole names of the metrics to send; default: all', examples: ['up|(node|host|site):?.*'] }),
})
export type RemoteWrite = z.output<typeof remoteWrite>
