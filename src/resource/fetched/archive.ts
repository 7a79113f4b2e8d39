import { ABSENT, planUnreached } from '../kind/inode.ts'
import { type Change, type Difference, defineKind, type PlanContext } from '../kind/kind.ts'
import { parentOf } from '../kind/path.ts'
import { inodeAt } from '../kind/queries.ts'
import { HostRefusal } from '../kind/step.ts'
import { applyArchives } from './archive-apply.ts'
import { type ArchiveSpec, type ArchiveState, keepsOthers, schema } from './archive-spec.ts'
import { differingNames, formerOf, manifestOf, readTrees, stagingOf, treesScript } from './manifest.ts'

/**
 * The content of an archive as a directory. It is unpacked beside the directory by an account without rights, checked, and exchanged with the
 * former version at once. What others made in the former version is moved into the new one, unless `delete` is set. A manifest on the host
 * shows later changes without reading content.
 */
export const archive = defineKind({
  name: 'archive',
  summary: 'unpacked archive from a URL or the project',
  schema,
  id: ({ path }) => path,

  observe: (specs: readonly ArchiveSpec[]) => ({
    shared: {
      inodes: specs.flatMap(({ path }) => [path, stagingOf(path), formerOf(path)]),
      guarded: specs.map(({ path }) => path),
    },
    script: treesScript(specs.map((spec) => ({ path: spec.path, onlyListed: keepsOthers(spec) }))),
    parse: (stdout, answers) => {
      const trees = readTrees(stdout)
      return new Map(
        specs.flatMap(({ path }): readonly [string, ArchiveState][] => {
          const tree = trees.get(path)
          const staged = [stagingOf(path), formerOf(path)].some((one) => inodeAt(answers, one) !== ABSENT)
          return tree === undefined ? [] : [[path, { inode: inodeAt(answers, path), tree, staged }]]
        }),
      )
    },
  }),

  plan: (spec, state) => planUnreached(state.inode) ?? (spec.state === 'absent' ? planAbsent(state) : planPresent(spec, state)),
  forbids: (spec, state, context) => refusalOf(spec, state, context),

  accounts: (spec) => (spec.state === 'absent' ? {} : { users: [spec.owner], groups: [spec.group] }),
  directories: ({ path }) => [parentOf(path)],
  effects: ({ path, state }) => [{ path, becomes: state === 'absent' ? 'absent' : { type: 'd' } }],
  contained: true,
  apply: applyArchives,
  orphan: { delete: 'tree' },
  files: ({ path, state }) => [{ path: manifestOf(path), sha256: state === 'absent' ? 'absent' : 'disk' }],
})

const planAbsent = ({ tree, staged }: ArchiveState): Change | undefined => {
  if (tree.is === 'absent' && !staged && tree.head === '') return undefined
  const reason = tree.is === 'absent' ? 'earlier deletion interrupted' : 'declared absent'
  return { action: 'delete', certainty: 'exact', reason, differences: [] }
}

const planPresent = (spec: ArchiveSpec, { tree, staged }: ArchiveState): Change | undefined => {
  const source: Difference = { key: 'content', to: sourceText(spec) }
  const base = { certainty: 'exact' as const, differences: [source] }
  // An empty directory may have been declared for its content.
  if (tree.is !== 'tree')
    return { ...base, action: tree.is === 'absent' ? 'create' : 'update', reason: tree.is === 'absent' ? 'missing' : 'empty' }
  const differences = [...namedEntries('changed', tree.differing - tree.unlisted, tree.names), ...deletedEntries(tree)]
  if (tree.head !== spec.head) return { ...base, action: 'update', reason: 'another version', differences: [source, ...differences] }
  if (differences.length > 0) return { ...base, action: 'update', reason: reasonOf(tree), differences }
  return staged ? { ...base, action: 'update', reason: 'earlier unpacking interrupted', differences: [] } : undefined
}

const reasonOf = ({ differing, unlisted }: ArchiveState['tree']): string =>
  [
    ...(differing > unlisted ? [`${entries(differing - unlisted)} changed since it was unpacked`] : []),
    ...(unlisted > 0 ? [`${entries(unlisted)} not in the archive`] : []),
  ].join(', ')

const entries = (count: number): string => (count === 1 ? '1 entry' : `${count} entries`)

/** Entries of others, which are only observed if they are deleted. */
const deletedEntries = ({ unlisted, unlistedNames }: ArchiveState['tree']): readonly Difference[] =>
  namedEntries('deletes', unlisted, unlistedNames)

const namedEntries = (key: string, count: number, names: readonly string[]): readonly Difference[] => {
  if (count === 0) return []
  const more = count - names.length
  return [{ key, to: `${names.join(', ')}${more > 0 ? ` and ${more} more` : ''}` }]
}

const sourceText = ({ url, sha256, content }: ArchiveSpec): string =>
  content === undefined ? `${url}, SHA-256 ${sha256}` : `${content.path}, SHA-256 ${sha256}`

/** Returns the refusal of a directory that provision did not unpack, or that others changed and that is declared absent. */
const refusalOf = ({ path, state }: ArchiveSpec, { tree, inode }: ArchiveState, { deletes }: PlanContext): HostRefusal | undefined => {
  if (planUnreached(inode) !== undefined || deletes?.(path) === true) return undefined
  if (tree.is === 'foreign' && tree.differing > 0)
    return new HostRefusal(
      `${path} was not unpacked by provision`,
      inode !== ABSENT && inode.type === 'd' ? 'it is a directory with content of others' : 'it is no directory',
      'declare another path, or move it away by hand',
    )
  if (state === 'absent' && tree.is === 'tree' && tree.differing > 0)
    return new HostRefusal(
      `${path} is not deleted`,
      `others changed it since it was unpacked: ${differingNames(tree).join(', ')}`,
      'delete it by hand, or restore it first with state: present and delete: true',
    )
  return undefined
}
