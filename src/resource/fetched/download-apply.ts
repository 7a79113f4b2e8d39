import type { Script } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'
import { filesAsInput, type PlacedFile, placeScript, wordsOf } from '../file/place.ts'
import { asContent, type LocalFile } from '../kind/content.ts'
import { ABSENT, refuseUnreached } from '../kind/inode.ts'
import type { Work } from '../kind/kind.ts'
import { requireBatch } from '../kind/one-by-one.ts'
import type { Answer, Step, Steps } from '../kind/step.ts'
import type { DownloadSpec, DownloadState } from './download-spec.ts'
import { fetchInput, fetchScript, requireFetched } from './fetch.ts'
import { fetchStep } from './source.ts'

type DownloadWork = Work<DownloadSpec, DownloadState>

/** One request per file: the host fetches, compares the sum, and puts the file in place as the kind `file` does. */
export function* applyDownloads(work: readonly DownloadWork[]): Steps {
  const done: string[] = []
  for (const one of work) {
    refuseUnreached(one.id, one.state, done)
    const answer = yield* one.spec.state === 'absent' || one.spec.by === 'controller' ? place(one, done) : fetchAndPlace(one)
    const what = `${one.id} not written`
    requireFetched(answer, what, { done, culprit: one.id })
    requireBatch(answer, [one], { what: () => what, before: done })
    done.push(one.id)
  }
}

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

function* fetchAndPlace(one: DownloadWork): Generator<Step, Answer, Answer> {
  const { spec } = one
  return yield {
    do: 'shell',
    script: sh`${PREPARE}
${fetchScript(spec)}
${inputScript(one)}
( ${placeScript({ alone: false })}
) <"$work/input"`,
    input: fetchInput(spec),
    doing: `fetching ${spec.url}`,
    withinMs: spec.withinMinutes * 60_000,
  }
}

const PREPARE = sh`set -u; mkdir -p -m 700 /var/lib/provision || exit`

/** Writes the input of `placeScript`, and compares the sum of the bytes in it: nobody else can change this copy. */
const inputScript = (one: DownloadWork): Script => sh`
size=$(stat -c %s -- "$work/got/file") && printf '%s\\0' ${wordsOf(placed(one), one.spec.sha256)} "$size" >"$work/input" && cat "$work/got/file" >>"$work/input" || exit
[ "$(tail -c "$size" -- "$work/input" | sha256sum)" = ${`${one.spec.sha256}  -`} ] || { echo 'the stored file has another sum' >&2; exit 1; }
rm -f "$work/got/file"`

const placed = ({ spec, state }: DownloadWork): PlacedFile => ({
  ...spec,
  content: asContent(''),
  inode: state,
  ...(state !== ABSENT && state.type === 'f' && state.sha256 !== undefined && { observed: state.sha256 }),
})
