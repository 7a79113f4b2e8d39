import { z } from 'provision'
import { access, authorityFile, serverUrl } from './access.ts'

const name = z
  .string()
  .min(1)
  .optional()
  .meta({ description: 'name of the target in alerts; default: the address', examples: ['cart'] })

// The exporter reads RE2, which has no assertions and no references.
export const pattern = z
  .string()
  .min(1)
  .refine((text) => {
    try {
      return new RegExp(text, 'u') && !/\(\?(<?[=!])|\\[1-9k]/.test(text)
    } catch {
      return false
    }
  }, 'must be a regular expression (RE2), without assertions and references')

const endpoint = z.string().regex(/^(\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}$/, 'must be a host and its port such as web-01:6379')

const http = z
  .strictObject({
    name,
    url: serverUrl.meta({
      description: 'address to request by name, which includes DNS and the network path',
      examples: ['https://www.example.org/cart'],
    }),
    status: z
      .int()
      .min(100)
      .max(599)
      .optional()
      .meta({
        description: 'status of the right response, without following redirects; default: any 2xx after redirects',
        examples: [401],
      }),
    body: pattern.optional().meta({ description: 'regular expression that the response must match', examples: ['Your cart'] }),
    auth: access.optional(),
    ca_file: authorityFile('server'),
  })
  .refine(({ url, auth }) => auth === undefined || url.startsWith('https:'), {
    path: ['url'],
    message: 'must begin with https: with `auth`',
  })

const tcp = z.strictObject({
  name,
  tcp: endpoint.meta({
    description: 'host and port that must accept connections; a host of the inventory is reached at its internal address',
    examples: ['web-01:6379'],
  }),
  answer: pattern.optional().meta({ description: 'regular expression of the first line that the server sends', examples: ['^220 '] }),
})

const tls = z.strictObject({
  name,
  tls: endpoint.meta({
    description: 'host and port that must have a valid certificate, whose end is watched',
    examples: ['mail.example.org:465'],
  }),
  server: z
    .string()
    .regex(/^[A-Za-z0-9.-]+$/, 'must be a host name')
    .optional()
    .meta({ description: 'name that the certificate must have; default: the host', examples: ['mail.example.org'] }),
  ca_file: authorityFile('server'),
})

const dns = z.strictObject({
  name,
  dns: z
    .string()
    .regex(/^[A-Za-z0-9._-]+$/, 'must be a name such as www.example.org')
    .meta({ description: 'name to resolve', examples: ['www.example.org'] }),
  server: z
    .union([z.ipv4(), z.ipv6()], { error: 'must be an IP address' })
    .meta({ description: 'address of the name server', examples: ['9.9.9.9'] }),
  type: z.enum(['A', 'AAAA', 'CNAME', 'MX', 'NS', 'PTR', 'SOA', 'SRV', 'TXT']).default('A').meta({ description: 'type of the record' }),
  answer: pattern
    .optional()
    .meta({ description: 'regular expression that every record of the answer must match', examples: ['198[.]51[.]100[.]7$'] }),
})

/** An address to probe. */
export const probe = z.union([http, tcp, tls, dns])
export type Probe = z.output<typeof probe>
