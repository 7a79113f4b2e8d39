import { z } from 'zod'
import { sh } from '../../shell/sh.ts'
import { describeDifferences, differing } from '../kind/differences.ts'
import { ABSENT, type Inode, type InodeState, inodeWord, planAbsent, planUnreached, refuseUnreached, typeName } from '../kind/inode.ts'
import { defineKind, type KindQuery, type PlanContext } from '../kind/kind.ts'
import { requireBatch } from '../kind/one-by-one.ts'
import { absolutePath, fileMode, ownership, parentOf } from '../kind/path.ts'
import { inodeQuery } from '../kind/queries.ts'
import { HostRefusal } from '../kind/step.ts'
import { OBSERVED, UNSAFE, walk } from '../kind/walk.ts'
import { MORE, namesScript, namesText, readNames } from '../kind/walk-read.ts'
import { unreadableRules } from './sudoers.ts'
import { wrongType } from './wrong-type.ts'

const schema = z.strictObject({
  path: absolutePath,
  state: z.enum(['present', 'absent']).default('present'),
  mode: fileMode.default('755'),
  ...ownership,
})

/** `within`: names in a directory that is declared absent, up to a limit. */
type DirectoryState = typeof ABSENT | (Inode & { readonly within?: readonly string[] })

/** A directory with mode and owner. Its parent is a separate resource. Only an empty directory is deleted. */
export const directory = defineKind({
  name: 'directory',
  summary: 'directory with mode and owner',
  schema,
  id: ({ path }) => path,
  observe: (specs: readonly z.output<typeof schema>[]): KindQuery<DirectoryState> => {
    const inodes = inodeQuery(specs.map(({ path }) => path))
    const leaving = specs.flatMap(({ path, state }) => (state === 'absent' ? [path] : []))
    if (leaving.length === 0) return inodes
    return {
      ...inodes,
      script: namesScript(leaving),
      parse: (stdout, answers) => {
        const names = readNames(stdout.toString())
        const states: ReadonlyMap<string, InodeState> = inodes.parse(stdout, answers)
        return new Map(
          [...states].map(([path, state]) => [path, state === ABSENT ? state : { ...state, within: names.get(path) ?? [] }] as const),
        )
      },
    }
  },

  plan: (spec, state, context) => {
    const unreached = planUnreached(state)
    if (unreached !== undefined) return unreached
    const left = remaining(spec, state, context)
    if (left.length > 0)
      return { action: 'delete', certainty: 'dependent', reason: `declared absent, not empty: ${namesText(left)}`, differences: [] }
    if (spec.state === 'absent') return planAbsent(state, context.packagesPending)
    if (state === ABSENT) return { action: 'create', certainty: 'exact', reason: 'missing', differences: [] }
    const differences = [
      ...(state.type === 'd' ? [] : [{ key: 'type', from: typeName(state.type), to: 'a directory' }]),
      ...differing({ mode: spec.mode, owner: spec.owner, group: spec.group }, state),
    ]
    if (differences.length === 0) return undefined
    return { action: 'update', certainty: 'exact', reason: describeDifferences(differences), differences }
  },

  accounts: (spec) => (spec.state === 'absent' ? {} : { users: [spec.owner], groups: [spec.group] }),
  directories: ({ path }) => [parentOf(path)],
  effects: ({ path, state, mode, owner, group }) => [{ path, becomes: state === 'absent' ? 'absent' : { type: 'd', mode, owner, group } }],
  contained: true,
  forbids: (spec, state, context) =>
    unreadableRules(spec) ??
    wrongType(spec.path, state, { what: 'a directory', types: 'd', state: spec.state }, context) ??
    notEmpty(spec, state, context),
  orphan: { delete: 'directory' },
  *apply(work) {
    for (const { id, state } of work) refuseUnreached(id, state)
    const words = work.flatMap(({ spec: { path, state, mode, owner, group }, state: observed }) => [
      ...[path, state, mode, owner, group],
      inodeWord(observed),
    ])
    const answer = yield { do: 'shell', script: sh`${walk(DIRECTORIES, ...words)} "\${T-}"` }
    requireBatch(answer, work, { what: (id) => `${id ?? 'directories'} not changed` })
  },
})

/** Names in a directory that is declared absent, and that no earlier change of this run deletes. */
const remaining = (
  { path, state: declared }: z.output<typeof schema>,
  state: DirectoryState,
  { deletes }: PlanContext,
): readonly string[] =>
  declared === 'present' || state === ABSENT
    ? []
    : (state.within ?? []).filter((name) => name === MORE || deletes?.(`${path}/${name}`) !== true)

/**
 * Returns the refusal of a deletion that would fail. Undefined if an earlier change of this run may empty the directory, such as a package
 * or a command, and where another account decides what is in it: then only the deletion fails.
 */
const notEmpty = (spec: z.output<typeof schema>, state: DirectoryState, context: PlanContext): HostRefusal | undefined => {
  const left = remaining(spec, state, context)
  const { path } = spec
  if (state === ABSENT || left.length === 0 || context.mayBringMore === true) return undefined
  const isRoots = state.owner === 'root' && (Number.parseInt(state.mode, 8) & 0o022) === 0
  if (!isRoots || context.isRootsAlone?.(parentOf(path)) !== true) return undefined
  return new HostRefusal(
    `directory ${path} is not empty`,
    `it is declared absent, and has ${namesText(left)}`,
    'declare what is in it absent before it, or delete it by hand',
  )
}

/**
 * If another account controls the parent, it could have moved a foreign directory to this path. The owner then changes only for an empty
 * directory of root or a directory of that account.
 */
const DIRECTORIES = String.raw`${OBSERVED}
my %parents;
my $scratch = pop @ARGV;
while (@ARGV) {
  my ($path, $state, $mode, $owner, $group, $observed) = splice @ARGV, 0, 6;
  my ($parent, $name) = parted($path);
  $current = $path;
  if ($state eq 'absent') {
    if (!enter($parent) && $held[2] eq 'does not exist') { done($path); next }
    reach($parent);
    (inode_of($name))[0] eq 'absent' || is_as_observed($name, $observed, $scratch) or changed($path, $name);
    rmdir $name or $!{ENOENT} or fail("$path cannot be removed: $!" . owned($name));
    $parents{$parent} = 1; deleted($path, $scratch); next;
  }
  my ($uid, $gid) = (uid_of($owner), gid_of($group));
  reach($parent); $parents{$parent} = 1;
  my $is_as_observed = is_as_observed($name, $observed, $scratch);
  if ($is_as_observed) { mkdir $name, 0700 or $!{EEXIST} or fail("$path: $!") }
  my $h;
  sysopen($h, $name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK)
    or $is_as_observed ? fail("$path exists and is not a directory" . owned($name)) : changed($path, $name);
  my @s = stat $h;
  if ($s[4] == $uid && $s[5] == $gid && ($s[2] & 07777) == oct $mode) { done($path); next }
  $is_as_observed or changed($path, $name);
  if ($other ne '' && $s[4] != $other_uid) {
    my $controls = "$parent is controlled by $other";
    fail("$path belongs to " . account($s[4]) . ", and $controls, so another account may have moved it there", ${UNSAFE}) if $s[4] != 0;
    chdir $h; opendir(my $list, '.'); my @within = grep { !/^[.]{1,2}\z/ } readdir $list;
    fail("$path belongs to root and is not empty, and $controls, so another account may have moved it there", ${UNSAFE}) if @within;
  }
  chown($uid, $gid, $h) && chmod(oct $mode, $h) or fail("$path: $!");
  done($path);
}
for (keys %parents) { to_disk('.') if enter($_) }
`
