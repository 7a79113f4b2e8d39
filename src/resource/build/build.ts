import { firstNames } from '../../first-names.ts'
import { differingNames } from '../fetched/manifest.ts'
import { ABSENT, planUnreached, typeName } from '../kind/inode.ts'
import { type Change, type Difference, defineKind, type PlanContext } from '../kind/kind.ts'
import { HostRefusal } from '../kind/step.ts'
import { applyBuilds, revertBuilds } from './apply.ts'
import { observeBuilds } from './observe.ts'
import { type BuildSpec, type BuildState, identityOf, liveIdentity, liveOf, previousOf, schema } from './spec.ts'

/**
 * A program that a host builds from its source code. Each release has its own directory, `ROOT/releases/NAME/app`, and goes live by one
 * rename: `ROOT/current` points to `releases/NAME`. The command of the build runs without the rights of root, in a sandbox, and an
 * interrupted build never goes live. Afterwards root owns the release, and a manifest shows later changes.
 */
export const build = defineKind({
  name: 'build',
  summary: 'release that a command builds on the host, in a sandbox',
  schema,
  id: ({ root }) => root,
  observe: observeBuilds,

  plan: (spec: BuildSpec, state: BuildState, context): Change | undefined =>
    planUnreached(state.current) ?? (spec.which === 'latest' ? planLatest(spec, state, context) : planPrevious(spec, state)),
  forbids: (spec, state) => (spec.which === 'latest' ? wrongType(spec, state) : withoutPrevious(spec, state)),

  accounts: ({ user }) => ({ users: [user] }),
  directories: ({ root }) => [root],
  effects: ({ root }) => [{ path: `${root}/current`, becomes: { type: 'l' } }],
  contained: true,
  orphan: { keep: 'releases of a program are never deleted automatically' },
  aspect: ({ root }) => ({ is: 'link', of: `${root}/current` }),
  apply: applyBuilds,
  revert: revertBuilds,
})

/** Identity of the release to build; undefined if an earlier change of this run decides it. */
const wantedOf = ({ source, ...spec }: BuildSpec, state: BuildState, { changes }: PlanContext): string | undefined => {
  const head = source.head ?? (changes(source.key) || state.head === '' ? undefined : state.head)
  return head === undefined ? undefined : identityOf(spec, head)
}

const planLatest = (spec: BuildSpec, state: BuildState, context: PlanContext): Change | undefined => {
  const { current, releases, tree, unfinished } = state
  const wanted = wantedOf(spec, state, context)
  const live = liveIdentity(state)
  const isLive = wanted !== undefined && wanted === live
  if (isLive && tree.differing === 0)
    return unfinished === 0
      ? undefined
      : { action: 'update', certainty: 'exact', reason: 'earlier build interrupted', differences: [], unfinished: true }
  const isKept = !isLive && releases.some(({ identity }) => identity === wanted)
  const change = isLive ? `changed since it was built: ${firstNames(differingNames(tree))}` : 'another version'
  return {
    action: current === ABSENT ? 'create' : 'update',
    certainty: isKept || (spec.command === undefined && wanted !== undefined && !context.changes(spec.source.key)) ? 'exact' : 'dependent',
    reason: `${current === ABSENT ? 'missing' : change}${isKept ? ', which was built before' : ''}`,
    differences: [
      releaseDifference(live, wanted?.slice(0, 12) ?? 'built in this run'),
      { key: 'source', to: spec.source.path },
      ...(spec.command === undefined || isKept ? [] : [commandDifference(spec.command)]),
    ],
  }
}

/** The first line of the command: the result of a build is known after it. */
const commandDifference = (command: string): Difference => {
  const [first = '', ...more] = command.trim().split('\n')
  return { key: 'built by', to: more.length === 0 ? first : `${first} …` }
}

const releaseDifference = (from: string | undefined, to: string): Difference => ({
  key: 'release',
  ...(from !== undefined && from.slice(0, 12) !== to && { from: from.slice(0, 12) }),
  to,
})

const planPrevious = (spec: BuildSpec, state: BuildState): Change | undefined => {
  const previous = previousOf(state)
  // `forbids` refuses this change.
  if (previous === undefined) return isFirst(state) ? undefined : rollback(state, 'none')
  if (liveOf(state) === previous && withoutPrevious(spec, state) === undefined) return undefined
  return rollback(state, state.releases.find(({ name }) => name === previous)?.identity ?? previous)
}

const rollback = (state: BuildState, to: string): Change => ({
  action: 'update',
  certainty: 'exact',
  reason: 'rolls back to the previous release',
  differences: [releaseDifference(liveIdentity(state), to.slice(0, 12))],
})

/** Whether the only deployment is live. */
const isFirst = (state: BuildState): boolean => state.history.length === 1 && liveOf(state) === state.history[0]

const wrongType = ({ root }: BuildSpec, { current }: BuildState): HostRefusal | undefined =>
  current === ABSENT || current.type === 'l' || planUnreached(current) !== undefined
    ? undefined
    : new HostRefusal(`${root}/current is ${typeName(current.type)}`, 'the live release is a link at this path', 'move it away by hand')

const withoutPrevious = (spec: BuildSpec, state: BuildState): HostRefusal | undefined => {
  if (planUnreached(state.current) !== undefined || isFirst(state)) return undefined
  const previous = previousOf(state)
  const fix = 'restore the source in the project, and run the playbook of the site'
  if (previous === undefined) return new HostRefusal(`${spec.root} cannot be rolled back`, 'it has no earlier release', fix)
  const kept = state.releases.some(({ name }) => name === previous)
  if (kept && state.tree.is === 'tree' && state.tree.differing === 0) return undefined
  return new HostRefusal(
    `${spec.root} cannot be rolled back to ${previous}`,
    kept ? 'it was changed since it was built' : 'it is no longer on the host',
    fix,
  )
}
