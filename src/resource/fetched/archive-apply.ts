import type { Script } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'
import { refuseUnreached } from '../kind/inode.ts'
import type { Work } from '../kind/kind.ts'
import { requireBatch } from '../kind/one-by-one.ts'
import { type Answer, HostRefusal, outputExcerpt, type ShellStep, type Step, type Steps } from '../kind/step.ts'
import { walk } from '../kind/walk.ts'
import { type ArchiveSpec, type ArchiveState, keepsOthers } from './archive-spec.ts'
import { CLASH, CLASH_AFTER } from './carry.ts'
import { FETCH_DIRECTORY, fetchInput, fetchScript, requireFetched } from './fetch.ts'
import { manifestOf, stagingOf } from './manifest.ts'
import { fetchStep } from './source.ts'
import { type PresentTree, prepareScript, removeTreeScript, replaceScript } from './tree.ts'
import { CHECK_UNPACKED, patternOf } from './unpacked.ts'
import { ZIP_TO_TAR } from './zip.ts'

type ArchiveWork = Work<ArchiveSpec, ArchiveState>

/** One request per archive: fetch or receive it, unpack it beside the directory, check it, and exchange both. */
export function* applyArchives(work: readonly ArchiveWork[]): Steps {
  const done: string[] = []
  for (const one of work) {
    refuseUnreached(one.id, one.state.inode, done)
    const what = one.spec.state === 'absent' ? `${one.id} not deleted` : `${one.id} not unpacked`
    const answer = yield* one.spec.state === 'absent' ? deletion(one) : unpacking(one, done)
    requireFetched(answer, what, { done, culprit: one.id })
    requireNoClash(answer, one, done)
    requireBatch(answer, [one], {
      ...{ what: () => what, before: done },
      fix: 'correct the archive or its options; nothing was changed, the former content is still there',
    })
    done.push(one.id)
  }
}

/** Throws a `HostRefusal` if entries of others cannot be in the new version. */
const requireNoClash = ({ code, stderr }: Answer, { id }: ArchiveWork, done: readonly string[]): void => {
  const refused = (what: string, fix: string): HostRefusal => new HostRefusal(what, outputExcerpt(stderr), fix, { done, culprit: id })
  if (code === CLASH)
    throw refused(
      `${id} not unpacked, because others have entries in it that the new version cannot keep`,
      'move these entries away, or exclude their paths from the archive, or delete all entries of others by delete: true; nothing was changed',
    )
  if (code === CLASH_AFTER)
    throw refused(
      `${id} has the new version, but not all entries of others`,
      'compare these entries with those in the former version, move one of both away, then run again; nothing was deleted',
    )
}

const presentOf = ({ id, spec, state }: ArchiveWork): PresentTree => ({
  ...{ path: id, inode: state.inode, tree: state.tree, keepsOthers: keepsOthers(spec) },
})

function* deletion(one: ArchiveWork): Generator<Step, Answer, Answer> {
  return yield { do: 'shell', script: removeTreeScript(presentOf(one)), doing: `deleting ${one.id}` }
}

function* unpacking(one: ArchiveWork, done: readonly string[]): Generator<Step, Answer, Answer> {
  const { spec } = one
  const step = (source: Script, input: Uint8Array): ShellStep => ({
    ...{ do: 'shell', input, doing: `unpacking ${one.id}`, withinMs: spec.withinMinutes * 60_000 },
    script: sh`${source}
${prepareScript(presentOf(one))}
${unpackScript(spec)}
${checkScript(spec)}
${replaceScript(presentOf(one), true)}`,
  })
  if (spec.content !== undefined) return yield step(RECEIVE, spec.content.open())
  if (spec.by === 'host') return yield step(sh`${fetchScript(spec)}\n${takeScript(spec)}`, fetchInput(spec))
  const fetched = yield fetchStep(spec)
  requireFetched(fetched, `${one.id} not unpacked`, { done, culprit: one.id })
  return yield step(RECEIVE, fetched.stdout)
}

