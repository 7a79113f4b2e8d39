import type { Script } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'
import { removeTreeScript } from '../fetched/tree.ts'
import { chunks } from '../kind/chunks.ts'
import type { Work } from '../kind/kind.ts'
import { requireBatch } from '../kind/one-by-one.ts'
import { orphanPolicyOf } from '../kind/orphan-policy.ts'
import { parentOf } from '../kind/path.ts'
import { isTemplate } from '../kind/queries.ts'
import { STAMPS } from '../kind/stamp.ts'
import type { Steps } from '../kind/step.ts'
import { CHANGED, DIGEST, OBSERVED, walk } from '../kind/walk.ts'
import { SHARED_DIRECTORIES } from '../service/observe.ts'
import { type OrphanSpec, type OrphanState, placeOf, recordedUnit } from './observe.ts'
import { forgetLines } from './record.ts'

type OrphanWork = Work<OrphanSpec, OrphanState>

/** A record can list any number of resources, and each needs a program of some kilobytes. */
const AT_ONCE = 200

/** Deletes unchanged orphans, then their lines in the record. An interruption leaves a recorded but deleted resource, never the reverse. */
export function* applyOrphans(work: readonly OrphanWork[]): Steps {
  const done: string[] = []
  for (const some of chunks(work, AT_ONCE)) {
    yield* applySome(some, done)
    done.push(...some.map(({ id }) => id))
  }
}

function* applySome(work: readonly OrphanWork[], before: readonly string[]): Steps {
  const deleting = work.filter(({ change }) => change.action === 'delete')
  const script = [
    ...deleting.map(scriptOf),
    ...(deleting.some(isUnit) ? [sh`systemctl daemon-reload`] : []),
    ...work.flatMap(recordOf).map((record) => sh`rm -f -- ${record} || exit`),
    ...[...Map.groupBy(work, ({ spec }) => spec.role)].map(([role, ofRole]) =>
      forgetLines(
        role,
        ofRole.flatMap(({ spec: { owned, others = [] } }) => [owned, ...others].map(({ text }) => text)),
      ),
    ),
  ]
  const doing = deleting.length === 0 ? undefined : `deleting ${deleting.length === 1 ? deleting[0]?.id : `${deleting.length} orphans`}`
  const answer = yield { do: 'shell', script: sh`${script}`, ...(doing !== undefined && { doing }) }
  requireBatch(answer, work, {
    what: (id) => `${id ?? 'orphans'} not deleted`,
    before,
    fix: 'fix the problem that the host reports, then run again; what others changed was kept',
  })
}

/** The file with our record of a resource that leaves nothing else behind. */
const recordOf = ({ spec, id }: OrphanWork): readonly string[] => {
  const policy = orphanPolicyOf(spec.owned.key)
  return 'forget' in policy && policy.record !== undefined ? [policy.record(id)] : []
}

const isUnit = ({ spec }: OrphanWork): boolean => {
  const policy = orphanPolicyOf(spec.owned.key)
  return 'delete' in policy && policy.stops !== undefined
}

// The script checks the orphan again before it deletes it, and voids the stamps of services that load from its directory.
const scriptOf = (one: OrphanWork): Script => {
  const stopped = recordedUnit(one.spec.owned)
  if (stopped !== undefined) return sh`systemctl disable --now -q -- ${stopped} || exit`
  const place = placeOf(one.spec.owned) ?? ''
  if (one.state.tree !== undefined)
    return sh`( ${removeTreeScript({ path: one.id, inode: one.state.inode, tree: one.state.tree })}
) || exit`
  const isLastOfDropins = one.id.includes('.d/') && isUnit(one)
  const remove = (mode: 'check' | 'remove'): Script => sh`${walk(REMOVE, mode, one.id, ...removalOf(one, place))} "\${T-}" || exit`
  return sh`${isStopped(one) ? sh`${remove('check')}\n${stopScript(one)}` : sh``}
${remove('remove')}
${isLastOfDropins ? sh`rmdir --ignore-fail-on-non-empty -- ${parentOf(place)} 2>/dev/null` : sh``}
${stampsScript(parentOf(place))}`
}

/** Deletes the stamps of services that load files from this directory, so their reload is pending. */
const stampsScript = (directory: string): Script =>
  SHARED_DIRECTORIES.has(directory)
    ? sh``
    : sh`grep -lsZE -- ${`^[0-9a-z]+ [ *]?${directory.replace(/[^A-Za-z0-9/_-]/g, '\\$&')}/[^/]*$`} ${STAMPS}/* | xargs -0 -r rm -f --`

/** Arguments of the removal: type, path, and the recorded target of a link or digest of a file. */
const removalOf = ({ spec: { owned } }: OrphanWork, place: string): readonly string[] => {
  const policy = orphanPolicyOf(owned.key)
  if (!('delete' in policy)) throw new Error(`${owned.key} is never deleted`)
  return [policy.delete, place, policy.delete === 'link' ? (owned.digest?.slice(2) ?? '') : (owned.digest ?? '')]
}

/** Prints \`done\` or \`culprit\` with the identity of the orphan. With \`check\`, only compares it with what provision left. */
const REMOVE = `${DIGEST}${OBSERVED}
my ($mode, $id, $what, $path, $left, $scratch) = @ARGV;
my ($parent, $name) = parted($path);
$current = $id;
sub finish { $mode eq 'check' or done($id); exit 0 }
finish() if !enter($parent) && $held[2] eq 'does not exist';
reach($parent);
my @s = lstat $name or finish();
sub refuse { fail("$path was changed by somebody else" . ($other eq '' ? '' : " (owner: $other)"), ${CHANGED}) }
if ($what eq 'directory') { S_ISDIR($s[2]) or refuse() }
elsif ($what eq 'link') { S_ISLNK($s[2]) && readlink($name) eq $left or refuse() }
else {
  my $h;
  S_ISREG($s[2]) && sysopen($h, $name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK) && (@s = stat $h) && S_ISREG($s[2]) or refuse();
  digest_of($h) eq $left or refuse();
}
finish() if $mode eq 'check';
$what eq 'directory' ? rmdir $name : unlink $name or fail("$path cannot be removed: $!");
remember_deleted($path, $scratch);
to_disk('.');
finish();
`

/** Whether a unit is stopped before its file is deleted. Drop-ins are not. */
const isStopped = (one: OrphanWork): boolean => isUnit(one) && !one.id.includes('.d/')

const stopScript = ({ spec, id }: OrphanWork): Script => {
  const policy = orphanPolicyOf(spec.owned.key)
  // Its unit is generated from the file, and systemd disables no such unit.
  if ('delete' in policy && typeof policy.stops === 'function') return sh`systemctl stop -- ${policy.stops(id)} >/dev/null 2>&1`
  // Only the instances of a template run.
  const stop = isTemplate(id) ? sh`systemctl stop -- ${id.replace('@.', '@*.')} >/dev/null 2>&1; ` : sh``
  return sh`${stop}systemctl disable --now -- ${id} >/dev/null 2>&1`
}
