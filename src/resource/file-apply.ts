import { quote } from '../quote.ts'
import { bytesOf, sha256Of } from './content.ts'
import type { FileSpec, SeenFile } from './file.ts'
import { ABSENT, typeName } from './inode.ts'
import type { Work } from './kind.ts'
import { baseOf, parentOf } from './path.ts'
import { Refused, type Steps, succeeded } from './step.ts'
import { tar } from './tar.ts'
import { saveScript } from './undo.ts'

type FileWork = Work<FileSpec, SeenFile>

/** The name under which new bytes wait beside the file they replace. It is derived, so that the next write takes up what a cut left. */
const stagedName = (path: string): string => `${parentOf(path) === '/' ? '' : parentOf(path)}/.${baseOf(path)}.provision-new`

/** What a killed run may have left behind lies in this list until its files are in place; the next run clears it (see `engine`). */
export const STAGED_LIST = '/var/lib/provision/staged'

/** Clears what the list names, and then the list. */
export const CLEAR_STAGED = `xargs -d '\\n' rm -f -- <${STAGED_LIST}; rm -f ${STAGED_LIST}`

/** Applies files in their order; adjacent ones of one set, or of none, are one request: all of them go live, or none. */
export function* applyFiles(work: readonly FileWork[]): Steps {
  const done: string[] = []
  for (const some of runsOf(work)) {
    const unfit = some.find(({ seen }) => seen !== ABSENT && seen.type !== 'f' && seen.type !== 'l')
    if (unfit !== undefined) throw refusedType(unfit, done)
    try {
      yield* replace(some)
    } catch (error) {
      throw error instanceof Refused ? new Refused(error.what, error.why, error.fix, done) : error
    }
    done.push(...some.map(({ id }) => id))
  }
}

const refusedType = ({ id, seen }: FileWork, done: readonly string[]): Refused =>
  new Refused(
    `${id} is ${seen === ABSENT ? 'absent' : typeName(seen.type)}`,
    'a file shall be there, and nothing but a file or a link is ever replaced by one',
    'move it away or remove it by hand',
    done,
    id,
  )

/** Adjacent work of one configuration set (or of none). */
const runsOf = (work: readonly FileWork[]): readonly (readonly FileWork[])[] => {
  const runs: FileWork[][] = []
  for (const one of work) {
    const last = runs.at(-1)
    if (last?.[0] !== undefined && last[0].spec.set?.name === one.spec.set?.name) last.push(one)
    else runs.push([one])
  }
  return runs
}

function* replace(work: readonly FileWork[]): Steps {
  const present = work.filter(({ spec }) => spec.state === 'present')
  const absent = work.filter(({ spec }) => spec.state === 'absent').map(({ id }) => id)
  const paths = work.map(({ id }) => id)
  const set = work[0]?.spec.set
  const archive = tar(present.map(({ spec }) => ({ ...spec, name: spec.path.slice(1), bytes: bytesOf(spec.content) })))
  const answer = yield {
    do: 'shell',
    input: archive,
    doing:
      set === undefined ? `writing ${paths.length === 1 ? paths[0] : `${paths.length} files`}` : `checking ${set.name}'s new configuration`,
    script: `
set -u
w=$(mktemp -d "$T/XXXXXXXX") || exit 1; trap 'rm -rf "$w"' EXIT
cat >"$w/tar" || exit 1
${accountsScript(present)}
${directoriesScript(present)}
${set === undefined ? '' : checkScript(set, absent)}
${set === undefined ? '' : `( set -e; ${saveScript(set.name, paths, digestsOf(work))} ) || exit 1`}
${swapScript(present, absent)}`,
  }
  if (set !== undefined && answer.code === CHECK_FAILED)
    throw new Refused(
      `${set.check[0]} does not accept the new configuration`,
      answer.stderr.trim() || answer.stdout.toString().trim(),
      'correct what the role puts into these files; nothing was changed, the service keeps its old configuration',
    )
  if (answer.code === NO_NAMESPACE)
    throw new Refused(
      'this host cannot check a configuration before it goes live',
      answer.stderr.trim(),
      'allow it mount namespaces (unshare -m): an unprivileged container lacks CAP_SYS_ADMIN',
    )
  succeeded(answer, work.length === 1 ? `${paths[0]} could not be written` : 'the files could not be written')
}