/** Stores the archive from standard input, which the controller has verified. */
const RECEIVE = sh`set -u; umask 077
work=${FETCH_DIRECTORY}
rm -rf "$work" && mkdir -m 711 "$work" && cat >"$work/archive" || exit
trap 'rm -rf "$work"' EXIT`

/** Copies what apt stored, and compares the sum of the copy, which nobody else can change. */
const takeScript = ({ sha256 }: ArchiveSpec): Script => sh`
cat "$work/got/file" >"$work/archive" && rm -f "$work/got/file" || exit
[ "$(sha256sum <"$work/archive")" = ${`${sha256}  -`} ] || { echo 'the stored file has another sum' >&2; exit 1; }`

/**
 * User and group of the programs that read the archive. Debian assigns this number to nobody (policy 9.2.2), so they can change nothing but
 * the files that they create.
 */
const NOBODY = 65_533

/** Prints an archive as a tar archive. apt knows the compression by the name. */
const readerOf = (format: ArchiveSpec['format']): Script =>
  format === 'zip'
    ? sh`TZ=UTC as_nobody perl -e ${ZIP_TO_TAR} --`
    : sh`APT_CONFIG="$work/apt.conf" as_nobody /usr/lib/apt/apt-helper cat-file`

/**
 * Unpacks as `NOBODY`, who can create neither devices nor files elsewhere. apt decompresses, because a bare host lacks xz, bzip2 and zstd.
 * The limit holds for the stream, so also for the number of entries.
 */
const unpackScript = ({ format, strip, maxUnpackedBytes }: ArchiveSpec): Script => sh`
packed="$work/archive"${format.startsWith('tar.') ? sh`.${format.slice(4)}` : sh``}
[ "$packed" = "$work/archive" ] || mv -f "$work/archive" "$packed" || exit
printf '%s\\n' 'Dir::Etc::main "/dev/null"; Dir::Etc::parts "/dev/null";' >"$work/apt.conf" && chmod 644 "$work/apt.conf" || exit
chown ${NOBODY}:${NOBODY} "$packed" "$staging/tree" || exit
as_nobody() { setpriv --reuid=${NOBODY} --regid=${NOBODY} --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all "$@"; }
( cd "$staging/tree" && umask 022 && unset TAR_OPTIONS && {
  ${readerOf(format)} "$packed" </dev/null 2>"$work/reading" || echo "$?" >"$work/failed"
} | head -c ${maxUnpackedBytes} | {
  ulimit -f ${Math.ceil(maxUnpackedBytes / 512)}
  as_nobody tar -xpf - --no-same-owner --strip-components=${strip} --delay-directory-restore 2>"$work/unpacking" || echo "$?" >"$work/refused"
  exec cat >/dev/null
} )
if [ -s "$work/failed" ]; then
  case $(cat "$work/failed") in 141) echo ${`the unpacked content is larger than ${maxUnpackedBytes} bytes`} >&2 ;; *) cat "$work/reading" >&2 ;; esac
  exit 1
fi
[ ! -e "$work/refused" ] || { tail -n 5 "$work/unpacking" >&2; exit 1; }
! grep -s 'Removing leading' "$work/unpacking" >&2 || exit 1
rm -f "$packed"`

/** Checks what was unpacked, and writes its manifest. */
const checkScript = ({ path, owner, group, umask, maxUnpackedBytes, include, exclude, head }: ArchiveSpec): Script => {
  const patterns = [include, exclude].map((some) => some.map(patternOf).join('|'))
  const words = [owner, group, umask, String(maxUnpackedBytes), ...patterns]
  return sh`${walk(CHECK_UNPACKED, path, `${stagingOf(path)}/tree`, `${manifestOf(path)}.new`, head, ...words)} || exit
sync -f "$staging" || exit`
}
