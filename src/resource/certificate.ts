import { z } from 'zod'
import { applyCertificates } from './certificate-apply.ts'
import { fits, keyModeOf, type Leaf, observeCertificates, type SeenCertificate } from './certificate-seen.ts'
import { ABSENT, typeName } from './inode.ts'
import { type Difference, defineKind, type Resource, type Verdict, type World } from './kind.ts'
import { absolutePath, accountName } from './path.ts'

/** A DNS name as it may stand in a certificate. (Wildcards need another challenge than HTTP-01.) */
const dnsName = z
  .string()
  .toLowerCase()
  .max(253)
  .regex(/^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}$/, 'must be a full host name such as www.example.org, without a wildcard')

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

const schema = z.discriminatedUnion('stage', [
  z.strictObject({ stage: z.literal('placeholder'), ...pair }),
  z
    .strictObject({
      stage: z.literal('issued'),
      ...pair,
      /** The key of the ACME account, as `ctx.acmeAccount(…)` gave it. */
      account: z.string().regex(/^\S+$/),
      /** Which part of its life a certificate has behind it when it is renewed. */
      renewAt: z
        .number()
        .min(0.1)
        .max(0.95)
        .default(2 / 3),
      /** The service that reads the certificate; it loads the new one in the same step. */
      loadedBy: z
        .custom<Resource>((value) => typeof value === 'object' && value !== null && 'spec' in value, 'must be a service')
        .transform(({ spec }) => loadingService.parse(spec)),
    })
    .refine(({ path, loadedBy }) => loadedBy.loads.some((file) => file.path === path), {
      path: ['loadedBy'],
      message: 'must be a service that loads the certificate: name its placeholder in `loads`',
    }),
])

export type CertificateSpec = z.output<typeof schema>
export type IssuedSpec = Extract<CertificateSpec, { stage: 'issued' }>
type Input = z.input<typeof schema>

const kind = defineKind<Input, CertificateSpec, SeenCertificate>({
  name: 'certificate',
  schema,
  id: ({ stage, path }) => (stage === 'placeholder' ? `${path}#placeholder` : path),

  observe: (specs) => {
    const pairs = observeCertificates([...new Set(specs.map(({ path }) => path))])
    return {
      ...pairs,
      parse: (stdout, said) => {
        const seen = pairs.parse(stdout, said)
        return new Map(
          [...seen].flatMap(([path, one]) => [
            [path, one],
            [`${path}#placeholder`, one],
          ]),
        )
      },
    }
  },

  plan: (want, seen, world) => (want.stage === 'placeholder' ? planPlaceholder(seen) : planIssued(want, seen, world)),

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

const planPlaceholder = (seen: SeenCertificate): Verdict | undefined => {
  if (fits(seen)) return undefined
  return { action: seen.chain === ABSENT ? 'create' : 'update', sure: 'depends', reason: brokenReason(seen), differences: [] }
}

const planIssued = (want: IssuedSpec, seen: SeenCertificate, world: World): Verdict | undefined => {
  const { chain, leaf } = seen
  if (chain === ABSENT || leaf?.placeholder === true) {
    const reason = chain === ABSENT ? 'not issued yet' : 'only a placeholder is there'
    return { action: 'create', sure: 'depends', reason, differences: [] }
  }
  const update = (reason: string, differences: readonly Difference[] = []): Verdict => ({
    action: 'update',
    sure: 'depends',
    reason,
    differences,
  })
  if (!fits(seen) || leaf === undefined) return update(brokenReason(seen))
  const names = [...want.names].sort().join(', ')
  if (leaf.names.join(', ') !== names) return update('names differ', [{ key: 'names', from: leaf.names.join(', '), to: names }])
  if (leaf.account !== want.account || leaf.keyDigest === undefined) {
    return update('comes from elsewhere', [
      { key: 'account', ...(leaf.account === undefined ? {} : { from: leaf.account }), to: want.account },
    ])
  }
  if (leaf.keyType !== NODE_KEY_TYPES[want.keyType]) return update('the key is of another type', [{ key: 'keyType', to: want.keyType }])
  return planAge(leaf, want.renewAt, world.now) ?? planAccess(want, seen)
}

/** What node:crypto calls them. */
const NODE_KEY_TYPES = { ecdsa: 'ec', rsa: 'rsa' } as const

const planAge = ({ from, to }: Leaf, renewAt: number, now: Date): Verdict | undefined => {
  if (now.getTime() < from + (to - from) * renewAt) return undefined
  const reason = now.getTime() >= to ? `expired on ${day(to)}` : `expires on ${day(to)}`
  return { action: 'update', sure: 'depends', reason, differences: [{ key: 'expires', from: day(to) }] }
}

const day = (time: number): string => new Date(time).toISOString().slice(0, 10)

/** Who may read the two files; mended without a new certificate, which is why this one verdict is `exact`. */
const planAccess = ({ group }: CertificateSpec, { chain, key }: SeenCertificate): Verdict | undefined => {
  if (chain === ABSENT || key === ABSENT) return undefined
  const wanted = { mode: '644', owner: 'root', group: 'root', keyMode: keyModeOf(group), keyOwner: 'root', keyGroup: group }
  const found = { mode: chain.mode, owner: chain.owner, group: chain.group, keyMode: key.mode, keyOwner: key.owner, keyGroup: key.group }
  const keys = (Object.keys(wanted) as (keyof typeof wanted)[]).filter((name) => wanted[name] !== found[name])
  if (keys.length === 0) return undefined
  const differences = keys.map((name) => ({ key: name, from: found[name], to: wanted[name] }))
  return { action: 'update', sure: 'exact', reason: 'others than intended may read or write it', differences }
}

const brokenReason = ({ chain, key, leaf }: SeenCertificate): string => {
  if (chain === ABSENT) return 'not there'
  if (chain.type !== 'f') return `is ${typeName(chain.type)}`
  if (leaf === undefined) return 'is no certificate'
  return key === ABSENT ? 'the private key is missing' : 'the private key belongs to another certificate'
}
