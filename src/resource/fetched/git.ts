import { firstNames } from '../../first-names.ts'
import { ABSENT, planUnreached, typeName } from '../kind/inode.ts'
import { type Change, type Difference, defineKind, type PlanContext } from '../kind/kind.ts'
import { HostRefusal } from '../kind/step.ts'
import { applyGit } from './git-apply.ts'
import { observeGit } from './git-observe.ts'
import { commitOf, type GitSpec, type GitState, headOf, schema } from './git-spec.ts'
import { manifestOf } from './manifest.ts'

/**
 * A checkout of a git repository. The plan has the commit: a branch or tag is resolved during the observation. git runs with the rights of the
 * account that owns the checkout. Local changes of tracked files are refused, and files that git does not track are left alone.
 */
export const git = defineKind({
  name: 'git',
  summary: 'checkout of a git repository',
  schema,
  id: ({ path }) => path,
  observe: observeGit,

  plan: (spec: GitSpec, state: GitState) => {
    const unreached = planUnreached(state.inode)
    if (unreached !== undefined) return unreached
    const commit = wantedOf(spec, state)
    const present = commitOf(state.tree)
    if (commit === undefined && present !== undefined && state.tree.is === 'tree' && !state.busy) return undefined
    const change = (action: Change['action'], reason: string, more: readonly Difference[] = []): Change => ({
      ...{ action, reason },
      certainty: commit !== undefined && state.installed ? 'exact' : 'dependent',
      differences: [commitDifference(spec, present, commit), ...more],
    })
    if (state.tree.is !== 'tree') return change('create', 'not checked out')
    if (state.busy) return change('update', 'earlier checkout interrupted')
    const changed = changedFiles(state)
    if (commit !== undefined && state.tree.head !== headOf(spec, commit))
      return change('update', present === commit ? 'another repository or account' : 'another commit', changed)
    return changed.length === 0 ? undefined : change('update', 'changed since the checkout', changed)
  },

  notices: (spec, { resolved, tree }) =>
    resolved !== undefined && 'why' in resolved && tree.is === 'tree'
      ? [`${spec.path} keeps its commit, because ${spec.ref} was not resolved: ${resolved.why.replaceAll('\n', ' ')}`]
      : [],
  forbids: (spec, state, context) => refusalOf(spec, state, context),

  accounts: ({ user }) => ({ users: [user] }),
  directories: ({ path }) => [path],
  effects: ({ path }) => [{ path, becomes: { type: 'd' } }],
  contained: true,
  apply: applyGit,
  orphan: { keep: 'it can hold work of others; delete it by hand' },
  files: ({ path }) => [{ path: manifestOf(path), sha256: 'disk' }],
})

/** The commit to check out; undefined if it is not known before the run. */
const wantedOf = (spec: GitSpec, { resolved }: GitState): string | undefined =>
  spec.commit ?? (resolved !== undefined && 'commit' in resolved ? resolved.commit : undefined)

const commitDifference = (spec: GitSpec, from: string | undefined, to: string | undefined): Difference => ({
  key: 'commit',
  ...(from !== undefined && from !== to && { from: from.slice(0, 12) }),
  to: `${to === undefined ? 'resolved in this run' : to.slice(0, 12)}${spec.commit === undefined ? ` (${spec.ref})` : ''} of ${spec.repository}`,
})

const changedFiles = ({ tree: { differing, names } }: GitState): readonly Difference[] => {
  if (differing === 0) return []
  const more = differing - names.length
  return [{ key: 'changed', to: more > 0 ? `${names.join(', ')} and ${more} more` : firstNames(names) }]
}

/** Returns the refusal of a directory that git cannot use, and of a first checkout whose branch the server does not name. */
const refusalOf = (spec: GitSpec, { inode, tree, resolved }: GitState, { changes }: PlanContext): HostRefusal | undefined => {
  if (planUnreached(inode) !== undefined) return undefined
  const { path, user } = spec
  const isDeclared = changes(`directory:${path}`)
  if (inode !== ABSENT && inode.type !== 'd' && !isDeclared)
    return new HostRefusal(
      `${path} is ${typeName(inode.type)}`,
      'a checkout is declared at this path',
      'correct the path, or move it away by hand',
    )
  if (inode !== ABSENT && inode.owner !== user && !isDeclared)
    return new HostRefusal(
      `${path} belongs to ${inode.owner}`,
      `git works there with the rights of ${user}`,
      `declare the directory ${path} with the owner ${user} before it`,
    )
  if (tree.is !== 'tree' && resolved !== undefined && 'why' in resolved)
    return new HostRefusal(
      `${spec.ref} of ${spec.repository} was not resolved`,
      resolved.why,
      'correct repository and ref, or the access of the host to the server',
    )
  return undefined
}
