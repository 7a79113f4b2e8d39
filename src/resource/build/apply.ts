import type { Script } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'
import { saveScript } from '../file/undo.ts'
import { inodeWord, refuseUnreached } from '../kind/inode.ts'
import type { Work } from '../kind/kind.ts'
import { requireAsObserved } from '../kind/one-by-one.ts'
import { type Answer, HostRefusal, type Steps } from '../kind/step.ts'
import { CHANGED, guardObserved, guardScript, walk } from '../kind/walk.ts'
import { RELEASES } from './observe.ts'
import { commandScript } from './run-command.ts'
import { type BuildSpec, type BuildState, identityOf, liveOf, previousOf } from './spec.ts'
import { COPY, FIND_RELEASE, RECORD } from './tree-programs.ts'

type BuildWork = Work<BuildSpec, BuildState>

/** Time for copying and comparing in minutes, in addition to that of the command. */
const MINUTES_BESIDE = 30

/** One request per program: build the release unless the host has it, and make it live. */
export function* applyBuilds(work: readonly BuildWork[]): Steps {
  const done: string[] = []
  for (const one of work) {
    refuseUnreached(one.id, one.state.current, done)
    const { spec, id } = one
    const isLatest = spec.which === 'latest'
    const answer = yield {
      do: 'shell',
      script: isLatest ? deployScript(one) : rollBackScript(one),
      doing: isLatest ? `building ${id}` : `rolling back ${id}`,
      withinMs: (spec.withinMinutes + MINUTES_BESIDE) * 60_000,
    }
    const what = isLatest ? `${id} not built` : `${id} not rolled back`
    requireBuilt(answer, what, { done, culprit: id }, isLatest ? FIX_BUILD : undefined)
    done.push(id)
  }
}

const FIX_BUILD = 'correct the source or the command of the build, then run again; the former release is still live'

interface Batch {
  readonly done: readonly string[]
  readonly culprit: string
}

const requireBuilt = (answer: Answer, what: string, batch: Batch, fix?: string): void => {
  try {
    requireAsObserved(answer, what, fix)
  } catch (error) {
    throw error instanceof HostRefusal ? new HostRefusal(error.what, error.why, error.fix, batch) : error
  }
}

/** Restores the releases that were live before, and restarts their services. */
export function* revertBuilds(work: readonly BuildWork[]): Steps {
  for (const one of work.toReversed()) {
    const { id, spec, state } = one
    const live = liveOf(state)
    if (live === undefined) continue
    const restart = spec.unit === undefined ? sh`` : sh`systemctl try-restart -- ${spec.unit}`
    const script = sh`${FUNCTIONS}
${guardScript([spec.root, `${spec.root}/releases`])}
set -eu; cd ${spec.root}
[ -f releases/${live}/manifest ] || { echo ${`release ${live} is no longer on the host`} >&2; exit 1; }
point ${live}
${restart}`
    requireBuilt(yield { do: 'shell', script, doing: `rolling back ${id}` }, `${id} not rolled back`, { done: [], culprit: id })
  }
}

/** `point NAME` replaces the link by one rename, so it exists at every moment. */
const FUNCTIONS = sh`
point() { rm -f .current.new; ln -s -- "releases/$1" .current.new; mv -fT .current.new current; sync .; }
is_built() { [ -f "releases/$1/manifest" ] && [ ! -L "releases/$1" ]; }`

const prepareScript = ({ spec: { root }, state }: BuildWork): Script => sh`${FUNCTIONS}
${guardObserved([root], [{ path: `${root}/current`, inode: inodeWord(state.current) }])}
set -eu; umask 022
cd ${root}
[ ! -L releases ] || { printf '%s/releases is a link, so its target may be used by others\\n' ${root} >&2; exit 1; }
mkdir -p releases
${guardScript([`${root}/releases`])}
was=$(readlink current) || was=
live=\${was#releases/}
case $live in *[!0-9a-fT-]*) live= ;; esac
forget_unfinished() {
  for name in releases/[0-9]*T[0-9]*-*; do
    name=\${name#releases/}
    [ ! -d "releases/$name" ] || is_built "$name" || [ "$name" = "$live" ] || rm -rf -- "releases/$name"
  done
}`

