import type { Script } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'
import type { Work } from '../kind/kind.ts'
import { orphanPolicyOf } from '../kind/orphan-policy.ts'
import { parentOf } from '../kind/path.ts'
import { isTemplate } from '../kind/queries.ts'
import { STAMPS } from '../kind/stamp.ts'
import { requireSuccess, type Steps } from '../kind/step.ts'
import { DIGEST, walk } from '../kind/walk.ts'
import { SHARED_DIRECTORIES } from '../service/observe.ts'
import { type OrphanSpec, type OrphanState, placeOf, recordedUnit } from './observe.ts'
import { forgetLines } from './record.ts'

type OrphanWork = Work<OrphanSpec, OrphanState>

/** Deletes unchanged orphans, then their lines in the record. An interruption leaves a recorded but deleted resource, never the reverse. */
export function* applyOrphans(work: readonly OrphanWork[]): Steps {
  const deleting = work.filter(({ change }) => change.action === 'delete')
  const script = [
    ...deleting.map(scriptOf),
    ...(deleting.some(isUnit) ? [sh`systemctl daemon-reload`] : []),
    ...[...Map.groupBy(work, ({ spec }) => spec.role)].map(([role, ofRole]) =>
      forgetLines(
        role,
        ofRole.flatMap(({ spec: { owned, others = [] } }) => [owned, ...others].map(({ text }) => text)),
      ),
    ),
  ]
  const doing = deleting.length === 0 ? undefined : `deleting ${deleting.length === 1 ? deleting[0]?.id : `${deleting.length} orphans`}`
  requireSuccess(
    yield { do: 'shell', script: sh`${script}`, ...(doing !== undefined && { doing }) },
    'orphans not deleted',
    'fix the problem that the host reports, then run again; files that others changed were kept',
  )
}

const isUnit = ({ spec }: OrphanWork): boolean => {
  const policy = orphanPolicyOf(spec.owned.key)
  return 'delete' in policy && policy.stops === true
}

// The script checks the orphan again before it deletes it, and voids the stamps of services that load from its directory.
const scriptOf = (one: OrphanWork): Script => {
  const stopped = recordedUnit(one.spec.owned)
  if (stopped !== undefined) return sh`systemctl disable --now -q -- ${stopped} || exit`
  const place = placeOf(one.spec.owned) ?? ''
  const isLastOfDropins = one.id.includes('.d/') && isUnit(one)
  return sh`${unitScript(one)}
${walk(REMOVE, ...removalOf(one, place))} || exit
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

const REMOVE = `${DIGEST}
my ($what, $path, $left) = @ARGV;
my ($parent, $name) = parted($path);
exit 0 if !enter($parent) && $held[2] eq 'does not exist';
reach($parent);
my @s = lstat $name or exit 0;
sub changed { fail("$path was changed by somebody else" . ($other eq '' ? '' : " (owner: $other)")) }
if ($what eq 'directory') { rmdir $name or fail("$path cannot be removed: $!") }
elsif ($what eq 'link') { S_ISLNK($s[2]) && readlink($name) eq $left or changed(); unlink $name or fail("$path: $!") }
else {
  my $h;
  S_ISREG($s[2]) && sysopen($h, $name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK) && (@s = stat $h) && S_ISREG($s[2]) or changed();
  digest_of($h) eq $left or changed();
  unlink $name or fail("$path: $!");
}
to_disk('.');
`

/** Stops a unit before its file is deleted. */
const unitScript = (one: OrphanWork): Script => {
  if (!isUnit(one)) return sh``
  if (one.id.includes('.d/')) return sh``
  // Of a template, only the instances run.
  const stop = isTemplate(one.id) ? sh`systemctl stop -- ${one.id.replace('@.', '@*.')} >/dev/null 2>&1; ` : sh``
  return sh`${stop}systemctl disable --now -- ${one.id} >/dev/null 2>&1`
}