const digestsOf = (work: readonly FileWork[]): ReadonlyMap<string, string> =>
  new Map(work.map(({ id, spec }) => [id, spec.state === 'absent' ? 'absent' : (sha256Of(spec.content) ?? '')]))

// tar would quietly give a file to root whose owner the host does not know.
const accountsScript = (work: readonly FileWork[]): string => {
  const checks = [
    ...distinct(work.map(({ spec }) => spec.owner)).map((name) => ['passwd', 'user', name]),
    ...distinct(work.map(({ spec }) => spec.group)).map((name) => ['group', 'group', name]),
  ].filter(([, , name]) => name !== 'root')
  return checks
    .map(
      ([database = '', word, name = '']) =>
        `getent ${database} ${quote(name)} >/dev/null || { echo "there is no ${word} ${name}" >&2; exit 1; }`,
    )
    .join('\n')
}

const directoriesScript = (work: readonly FileWork[]): string => {
  const parents = distinct(work.map(({ spec }) => parentOf(spec.path)))
  return parents.length === 0
    ? ''
    : `for d in ${parents.map(quote).join(' ')}; do [ -d "$d" ] || { echo "the directory $d does not exist; declare it before its files" >&2; exit 1; }; done`
}

const CHECK_FAILED = 65
const NO_NAMESPACE = 66

/**
 * Runs the checker on a copy of the whole tree with the new files laid over it, bound over the real one in a mount namespace of
 * its own: absolute includes read the copy, and nothing leaks out (measured: 17 ms more than the bare check). Where the host may
 * not make namespaces (unprivileged containers) it says so and changes nothing. A link in the tree is replaced in the copy, never
 * written through: it may lead anywhere on the host.
 */
const checkScript = (set: NonNullable<FileSpec['set']>, absent: readonly string[]): string => `
mkdir "$w/new" && cp -a ${quote(`${set.root}/.`)} "$w/new/" && mkdir "$w/over" && tar -xpmf "$w/tar" -C "$w/over" || exit 1
[ ! -d "$w/over"${quote(set.root)} ] || cp -a --remove-destination "$w/over"${quote(`${set.root}/.`)} "$w/new/" || exit 1
${absent.map((path) => `rm -f -- "$w/new"${quote(path.slice(set.root.length))}`).join('\n')}
unshare -m sh -c 'mount --bind "$1/new" "$2" && : >"$1/bound" || exit 1; shift 2; "$@"' sh "$w" ${quote(set.root)} ${set.check.map(quote).join(' ')} >"$w/said" 2>&1 </dev/null
c=$?; [ "$c" = 0 ] || { cat "$w/said" >&2; [ -e "$w/bound" ] && exit ${CHECK_FAILED}; exit ${NO_NAMESPACE}; }`

/**
 * New bytes beside the old ones, on disk, and only then the renames; `sync FILE` is fsync (coreutils), `rename` is perl-base's.
 * Names go to programs through the list or through xargs: ten thousand of them are more than one command line holds.
 */
const swapScript = (present: readonly FileWork[], absent: readonly string[]): string => {
  const staged = present.map(({ spec }) => stagedName(spec.path))
  const parents = distinct([...present.map(({ spec }) => parentOf(spec.path)), ...absent.map(parentOf)])
  const write = `
mkdir -p -m 700 /var/lib/provision && printf '%s\\n' ${staged.map(quote).join(' ')} >${STAGED_LIST} && sync ${STAGED_LIST} || exit 1
tar -xpmf "$w/tar" -C / --transform 's,\\([^/]*\\)$,.\\1.provision-new,' && xargs -d '\\n' sync -- <${STAGED_LIST} || { c=$?; ${CLEAR_STAGED}; exit "$c"; }
perl -ne 'chomp; my $to = $_; $to =~ s{/[.]([^/]+)[.]provision-new$}{/$1}; rename $_, $to or die "$to: $!\\n"' ${STAGED_LIST} || exit 1`
  return `
${present.length === 0 ? '' : write}
${absent.length === 0 ? '' : `${eachOf(absent)} rm -f -- || exit 1`}
${eachOf(parents)} sync -- 2>/dev/null
rm -f ${STAGED_LIST}`
}

const eachOf = (paths: readonly string[]): string => `printf '%s\\0' ${paths.map(quote).join(' ')} | xargs -0`

const distinct = (words: readonly string[]): readonly string[] => [...new Set(words)]
