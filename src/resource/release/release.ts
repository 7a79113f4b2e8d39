import { asText } from '../kind/content.ts'
import { ABSENT, planUnreached, typeName } from '../kind/inode.ts'
import { type Change, type Difference, type DiffTexts, defineKind, type PlanContext, type Work } from '../kind/kind.ts'
import { HostRefusal } from '../kind/step.ts'
import { excerptScript, readExcerpts } from '../kind/walk-read.ts'
import { applyReleases, revertReleases } from './apply.ts'
import { deltaOf, liveOf, observeReleases, type PreviousState, previousOf, type ReleaseDelta, type ReleaseState } from './observe.ts'
import { type ReleaseSpec, schema } from './spec.ts'

/**
 * A tree of project files that goes live by one rename: `ROOT/current` points to it. Each release has a separate directory, so a rollback
 * is one rename too. Only files that the host lacks are uploaded.
 */
export const release = defineKind({
  name: 'release',
  summary: 'files of the project that go live by one rename, with rollback',
  schema,
  id: ({ root }) => root,
  observe: observeReleases,

  plan: (spec: ReleaseSpec, state: ReleaseState, context): Change | undefined =>
    planUnreached(state.current) ?? (spec.which === 'latest' ? planLatest(spec, state) : planPrevious(state, context)),
  forbids: (spec, state, context) =>
    isWithoutPrevious(spec, state) && !stays(state, context) ? noPrevious(spec, state) : damagedPrevious(spec, state),
  // Other releases of the host are rolled back, so this is no error.
  notices: (spec, state, context) => (isWithoutPrevious(spec, state) && stays(state, context) ? [stayingText(spec)] : []),

  orphan: { keep: 'content is never deleted automatically' },
  apply: applyReleases,
  revert: revertReleases,

  before: (work) => ({
    script: excerptScript({ paths: work.filter(isUpload).flatMap(livePaths), bytes: MAX_SHOWN_BYTES }),
    read: (stdout) => {
      const texts = readExcerpts(stdout)
      const of = (one: ReleaseWork): string =>
        shownPaths(one)
          .map((path) => `${texts.get(`${one.spec.root}/current/${path}`)?.toString('base64') ?? ''} ${path}\n`)
          .join('')
      return new Map(work.filter(isUpload).map((one) => [one.id, Buffer.from(of(one))]))
    },
  }),

  diff: (work, before) => {
    if (!isUpload(work)) return undefined
    const lines = (before?.toString() ?? '').split('\n').map((line) => [line.slice(line.indexOf(' ') + 1), line.split(' ', 1)[0] ?? ''])
    const old = new Map(lines.map(([path = '', text = '']) => [path, Buffer.from(text, 'base64')]))
    const [first, ...more] = shownPaths(work).flatMap((path) => textsOf(work, path, old.get(path)))
    return first === undefined ? undefined : { ...first, more }
  },
})

type ReleaseWork = Work<ReleaseSpec, ReleaseState>

const isUpload = ({ spec }: ReleaseWork): boolean => spec.which === 'latest'

const planLatest = (spec: ReleaseSpec, state: ReleaseState): Change | undefined => {
  const delta = deltaOf(spec, state)
  const live = liveOf(state)
  const isWhole = delta.added.length + delta.changed.length + delta.removed.length + delta.misdated.length === 0
  if (state.current === ABSENT)
    return {
      action: 'create',
      certainty: 'exact',
      reason: `missing, ${count(spec.files.length)}`,
      differences: [releaseDifference(undefined, spec.digest)],
    }
  if (live === spec.digest && isWhole && !state.staged) return undefined
  const reason =
    state.current.type !== 'l'
      ? `${typeName(state.current.type)} instead of the link`
      : isWhole
        ? live === spec.digest
          ? 'earlier upload interrupted'
          : 'another release is live'
        : describeDelta(delta, live === spec.digest)
  return {
    action: 'update',
    certainty: 'exact',
    reason,
    differences: [...(live === spec.digest ? [] : [releaseDifference(live, spec.digest)]), ...namesIn(delta)],
  }
}

const planPrevious = (state: ReleaseState, context: PlanContext): Change | undefined => {
  const [live, previous] = [liveOf(state), previousOf(state)]
  // `forbids` refuses this change.
  const refused: Change = { action: 'update', certainty: 'exact', reason: 'no release before the newest deployment', differences: [] }
  if (previous === undefined) return stays(state, context) ? undefined : refused
  if (live === previous && !isDamaged(state)) return undefined
  const reason = `rolls back to the previous release${isDamaged(state) ? `, ${DAMAGE[state.previous]}` : ''}`
  return { action: 'update', certainty: 'exact', reason, differences: [releaseDifference(live, previous)] }
}

const isWithoutPrevious = ({ which }: ReleaseSpec, state: ReleaseState): boolean =>
  which === 'previous' && previousOf(state) === undefined && planUnreached(state.current) === undefined

