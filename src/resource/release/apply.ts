import type { Script } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'
import { sha256Hex } from '../kind/content.ts'
import { inodeWord, refuseUnreached } from '../kind/inode.ts'
import type { Work } from '../kind/kind.ts'
import { requireAsObserved } from '../kind/one-by-one.ts'
import { HostRefusal, type Steps } from '../kind/step.ts'
import { type Member, tar } from '../kind/tar.ts'
import { CHANGED, guardObserved, guardScript } from '../kind/walk.ts'
import { deltaOf, liveOf, modifiedOf, previousOf, type ReleaseState } from './observe.ts'
import type { ReleaseSpec } from './spec.ts'

type ReleaseWork = Work<ReleaseSpec, ReleaseState>

/** One request per release: upload missing files and activate it, or roll back to the previous one. */
export function* applyReleases(work: readonly ReleaseWork[]): Steps {
  const done: string[] = []
  for (const one of work) {
    refuseUnreached(one.id, one.state.current, done)
    try {
      yield* one.spec.which === 'latest' ? deploy(one) : rollBack(one)
    } catch (error) {
      throw error instanceof HostRefusal ? new HostRefusal(error.what, error.why, error.fix, { done, culprit: one.id }) : error
    }
    done.push(one.id)
  }
}

/** Activates the releases that were live before, if the host still has them. */
export function* revertReleases(work: readonly ReleaseWork[]): Steps {
  for (const { id, spec, state } of work.toReversed()) {
    const live = liveOf(state)
    if (live === undefined) continue
    const made = spec.which === 'latest' ? spec.digest : previousOf(state)
    const lock = lockScript(spec.root, { observed: linkTo(made), wanted: linkTo(live) })
    const script = sh`${lock}\n[ ! -d releases/${live} ] || point releases/${live}`
    requireAsObserved(yield { do: 'shell', script, doing: `rolling back ${id}` }, `${id} not rolled back`)
  }
}

function* deploy({ id, spec, state }: ReleaseWork): Steps {
  const { same } = deltaOf(spec, state)
  const linked = new Set(same)
  const fresh = spec.files.filter(({ path }) => !linked.has(path))
  const input = tar([
    member('links', Buffer.from(same.map((path) => `${path}\0`).join(''))),
    member('sums', Buffer.from(spec.sums)),
    ...fresh.map(({ path, content }) => ({ ...member(`files/${path}`, content.open()), modified: modifiedOf(content) })),
  ])
  const lock = lockScript(spec.root, { observed: inodeWord(state.current), wanted: linkTo(spec.digest) })
  const repair = liveOf(state) === spec.digest ? compareTreeScript(spec, state) : sh``
  const script = sh`${lock}\n${stageScript}\n${repair}\n${activateScript(spec)}\n${pruneScript(spec.keep)}`
  const answer = yield {
    do: 'shell',
    script,
    input,
    doing: `deploying ${fresh.length === 1 ? '1 file' : `${fresh.length} files`} to ${id}`,
  }
  requireAsObserved(
    answer,
    `${id} not deployed`,
    'fix the problem that the host reports, then run again; the previous release is still live',
  )
}

function* rollBack({ id, spec, state }: ReleaseWork): Steps {
  const previous = previousOf(state)
  if (previous === undefined)
    throw new HostRefusal(
      `${id} not rolled back`,
      'the newest deployment has no predecessor, or the predecessor is no longer on the host',
      'restore the files in the project, and run the playbook of the site',
    )
  const script = sh`${lockScript(spec.root, { observed: inodeWord(state.current), wanted: linkTo(previous) })}
[ -d releases/${previous} ] || { echo 'it is no longer on the host' >&2; exit 1; }
( cd releases/${previous}; [ "$(sha256sum <../${previous}.sums)" = ${`${previous}  -`} ] || exit 1; ${verifySums(`../${previous}.sums`)} ) ||
  { echo 'it was changed after its deployment' >&2; exit 1; }
point releases/${previous}`
  requireAsObserved(
    yield { do: 'shell', script, doing: `rolling back to ${previous.slice(0, 12)}` },
    `${id} not rolled back to ${previous.slice(0, 12)}`,
    'deploy it from the project again',
  )
}

// `tar` warns of files from 1970.
const member = (name: string, bytes: Uint8Array): Member => ({ name, mode: '644', owner: 'root', group: 'root', bytes, modified: 1e9 })

/**
 * Unfinished work is in `releases/.new`, which the next run clears. A new link is created there and renamed over
 * `current`, so the link exists at every moment. In a directory with the set-group-ID bit, everything would inherit the bit and the group,
 * so `.new` gets neither; five digits of a mode clear the bit. The link is compared with what was observed. Another release that somebody
 * made live by hand stays so.
 */
