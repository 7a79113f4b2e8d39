import { z } from 'zod'
import { sh } from '../../shell/sh.ts'
import { describeDifferences, differing } from '../kind/differences.ts'
import { ABSENT, type InodeState, inodeWord, planUnreached, refuseUnreached, typeName } from '../kind/inode.ts'
import { defineKind, type PlanContext } from '../kind/kind.ts'
import { requireBatch } from '../kind/one-by-one.ts'
import { absolutePath, accountName, fileMode, parentOf } from '../kind/path.ts'
import { inodeQuery } from '../kind/queries.ts'
import { HostRefusal } from '../kind/step.ts'
import { OBSERVED, UNSAFE, walk } from '../kind/walk.ts'
import { staysThere } from './wrong-type.ts'

const schema = z
  .strictObject({
    path: absolutePath.meta({ examples: ['/etc/shop/license.key'] }),
    mode: fileMode.optional(),
    owner: accountName.optional(),
    group: accountName.optional(),
  })
  .refine(({ mode, owner, group }) => mode !== undefined || owner !== undefined || group !== undefined, {
    message: 'must be set, or owner, or group',
    path: ['mode'],
  })

type PermissionsSpec = z.output<typeof schema>

/** Mode and owner of a file or directory that something else makes, such as a package or a service. Its content does not matter. */
export const permissions = defineKind({
  name: 'permissions',
  summary: 'mode and owner of a path that something else creates',
  schema,
  id: ({ path }) => path,
  observe: (specs: readonly PermissionsSpec[]) => inodeQuery(specs.map(({ path }) => path)),

  plan: ({ path: _, ...wanted }, state: InodeState) => {
    const unreached = planUnreached(state)
    if (unreached !== undefined) return unreached
    if (state === ABSENT || !'fd'.includes(state.type)) {
      const reason = `${state === ABSENT ? 'missing' : typeName(state.type)}, an earlier change may create it`
      return { action: 'update', certainty: 'dependent', reason, differences: differing(wanted, {}) }
    }
    const differences = differing(wanted, state)
    return differences.length === 0
      ? undefined
      : { action: 'update', certainty: 'exact', reason: describeDifferences(differences), differences }
  },

  accounts: ({ owner, group }) => ({
    ...(owner !== undefined && { users: [owner] }),
    ...(group !== undefined && { groups: [group] }),
  }),
  directories: ({ path }) => [parentOf(path)],
  effects: ({ path, ...becomes }) => [{ path, becomes }],
  contained: true,
  forbids: ({ path }, state, context) => missing(path, state, context) ?? neither(path, state, context),

  *apply(work) {
    for (const { id, state } of work) refuseUnreached(id, state)
    const words = work.flatMap(({ spec: { path, mode = '', owner = '', group = '' }, state }) => [
      ...[path, mode, owner, group],
      inodeWord(state),
    ])
    const answer = yield { do: 'shell', script: sh`${walk(PERMISSIONS, ...words)} "\${T-}"` }
    requireBatch(answer, work, { what: (id) => `${id ?? 'permissions'} not changed` })
  },

  orphan: { keep: 'what is at this path keeps its mode and owner' },
  aspect: ({ path }) => ({ is: 'permissions', of: path }),
})

const missing = (path: string, state: InodeState, context: PlanContext): HostRefusal | undefined =>
  state !== ABSENT || context.mayBringMore === true || context.changesBelow?.(parentOf(path)) === true
    ? undefined
    : new HostRefusal(
        `${path} does not exist`,
        'its permissions are declared, and nothing before them creates it',
        'declare before it what creates it, correct the path, or declare a `file` or `directory` there',
      )

/** The refusal of a link or a special file. Undefined where an earlier change replaces it, and where another account decides what is there. */
const neither = (path: string, state: InodeState, context: PlanContext): HostRefusal | undefined =>
  state === ABSENT || 'fd'.includes(state.type) || !staysThere(path, state, context)
    ? undefined
    : new HostRefusal(
        `${path} is ${typeName(state.type)}`,
        'permissions are those of a file or a directory',
        state.type === 'l' ? `declare them for ${state.target}, where it leads` : 'correct the path',
      )

/**
 * Changes what is open, so nobody can replace it meanwhile. Where another account controls the directory, a second name could be that of
 * a foreign file, and a directory or a file of a third account could have been moved there.
 */
const PERMISSIONS = `${OBSERVED}
my %parents;
my $scratch = pop @ARGV;
while (@ARGV) {
  my ($path, $mode, $owner, $group, $observed) = splice @ARGV, 0, 5;
  my ($parent, $name) = parted($path);
  $current = $path;
  reach($parent);
  my $is_as_observed = is_as_observed($name, $observed, $scratch);
  my $h;
  lstat $name or fail("$path does not exist; declare before it what creates it");
  sysopen($h, $name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK) or fail("$path cannot be opened: $!" . owned($name));
  my @s = stat $h;
  S_ISREG($s[2]) || S_ISDIR($s[2]) or fail("$path is neither a file nor a directory" . owned($name));
  my ($uid, $gid) = ($owner eq '' ? $s[4] : uid_of($owner), $group eq '' ? $s[5] : gid_of($group));
  my $bits = $mode eq '' ? $s[2] & 07777 : oct $mode;
  if ($s[4] == $uid && $s[5] == $gid && ($s[2] & 07777) == $bits) { done($path); next }
  $is_as_observed or changed($path, $name);
  if ($other ne '') {
    my $controls = "$parent is controlled by $other";
    fail("$path belongs to " . account($s[4]) . ", and $controls, so another account may have moved it there", ${UNSAFE}) if $s[4] != $other_uid;
    fail("$path has more than one name, and $controls", ${UNSAFE}) if S_ISREG($s[2]) && $s[3] != 1;
  }
  # No account has rights in between that it has neither before nor afterwards.
  chmod($s[2] & $bits & 07777, $h) && chown($uid, $gid, $h) && chmod($bits, $h) && $h->sync or fail("$path: $!");
  $parents{$parent} = 1; done($path);
}
for (keys %parents) { to_disk('.') if enter($_) }
`
