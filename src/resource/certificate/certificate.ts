import { z } from 'zod'
import type { Authority } from '../../keystore/identities.ts'
import { planUnreached } from '../kind/inode.ts'
import { defineKind, type Resource } from '../kind/kind.ts'
import { absolutePath, accountName } from '../kind/path.ts'
import { applyCertificates } from './apply.ts'
import { type CertificateState, observeCertificates } from './observe.ts'
import { planIssued, planLeaf, planPlaceholder } from './plan.ts'

/** A DNS name as it may stand in a certificate. (A wildcard can be proved by DNS only.) */
const dnsName = z
  .string()
  .toLowerCase()
  .max(253)
  .regex(/^(\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}$/, 'must be a full host name such as www.example.org')

/** What of a service is needed to make it load a new certificate: the options it was declared with. */
const loadingService = z.object({
  unit: z.string(),
  loads: z.array(z.object({ path: z.string() })),
  restarts: z.array(z.object({ path: z.string() })).default([]),
  set: z.string().optional(),
  took: z.string().optional(),
  reload: z.enum(['reload', 'restart']).default('reload'),
})

const pair = {
  /** The chain, readable by all; the private key lies beside it as `PATH.key`. */
  path: absolutePath,
  names: z
    .array(dnsName)
    .min(1)
    .transform((names): readonly string[] => [...new Set(names)]),
  keyType: z.enum(['ecdsa', 'rsa']).default('ecdsa'),
  /** Who beside root may read the private key. */
  group: accountName.default('root'),
}

const renewAt = z
  .number()
  .min(0.1)
  .max(0.95)
  .default(2 / 3)

const schema = z.discriminatedUnion('stage', [
  z.strictObject({ stage: z.literal('placeholder'), ...pair }),
  z
    .strictObject({
      stage: z.literal('issued'),
      ...pair,
      /** The key of the ACME account, as `ctx.acmeAccount(…)` gave it. */
      account: z.string().regex(/^\S+$/),
      /** Which part of its life a certificate has behind it when it is renewed. */
      renewAt,
      /** The service that reads the certificate; it loads the new one in the same step. */
      loadedBy: z
        .custom<Resource>((value) => typeof value === 'object' && value !== null && 'spec' in value, 'must be a service')
        .transform(({ spec }) => loadingService.parse(spec)),
    })
    .refine(({ path, loadedBy }) => loadedBy.loads.some((file) => file.path === path), {
      path: ['loadedBy'],
      message: 'must be a service that loads the certificate: name its placeholder in `loads`',
    }),
  z
    .strictObject({
      stage: z.literal('leaf'),
      ...pair,
      keyType: z.literal('ecdsa').default('ecdsa'),
      authority: z.custom<Authority>(
        (value) => typeof value === 'object' && value !== null && 'zone' in value && 'trusted' in value,
        'must be an authority, as `context.authority({ domain })` gave it',
      ),
      /** What it is good for: to be asked by its names, or to ask others. */
      usages: z
        .array(z.enum(['server', 'client']))
        .min(1)
        .transform((usages): readonly ('server' | 'client')[] => [...new Set(usages)].sort()),
      /** In days; a part of a day is possible. */
      lifetimeDays: z.number().min(0.001).max(398).default(90),
      renewAt,
    })
    .refine(({ names, authority }) => names.every((name) => name.endsWith(`.${authority.zone}`)), {
      path: ['names'],
      message: 'must be names of the trust domain, as `authority.nameOf(host.name)` gives them',
    }),
])

export type CertificateSpec = z.output<typeof schema>
export type IssuedSpec = Extract<CertificateSpec, { stage: 'issued' }>
export type LeafSpec = Extract<CertificateSpec, { stage: 'leaf' }>
type Input = z.input<typeof schema>

const kind = defineKind<Input, CertificateSpec, CertificateState>({
  name: 'certificate',
  schema,
  id: ({ stage, path }) => (stage === 'placeholder' ? `${path}#placeholder` : path),

  observe: (specs) => {
    const pairs = observeCertificates([...new Set(specs.map(({ path }) => path))])
    return {
      ...pairs,
      parse: (stdout, answers) => {
        const states = pairs.parse(stdout, answers)
        return new Map(
          [...states].flatMap(([path, one]) => [
            [path, one],
            [`${path}#placeholder`, one],
          ]),
        )
      },
    }
  },

  plan: (spec, state, { now }) => {
    const unreached = planUnreached(state.chain)
    if (unreached !== undefined) return { ...unreached, certainty: 'dependent' }
    if (spec.stage === 'placeholder') return planPlaceholder(state)
    return spec.stage === 'leaf' ? planLeaf(spec, state, now) : planIssued(spec, state, now)
  },

  orphan: { keep: 'keys and certificates are not removed for being left out' },
  signer: ({ stage, ...spec }, { leaf }, now) =>
    stage !== 'leaf' || !('authority' in spec) || leaf?.account !== spec.authority.key || leaf.to <= now.getTime()
      ? undefined
      : { authority: spec.authority, issuer: leaf.issuer, path: spec.path },
  apply: applyCertificates,

  // The host makes both: what lies there is what shall be loaded.
  files: ({ path }) => [
    { path, sha256: 'disk' },
    { path: `${path}.key`, sha256: 'disk' },
  ],
})

/**
 * A certificate and key for a service to start with: satisfied by any pair that belongs together, else a new key and a
 * self-signed certificate, made on the host and marked as a placeholder.
 */
export const placeholder = (options: Omit<Extract<Input, { stage: 'placeholder' }>, 'stage'>): Resource<CertificateSpec> =>
  kind({ ...options, stage: 'placeholder' })

/**
 * A certificate from an ACME authority, renewed in time. The private key is made on the host and stays there; the service that
 * answers the authority must run already, so it stands after that service, and its placeholder before.
 */
export const certificate = Object.assign(
  (options: Omit<Extract<Input, { stage: 'issued' }>, 'stage'>): Resource<CertificateSpec> => kind({ ...options, stage: 'issued' }),
  { kind: kind.kind },
)

/**
 * A certificate from an authority of the site, renewed in time. The private key is made on the host and stays there. It needs no
 * service that runs, so it stands before the configuration that names it, and behind the file of what is trusted, so that a host whose
 * certificate cannot be signed yet has learnt whom to trust; the service that reads it names it in `loads`.
 */
export const leaf = (options: Omit<Extract<Input, { stage: 'leaf' }>, 'stage'>): Resource<CertificateSpec> =>
  kind({ ...options, stage: 'leaf' })