/** Whether the only deployment is live, and no other host has an earlier one: all hosts serve the same then. */
const stays = (state: ReleaseState, { members }: PlanContext): boolean => {
  const live = liveOf(state)
  const others = [...members().values()] as readonly ReleaseState[]
  return live !== undefined && state.history.at(-1) === live && others.every((other) => previousOf(other) === undefined)
}

const stayingText = ({ root }: ReleaseSpec): string =>
  `release ${root} is not rolled back: it was deployed once, so it has no earlier release; to change it, ${FIX_CONTENT}`

const noPrevious = ({ root }: ReleaseSpec, state: ReleaseState): HostRefusal =>
  new HostRefusal(
    `${root} cannot be rolled back`,
    state.history.length === 0
      ? 'it was never deployed to this host'
      : liveOf(state) === state.history.at(-1)
        ? 'it was deployed to this host once, and other hosts have an earlier release'
        : 'it was deployed to this host once, and that release is not live',
    FIX_CONTENT,
  )

type Damaged = Exclude<PreviousState, 'whole'>

const DAMAGE: Readonly<Record<Damaged, string>> = {
  changed: 'which was changed after its deployment',
  missing: 'which is no longer on the host',
}

const isDamaged = (state: ReleaseState): state is ReleaseState & { readonly previous: Damaged } =>
  state.previous === 'changed' || state.previous === 'missing'

/** The refusal of a rollback to a release that is not as it was deployed. */
const damagedPrevious = ({ root }: ReleaseSpec, state: ReleaseState): HostRefusal | undefined => {
  const previous = previousOf(state)
  if (previous === undefined || !isDamaged(state) || planUnreached(state.current) !== undefined) return undefined
  return new HostRefusal(
    `${root} cannot be rolled back to ${previous.slice(0, 12)}`,
    state.previous === 'changed' ? 'it was changed after its deployment' : 'it is no longer on the host',
    FIX_CONTENT,
  )
}

const FIX_CONTENT = 'restore the files in the project, and run the playbook of the site'

const releaseDifference = (from: string | undefined, to: string): Difference => ({
  key: 'release',
  ...(from !== undefined && { from: from.slice(0, 12) }),
  to: to.slice(0, 12),
})

const count = (files: number): string => (files === 1 ? '1 file' : `${files} files`)

/** `1 file new, 2 changed`; for the live release, what changed since its deployment. */
const describeDelta = ({ added, changed, removed, misdated }: ReleaseDelta, isLive: boolean): string => {
  const [isNew, isChanged, isGone] = isLive ? ['missing', 'damaged', 'unknown'] : ['new', 'changed', 'removed']
  const parts = [
    [added.length, isNew],
    [changed.length, isChanged],
    [removed.length, isGone],
    [misdated.length, 'with a different time'],
  ].filter(([some]) => some !== 0)
  return parts.map(([some, word], i) => `${i === 0 ? count(Number(some)) : some} ${word}`).join(', ')
}

const MAX_NAMES = 5

const namesIn = (delta: ReleaseDelta): readonly Difference[] =>
  (['added', 'changed', 'removed', 'misdated'] as const)
    .filter((key) => delta[key].length > 0)
    .map((key) => {
      const [names, more] = [delta[key].slice(0, MAX_NAMES).join(', '), delta[key].length - MAX_NAMES]
      return { key, to: more > 0 ? `${names} and ${more} more` : names }
    })

/** Limits of a diff: number of files, and bytes of each. */
const MAX_SHOWN_FILES = 8
const MAX_SHOWN_BYTES = 16_384

/** Paths to show: changed files first, then added and removed ones; none for a first release. */
const shownPaths = ({ spec, state }: ReleaseWork): readonly string[] => {
  if (state.current === ABSENT) return []
  const { added, changed, removed } = deltaOf(spec, state)
  return [...changed, ...added, ...removed].filter((path) => !path.endsWith('/')).slice(0, MAX_SHOWN_FILES)
}

/** Whether everybody on the host may read the file; others may have put private files there. */
const isReadable = ({ state }: ReleaseWork, path: string): boolean => {
  const member = state.tree.get(path)
  return member?.type === 'f' && (Number.parseInt(member.mode, 8) & 0o004) !== 0
}

const livePaths = (work: ReleaseWork): readonly string[] =>
  shownPaths(work)
    .filter((path) => isReadable(work, path))
    .map((path) => `${work.spec.root}/current/${path}`)

const textsOf = (work: ReleaseWork, path: string, old: Buffer | undefined): readonly DiffTexts[] => {
  const wanted = work.spec.files.find((file) => file.path === path)?.content
  if (work.state.tree.has(path) && !isReadable(work, path)) return []
  if ((old?.length ?? 0) >= MAX_SHOWN_BYTES || (wanted?.size ?? 0) >= MAX_SHOWN_BYTES) return []
  const [before, after] = [old ?? Buffer.alloc(0), wanted?.open() ?? Buffer.alloc(0)].map(asText)
  return before === undefined || after === undefined ? [] : [{ name: path, before, after }]
}
