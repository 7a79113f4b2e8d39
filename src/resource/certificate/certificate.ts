import type { z } from 'zod'
import { planUnreached } from '../kind/inode.ts'
import { defineKind, type Resource } from '../kind/kind.ts'
import { parentOf } from '../kind/path.ts'
import { applyCertificates } from './apply.ts'
import { type CertificateState, observeCertificates } from './observe.ts'
import { planIssued, planLeaf, planPlaceholder } from './plan.ts'
import { type CertificateSpec, schema } from './spec.ts'

type Input = z.input<typeof schema>

const kind = defineKind<Input, CertificateSpec, CertificateState>({
  name: 'certificate',
  summary: 'TLS certificate of an ACME authority',
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

  directories: ({ path }) => [parentOf(path)],
  accounts: ({ group }) => ({ groups: [group] }),
  orphan: { keep: 'keys and certificates are never deleted automatically' },
  signer: ({ stage, ...spec }, { leaf }, now) =>
    stage !== 'leaf' || !('authority' in spec) || leaf?.account !== spec.authority.key || leaf.to <= now.getTime()
      ? undefined
      : { authority: spec.authority, issuer: leaf.issuer, path: spec.path },
  issuer: (spec, { leaf }, now) => {
    if (spec.stage === 'placeholder' || leaf === undefined || leaf.to <= now.getTime()) return undefined
    const key = spec.stage === 'leaf' ? spec.authority.key : spec.account
    return leaf.account === key ? key : undefined
  },
  apply: applyCertificates,

  // The host creates both files, so the service must load what is on its disk.
  files: ({ path }) => [
    { path, sha256: 'disk' },
    { path: `${path}.key`, sha256: 'disk' },
  ],
})

/**
 * A certificate and key that let a service start. Any matching pair satisfies it; otherwise the host creates a key and a self-signed
 * certificate, marked as a placeholder.
 */
export const placeholder = (options: Omit<Extract<Input, { stage: 'placeholder' }>, 'stage'>): Resource<CertificateSpec> =>
  kind({ ...options, stage: 'placeholder' })

/**
 * A certificate from an ACME authority, renewed before it expires. The host creates the private key and keeps it. Declare it after the
 * service that answers the challenges, and its placeholder before that service.
 */
export const certificate = Object.assign(
  (options: Omit<Extract<Input, { stage: 'issued' }>, 'stage'>): Resource<CertificateSpec> => kind({ ...options, stage: 'issued' }),
  { kind: kind.kind },
)

/**
 * A certificate from an authority of the site, renewed before it expires. The host creates the private key and keeps it. Declare it before
 * the configuration that names it and after the file of trusted authorities: a host whose certificate cannot be signed yet then already
 * has that file. Add it to `loads` of the service that reads it.
 */
export const leaf = (options: Omit<Extract<Input, { stage: 'leaf' }>, 'stage'>): Resource<CertificateSpec> =>
  kind({ ...options, stage: 'leaf' })
