import type { Script } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'
import { filesAsInput, type PlacedFile, placeScript, wordsOf } from '../file/place.ts'
import { asContent, type LocalFile } from '../kind/content.ts'
import { ABSENT, refuseUnreached } from '../kind/inode.ts'
import type { Work } from '../kind/kind.ts'
import { requireBatch } from '../kind/one-by-one.ts'
import type { Answer, Step, Steps } from '../kind/step.ts'
import { CHANGED, OBSERVED, walk } from '../kind/walk.ts'
import type { DownloadSpec, DownloadState } from './download-spec.ts'
import { FETCH_DIRECTORY, fetchInput, fetchScript, requireFetched } from './fetch.ts'
import { fetchStep } from './source.ts'

type DownloadWork = Work<DownloadSpec, DownloadState>

/** One request per file: the host fetches, compares the sum, and puts the file in place as the kind `file` does. */
export function* applyDownloads(work: readonly DownloadWork[]): Steps {
  const done: string[] = []
  for (const one of work) {
    refuseUnreached(one.id, one.state, done)
    const answer = yield* isContentRight(one)
      ? placeAgain(one)
      : one.spec.state === 'absent' || one.spec.by === 'controller'
        ? place(one, done)
        : fetchAndPlace(one)
    const what = `${one.id} not written`
    requireFetched(answer, what, { done, culprit: one.id })
    requireBatch(answer, [one], { what: () => what, before: done })
    done.push(one.id)
  }
}

/** Whether only mode or owner differ. */
const isContentRight = ({ spec, state }: DownloadWork): boolean =>
  spec.state === 'present' && state !== ABSENT && state.type === 'f' && state.sha256 === spec.sha256

function* place(one: DownloadWork, done: readonly string[]): Generator<Step, Answer, Answer> {
  const { spec } = one
  let bytes: Uint8Array = Buffer.alloc(0)
  if (spec.state === 'present') {
    const fetched = yield fetchStep(spec)
    requireFetched(fetched, `${one.id} not written`, { done, culprit: one.id })
    bytes = fetched.stdout
  }
  const content: LocalFile = { type: 'local', path: spec.url, sha256: spec.sha256, size: bytes.length, open: () => bytes }
  return yield {
    do: 'shell',
    script: sh`${PREPARE}\n${placeScript({ alone: false })}`,
    input: filesAsInput([{ ...placed(one), content: spec.state === 'present' ? content : asContent('') }]),
    doing: `writing ${one.id}`,
  }
}

/** Replaces the file by a copy with another mode or owner, so the path never has rights of both, and another name of the file keeps its own. */
function* placeAgain(one: DownloadWork): Generator<Step, Answer, Answer> {
  const otherwise = sh`echo ${`${one.id} is not as it was observed`} >&2; exit ${CHANGED}`
  return yield {
    do: 'shell',
    script: sh`${PREPARE}
${copyScript(one)}
${placeStored(one, otherwise)}`,
    doing: `writing ${one.id}`,
  }
}

function* fetchAndPlace(one: DownloadWork): Generator<Step, Answer, Answer> {
  const { spec } = one
  return yield {
    do: 'shell',
    script: sh`${PREPARE}
${fetchScript(spec)}
${placeStored(one, sh`echo 'the stored file has another sum' >&2; exit 1`)}`,
    input: fetchInput(spec),
    doing: `fetching ${spec.url}`,
    withinMs: spec.withinMinutes * 60_000,
  }
}

const PREPARE = sh`set -u; mkdir -p -m 700 /var/lib/provision || exit`

/** Copies the present file to `$work/got/file`. */
const copyScript = ({ spec: { path, maxBytes } }: DownloadWork): Script => sh`set -u; umask 077
work=${FETCH_DIRECTORY}
rm -rf "$work" && mkdir -m 711 "$work" && mkdir "$work/got" || exit
trap 'rm -rf "$work"' EXIT
${walk(COPY, path, String(maxBytes))} "$work/got/file" || exit`

const COPY = `${OBSERVED}
my ($path, $at_most, $to) = @ARGV;
$current = $path;
my ($dir, $name) = parted($path);
reach($dir);
my ($from, $copy);
sysopen($from, $name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK) && S_ISREG((stat $from)[2]) && -s $from <= $at_most or changed($path, $name);
my $left = -s $from;
open $copy, '>', $to or fail("$to: $!");
while ($left > 0) {
  my $n = read $from, my $part, $left < 1048576 ? $left : 1048576;
  last unless $n && print $copy $part;
  $left -= $n;
}
close $copy or fail("$to: $!");
`

/**
 * Writes the input of `placeScript`, and compares the sum of the bytes in it: nobody else can change this copy. Then puts the file in place.
 * @param otherwise - ends the script if the sum is another one
 */
const placeStored = (one: DownloadWork, otherwise: Script): Script => sh`
size=$(stat -c %s -- "$work/got/file") && printf '%s\\0' ${wordsOf(placed(one), one.spec.sha256)} "$size" >"$work/input" && cat "$work/got/file" >>"$work/input" || exit
[ "$(tail -c "$size" -- "$work/input" | sha256sum)" = ${`${one.spec.sha256}  -`} ] || { ${otherwise}; }
rm -f "$work/got/file"
( ${placeScript({ alone: false })}
) <"$work/input"`

const placed = ({ spec, state }: DownloadWork): PlacedFile => ({
  ...spec,
  content: asContent(''),
  inode: state,
  ...(state !== ABSENT && state.type === 'f' && state.sha256 !== undefined && { observed: state.sha256 }),
})