/**
 * The name of a release is new for each build: its virtual environments and caches can contain its path. Its manifest is written last, so a
 * release with a manifest is complete. The history is written before the switch, so it stays correct if a run is interrupted between the
 * two. It does not contain releases that were rolled back or rejected by their service.
 */
const deployScript = (one: BuildWork): Script => {
  const { spec, state } = one
  const { root, source, set, keep } = spec
  const known = source.head === undefined ? undefined : identityOf(spec, source.head)
  const isRepair = state.tree.differing > 0
  return sh`${prepareScript(one)}
${commandScript.stop(root)}
forget_unfinished
identity=$(${walk(IDENTITY, source.manifest, spec.recipe)}) || identity=
[ \${#identity} = 64 ] || { echo ${`the source ${source.path} is not complete`} >&2; exit 1; }
${known === undefined ? sh`` : sh`[ "$identity" = ${known} ] || { echo ${`the source ${source.path} is not as it was planned`} >&2; exit ${CHANGED}; }`}
name=$(${walk(FIND_RELEASE, root)} "$identity" ${isRepair ? sh`''` : sh`"$live"`})
if [ -z "$name" ]; then
  short=$(printf %.12s "$identity")
  until name=$(date -u +%Y%m%dT%H%M%S)-$short; mkdir "releases/$name" 2>/dev/null; do
    [ -d "releases/$name" ] || { mkdir "releases/$name" || exit 1; }
    sleep 0.3
  done
  ${COPY(spec)}
  ${commandScript.run(spec)}
  ${walk(RECORD, root)} "$name" "$identity" ${spec.user}
  sync -f "releases/$name"
fi
if [ "$name" != "$live" ]; then
  [ "$(readlink current || :)" = "$was" ] || { printf '%s/current is not as it was observed\\n' ${root} >&2; exit ${CHANGED}; }
  ${set === undefined ? sh`` : sh`( ${saveScript(set, [`${root}/current`])} )`}
  { [ -z "$live" ] || [ ! -d "releases/$live" ] || { sed "/^$live\\$/,\\$d" history 2>/dev/null | grep -vxF -e "$name" || :; printf '%s\\n' "$live"; }; printf '%s\\n' "$name"; } | tail -n ${keep} >.history.new
  sync .history.new; mv -f .history.new history
  point "$name"
  live=$name
fi
forget_unfinished
for name in releases/[0-9]*T[0-9]*-*; do
  name=\${name#releases/}
  [ -d "releases/$name" ] && [ "$name" != "$live" ] && ! grep -qxF -e "$name" history || continue
  rm -f -- "releases/$name/manifest"; rm -rf -- "releases/$name"
done`
}

const IDENTITY = `${RELEASES}
my ($manifest, $recipe) = @ARGV;
my $head = first_word($manifest);
exit 1 if $head eq '';
my $child = open(my $sum, '-|') // die "no program can be started: $!\\n";
if (!$child) { open(my $in, '|-', 'sha256sum') or exit 1; print {$in} "$head\\n$recipe\\n"; close $in or exit 1; exit 0 }
my $digest = <$sum> // '';
print substr $digest, 0, 64;
`

const rollBackScript = (one: BuildWork): Script => {
  const { spec, state } = one
  const previous = previousOf(state)
  if (previous === undefined)
    throw new HostRefusal(`${one.id} not rolled back`, 'it has no earlier release', 'restore the source in the project, and run again')
  return sh`${prepareScript(one)}
is_built ${previous} || { echo ${`release ${previous} is no longer on the host`} >&2; exit 1; }
${spec.set === undefined ? sh`` : sh`( ${saveScript(spec.set, [`${spec.root}/current`])} )`}
point ${previous}`
}
