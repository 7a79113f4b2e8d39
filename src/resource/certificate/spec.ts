import { z } from 'zod'
import { canonicalAddress } from '../../ip-address.ts'
import type { Authority } from '../../keystore/identities.ts'
import { Script } from '../../shell/script.ts'
import type { Resource } from '../kind/kind.ts'
import { absolutePath, accountName } from '../kind/path.ts'
import { formersSchema } from './former.ts'

/** A DNS name allowed in a certificate. A wildcard requires a DNS challenge. */
const dnsName = z
  .string()
  .toLowerCase()
  .max(253)
  .regex(/^(\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}$/, 'must be a full host name such as www.example.org')

/** An IP address in the form in which certificates are compared. */
const ipAddress = z
  .string()
  .refine((address) => canonicalAddress(address) !== undefined, 'must be an IP address')
  .transform((address) => canonicalAddress(address) ?? address)

/** Options of the service resource that are needed to load a new certificate. */
const loadingService = z.object({
  unit: z.string(),
  loads: z.array(z.object({ path: z.string() })),
  restarts: z.array(z.object({ path: z.string() })).default([]),
  set: z.string().optional(),
  took: z.instanceof(Script).optional(),
  reload: z.enum(['reload', 'restart']).default('reload'),
})

const pair = {
  /** Path of the chain, readable by everybody. The private key is `PATH.key`. */
  path: absolutePath,
  names: z
    .array(z.union([dnsName, ipAddress], { error: 'must be a full host name such as www.example.org, or an IP address' }))
    .min(1)
    .transform((names): readonly string[] => [...new Set(names)]),
  keyType: z.enum(['ecdsa', 'rsa']).default('ecdsa'),
  /** The group that may read the private key in addition to root. */
  group: accountName.default('root'),
}

const renewAt = z
  .number()
  .min(0.1)
  .max(0.95)
  .default(2 / 3)

export const schema = z.discriminatedUnion('stage', [
  z.strictObject({ stage: z.literal('placeholder'), ...pair }),
  z
    .strictObject({
      stage: z.literal('issued'),
      ...pair,
      /** The key of the ACME account, from `ctx.acmeAccount(…)`. */
      account: z.string().regex(/^\S+$/),
      /** Profile that the authority offers; default: the authority's choice. */
      profile: z.string().optional(),
      /** Fraction of its lifetime after which a certificate is renewed. */
      renewAt,
      /** The service that reads the certificate. It is reloaded in the same step. */
      loadedBy: z
        .custom<Resource>((value) => typeof value === 'object' && value !== null && 'spec' in value, 'must be a service')
        .transform(({ spec }) => loadingService.parse(spec)),
      /** The list of chains that stay in use until this certificate is issued: `formerCertificates(…)`, which the service loads. */
      formers: z
        .custom<Resource>(
          (value) => typeof value === 'object' && value !== null && 'spec' in value,
          'must be a list of former certificates',
        )
        .transform(({ spec }) => formersSchema.parse(spec))
        .optional(),
    })
    .refine(({ path, loadedBy }) => loadedBy.loads.some((file) => file.path === path), {
      path: ['loadedBy'],
      message: 'must be a service that loads the certificate: add its placeholder to `loads`',
    }),
  z
    .strictObject({
      stage: z.literal('leaf'),
      ...pair,
      keyType: z.literal('ecdsa').default('ecdsa'),
      authority: z.custom<Authority>(
        (value) => typeof value === 'object' && value !== null && 'zone' in value && 'trusted' in value,
        'must be an authority from `context.authority({ domain })`',
      ),
      /** IP addresses by which clients call the host. They are in the certificate besides its names. */
      addresses: z.array(ipAddress).default([]),
      /** Extended key usages: to accept connections, or to open them. */
      usages: z
        .array(z.enum(['server', 'client']))
        .min(1)
        .transform((usages): readonly ('server' | 'client')[] => [...new Set(usages)].sort()),
      /** In days; fractions are allowed. */
      lifetimeDays: z.number().min(0.001).max(398).default(90),
      renewAt,
    })
    .refine(({ names, authority }) => names.every((name) => name.endsWith(`.${authority.zone}`)), {
      path: ['names'],
      message: 'must be names of the trust domain, from `authority.nameOf(host.name)`',
    })
    .transform(({ addresses, ...spec }) => ({ ...spec, names: [...new Set([...spec.names, ...addresses])] as readonly string[] })),
])

export type CertificateSpec = z.output<typeof schema>
export type IssuedSpec = Extract<CertificateSpec, { stage: 'issued' }>
export type LeafSpec = Extract<CertificateSpec, { stage: 'leaf' }>