const lockScript = (root: string, current: { readonly observed: string; readonly wanted: string }): Script => sh`
${guardObserved([root], [{ path: `${root}/current`, inode: current.observed, wanted: current.wanted }])}
set -eu; umask 022
cd ${root}
[ ! -e current ] || [ -L current ] || { printf '%s/current exists and is not a link\\n' ${root} >&2; exit 1; }
live=$(readlink current) || live=
[ ! -L releases ] || { printf '%s/releases is a link, so its target may be used by others\\n' ${root} >&2; exit 1; }
mkdir -p releases
${guardScript([`${root}/releases`])}
rm -rf releases/.new; mkdir releases/.new; chgrp 0 releases/.new; chmod 00755 releases/.new; trap 'rm -rf releases/.new' EXIT
[ "$live" = releases/.mended ] || rm -rf releases/.mended
point() { ln -s -- "$1" releases/.new/current; mv -fT releases/.new/current current; sync .; }`

const linkTo = (digest: string | undefined): string => (digest === undefined ? '' : `l releases/${digest}`)

/**
 * Compares all entries of the live release before they are replaced by whole ones. An edit changes a time, so no content is read. A
 * deployment replaces nothing: the release before it stays as it is, and a file that both have is verified by its digest. A name that is
 * not UTF-8 was not observed exactly, so the entries cannot be compared then. No other kind writes in a release.
 */
const compareTreeScript = ({ root }: ReleaseSpec, { tree }: ReleaseState): Script => {
  const entries = [...tree].filter(([path]) => path !== '')
  if (entries.some(([path]) => path.includes('\uFFFD'))) return sh``
  const lines = entries.map(([path, { type, mode, owner, modified = 0 }]) => {
    const time = `${Math.floor(modified / 1e6)}.${String(modified % 1e6).padStart(6, '0')}`
    return Buffer.from(`${path} ${type} ${mode} ${owner} ${time}\0`)
  })
  const listing = Buffer.concat(lines.sort(Buffer.compare))
  return sh`now=$(find "$live"/ -mindepth 1 -printf '%P %y %m %U:%G %T@\\0' \\( ! -type d -o -uid 0 -o -prune \\) | sed -z 's/\\(\\.[0-9]\\{6\\}\\)[0-9]*$/\\1/' | LC_ALL=C sort -z | sha256sum)
[ "$now" = ${`${sha256Hex(listing)}  -`} ] || { echo ${`${root}/current is not as it was observed`} >&2; exit ${CHANGED}; }`
}

/** Stages the release: hard links to live files, and uploaded files; verified by digest and flushed to disk. */
const stageScript = sh`
tar -xpf - -C releases/.new
mkdir -p releases/.new/files
[ ! -s releases/.new/links ] || ( cd "$live"/; xargs -0 cp -lP --parents -t ../.new/files -- ) <releases/.new/links
find releases/.new/files -type d ! -perm 755 -exec chmod 00755 {} +
( cd releases/.new/files; ${verifySums('../sums')} )
sync -f releases/.new`

function verifySums(sums: string): Script {
  return sh`[ ! -s ${sums} ] || sha256sum -c --quiet --strict ${sums} >&2`
}

/**
 * Activates the staged release, unless another one was made live during the upload. A damaged live release is replaced while a copy of links
 * is live. The history is written before the switch, so it stays correct if a run is interrupted between the two.
 */
const activateScript = ({ root, digest, keep }: ReleaseSpec): Script => sh`
[ "$(readlink current)" = "$live" ] || { printf '%s/current is not as it was observed\\n' ${root} >&2; exit ${CHANGED}; }
if [ "$live" = releases/${digest} ]; then cp -alT releases/.new/files releases/.mended; point releases/.mended; fi
rm -rf releases/${digest}
mv -f releases/.new/sums releases/${digest}.sums
mv -T releases/.new/files releases/${digest}
sync releases
was=\${live#releases/}
case $was in *[!0-9a-f]*|'') was=${digest} ;; esac
if [ "$was" != ${digest} ] || ! grep -qsxF ${digest} history; then
  { grep -svxF -e ${digest} -e "$was" history || :; [ "$was" = ${digest} ] || printf '%s\\n' "$was"; echo ${digest}; } | tail -n ${keep} >releases/.new/history
  sync releases/.new/history; mv -f releases/.new/history history
fi
point releases/${digest}
rm -rf releases/.mended`

/**
 * Deletes old releases, only those that provision created: their name is the digest of the list beside them. The list is deleted last, so
 * the next run finishes an interrupted deletion.
 */
const pruneScript = (keep: number): Script => sh`
for sums in releases/*.sums; do
  name=\${sums#releases/}; name=\${name%.sums}
  case $name in *[!0-9a-f]*) continue ;; esac
  [ "$(readlink current)" != "releases/$name" ] || continue
  ! tail -n ${keep} history | grep -qxF -- "$name" || continue
  [ "$(sha256sum <"$sums")" = "$name  -" ] || continue
  rm -rf -- "releases/$name"; rm -f -- "$sums"
done`
