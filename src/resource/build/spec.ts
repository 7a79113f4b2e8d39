import { z } from 'zod'
import { shellScript } from '../control/options.ts'
import { archive } from '../fetched/archive.ts'
import type { ArchiveSpec } from '../fetched/archive-spec.ts'
import { git } from '../fetched/git.ts'
import { type GitSpec, headOf } from '../fetched/git-spec.ts'
import { manifestOf, type TreeState } from '../fetched/manifest.ts'
import { sha256Hex } from '../kind/content.ts'
import type { InodeState } from '../kind/inode.ts'
import { isResource, keyOf, type Resource } from '../kind/kind.ts'
import { absolutePath, accountName } from '../kind/path.ts'
import { yamlForms } from '../option/yaml-form.ts'
import { unitName } from '../service/unit-name.ts'

const isSource = (value: unknown): boolean => isResource(value) && (value.kind === archive.kind || value.kind === git.kind)

const options = z.strictObject({
  root: absolutePath
    .refine((path) => path.lastIndexOf('/') > 0, 'must not be a directory at the root')
    .meta({ description: 'the directory of `releases` and of the link `current`; declare it before', examples: ['/srv/shop'] }),
  source: z
    .custom<Resource>(isSource, 'must be an archive or a git checkout')
    .register(yamlForms, { form: 'resources' })
    .meta({ description: 'the earlier archive or git resource with the source code', examples: ['git:/srv/shop-source'] }),
  command: shellScript.optional().meta({
    description: 'POSIX sh that runs in a copy of the source and stops at the first failing command; default: the source is the release',
    examples: ['npm ci --omit=dev'],
  }),
  user: accountName
    .refine((name) => name !== 'root', 'must be an account without the rights of root')
    .meta({ description: 'account that runs the command; no other program should run as it', examples: ['builder'] }),
  network: z.boolean().default(false).meta({ description: 'whether the command reaches the network' }),
  environment: z
    .record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'must be the name of a variable'), z.string().regex(/^[^\p{Cc}]*$/u))
    .default({})
    .meta({ description: 'variables of the command; every account of the host can read them', examples: [{ NODE_ENV: 'production' }] }),
  withinMinutes: z.number().positive().max(1440).default(30).meta({ description: 'time limit of the command in minutes' }),
  keep: z.int().min(2).max(100).default(5).meta({ description: 'number of releases to keep' }),
  which: z
    .enum(['latest', 'previous'])
    .default('latest')
    .meta({ description: '`previous`: roll back to the release before the newest deployment' }),
  unit: unitName.optional().meta({
    description: 'service of the release, which a rolling update restarts if it reverts the release of a host',
    examples: ['shop.service'],
  }),
  set: z
    .string()
    .regex(/^[a-z][a-z0-9-]*$/)
    .optional()
    .meta({ description: 'name of a set: a service with the same `set` restores the former release if it rejects the new one' }),
})

/** The resource of the source is replaced by its key, manifest, and identity (`head`) if that is known before the run. */
export const schema = options.transform(({ source, ...spec }) => ({
  ...spec,
  source: { key: keyOf(source), path: source.id, manifest: manifestOf(source.id), head: headOfSource(source) },
  /** Digest of all options that decide the result, except the source. */
  recipe: sha256Hex(JSON.stringify([1, spec.command, spec.network, Object.entries(spec.environment).toSorted(), spec.user])),
}))

const headOfSource = ({ kind, spec }: Resource): string | undefined => {
  if (kind === archive.kind) return (spec as ArchiveSpec).head
  const checkout = spec as GitSpec
  return checkout.commit === undefined ? undefined : headOf(checkout, checkout.commit)
}

export type BuildSpec = z.output<typeof schema>

/** A release on a host whose build succeeded. */
export interface BuiltRelease {
  /** Name of its directory. */
  readonly name: string
  /** Identity: of the source and of the recipe. */
  readonly identity: string
}

export interface BuildState {
  readonly current: InodeState
  /** Identity of the source that is on the host; empty if there is none. */
  readonly head: string
  /** Releases on the host. */
  readonly releases: readonly BuiltRelease[]
  /** Names of the releases in order of deployment, the newest last. */
  readonly history: readonly string[]
  /** Number of builds that were interrupted. */
  readonly unfinished: number
  /** The tree of the release that should be live, compared with its manifest: of the live one, or of the one to roll back to. */
  readonly tree: TreeState
}

/** Identity of a release. The host computes the same for a source that is not known before. */
export const identityOf = ({ recipe }: Pick<BuildSpec, 'recipe'>, head: string): string => sha256Hex(`${head}\n${recipe}\n`)

const NAME = /^[0-9]{8}T[0-9]{6}-[0-9a-f]{12}$/

/** Name of the live release; undefined if provision did not create it. */
export const liveOf = ({ current }: BuildState): string | undefined => {
  const name = current !== 'absent' && current.type === 'l' ? current.target.replace(/^releases\//, '') : ''
  return NAME.test(name) ? name : undefined
}

/** The release that was live before the newest deployment. */
export const previousOf = ({ history }: BuildState): string | undefined => history.at(-2)

/** Identity of the live release. */
export const liveIdentity = (state: BuildState): string | undefined => {
  const live = liveOf(state)
  return state.releases.find(({ name }) => name === live)?.identity
}
