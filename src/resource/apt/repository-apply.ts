import type { Script } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'
import { file } from '../file/file.ts'
import { namedByResource } from '../file/file-kind.ts'
import { ABSENT } from '../kind/inode.ts'
import type { Work } from '../kind/kind.ts'
import { type Answer, HostRefusal, outputExcerpt, type Step, type Steps } from '../kind/step.ts'
import { lockFunctions } from '../package/apt-lock.ts'
import { MAX_KEY_BYTES } from './openpgp.ts'
import { embedded, KEYS, keyWork, type RepositoryState, sourceText, sourceWork, trusted } from './repository-files.ts'
import type { RepositorySpec } from './repository-spec.ts'

type RepositoryWork = Work<RepositorySpec, RepositoryState>

/** Fetches keys, checks the repositories with them, and then writes all files in one request. */
export function* applyRepositories(work: readonly RepositoryWork[]): Steps {
  const ready: RepositoryWork[] = []
  for (const one of work) {
    const { spec, state } = one
    ready.push(
      spec.url === undefined || state.armored !== undefined
        ? one
        : { ...one, state: { ...state, armored: yield* fetchKey(spec, spec.url) } },
    )
  }
  for (const one of ready) yield* readLists(one)
  yield* checkTogether(ready)
  const files = ready.flatMap(({ spec, state, change }) => {
    const [key, source] = [keyWork(spec, state), sourceWork(spec, state)]
    // A source never names a key that is not there.
    const both = spec.state === 'present' && spec.url !== undefined ? [key, source] : [source, ...(state.key === ABSENT ? [] : [key])]
    return both.map((part) => ({ ...part, change }))
  })
  const resources = work.map(({ id, spec }) => ({ id, paths: [keyWork(spec).id, sourceWork(spec).id] }))
  yield* namedByResource(resources, file.kind.apply(files))
}

/** Options of apt for a server that does not answer. */
const PATIENCE = '-o Acquire::Retries=2 -o Acquire::http::Timeout=20 -o Acquire::https::Timeout=20'.split(' ')

const fixOf = (said: string, otherwise: string): string => {
  if (/certificate/i.test(said))
    return 'declare the package ca-certificates before the repository if the host does not have it, or check the certificate of the server'
  return /Could not (resolve|connect)|timed? ?out|Connection failed|unreachable/i.test(said)
    ? "check the address, and the host's network, name resolution and proxy (Acquire::http::Proxy); nothing was changed"
    : otherwise
}

/**
 * Returns the armored key from a URL. The host fetches it as the account `_apt`, as apt fetches lists: a hostile server gains no rights.
 * It is trusted only if it has the declared fingerprints.
 */
function* fetchKey({ name, fingerprints }: RepositorySpec, url: string): Generator<Step, string, Answer> {
  const answer = yield { do: 'shell', script: fetchScript(url), doing: `fetching the key of ${name}`, withinMs: 180_000 }
  const refused = (what: string, why: string, fix: string): HostRefusal => new HostRefusal(what, why, fix, { culprit: name })
  if (answer.code !== 0)
    throw refused(
      `key of repository ${name} was not fetched from ${url}`,
      outputExcerpt(answer.stderr),
      fixOf(answer.stderr, 'check the address of the key; nothing was changed'),
    )
  const found = trusted(answer.stdout, fingerprints)
  if (typeof found === 'object') return found.armored
  throw refused(
    `key of repository ${name} is not trusted`,
    `the key from ${url} ${found}`,
    'compare the fingerprint with the one that the publisher names on another way, and declare that; nothing was changed',
  )
}

const fetchScript = (url: string): Script =>
  sh`setpriv --reuid _apt --regid nogroup --clear-groups env -i PATH="$PATH" LC_ALL=C sh -c ${FETCH} sh ${url} ${PATIENCE} </dev/null`

/** Fetches a file of limited length. The account that runs it owns all its paths. */
const FETCH = `cd /tmp || exit; umask 077; work=$(mktemp -d) || exit; trap 'rm -rf "$work"' EXIT
url=$1; shift; ulimit -f ${MAX_KEY_BYTES / 512}
/usr/lib/apt/apt-helper "$@" -o Dir::Log= download-file "$url" "$work/key" >"$work/log" 2>&1 ||
  { grep '^[EWI]:' "$work/log" >&2 || tail -c 4096 "$work/log" >&2; exit 1; }
head -c ${MAX_KEY_BYTES + 1} "$work/key"`

/** Scripts in a directory of their own, which wait until nobody else uses the lists. */
const withLists = (script: Script): Script => sh`export LC_ALL=C; umask 022
work=$(mktemp -d "$T/XXXXXXXX") || exit 1; trap 'rm -rf "$work"' EXIT
doing() { printf 'provision-doing: %s\\n' "$*" 2>/dev/null; }
${lockFunctions}
until_free 600 || { echo "$who" >&2; exit ${BUSY}; }
${script}`

const BUSY = 75

/**
 * Reads the lists of a repository that is not added yet, with its key. The lists stay, so the first installation has them. Those of other
 * repositories are not touched.
 */
function* readLists({ spec, state }: RepositoryWork): Steps {
  const armored = spec.armored ?? state.armored
  if (spec.state === 'absent' || !spec.enabled || armored === undefined) return
  const answer = yield {
    do: 'shell',
    doing: `reading the lists of ${spec.name}`,
    script:
      withLists(sh`mkdir "$work/parts" && printf %s ${spec.head + embedded(armored)} >"$work/parts/"${`${spec.name}.sources`} || exit 1
apt-get update -q ${PATIENCE} -o APT::Update::Error-Mode=any -o APT::Get::List-Cleanup=0 -o Dir::Etc::sourcelist=/dev/null \\
  -o Dir::Etc::sourceparts="$work/parts" >"$work/log" 2>&1 </dev/null || { grep -E '^([EW]|Err):?' "$work/log" >&2 || tail -n 15 "$work/log" >&2; exit 1; }`),
  }
  if (answer.code === 0) return
  const why = outputExcerpt(answer.stderr)
  const [what, fix] =
    answer.code === BUSY
      ? ['lists are locked by another program', 'wait until it finishes, or stop it if it hangs, then run again; nothing was changed']
      : [`apt cannot use repository ${spec.name}`, fixOf(why, listFix(why))]
  throw new HostRefusal(what, why, fix, { culprit: spec.name })
}

const listFix = (said: string): string => {
  if (/NO_PUBKEY|not signed|signature/i.test(said))
    return 'declare the key and the fingerprint with which the publisher signs this repository; nothing was changed'
  return 'check uris, suites and components, then run again; nothing was changed'
}

/** Lets apt read the new files together with those that exist, on a copy: two files may contradict each other, and apt would then refuse to work. */
function* checkTogether(work: readonly RepositoryWork[]): Steps {
  const written = work.filter(({ spec }) => spec.state === 'present')
  const answer = yield {
    do: 'shell',
    doing: 'checking the sources of apt',
    script: sh`work=$(mktemp -d "$T/XXXXXXXX") || exit 1; trap 'rm -rf "$work"' EXIT
mkdir -p -m 755 ${KEYS} && cp -a /etc/apt/sources.list.d "$work/parts" || exit 1
check() { LC_ALL=C apt-get indextargets -o Dir::Etc::sourceparts="$work/parts" >/dev/null 2>"$work/$1" </dev/null; }
check before || exit 0
${work.map(({ spec }) => sh`rm -f -- "$work/parts/"${`${spec.name}.sources`} || exit 1\n`)}${written.map(({ spec }) => sh`printf %s ${sourceText(spec)} >"$work/parts/"${`${spec.name}.sources`} || exit 1\n`)}check after || { sed -n -e '/^E: /!d' -e 's/-----BEGIN.*/a key of its own/' -e "s|$work/parts|/etc/apt/sources.list.d|g" -e p "$work/after" >&2; exit 1; }`,
  }
  if (answer.code === 0) return
  throw new HostRefusal(
    `apt cannot use ${work.length === 1 ? `repository ${work[0]?.id}` : 'the new repositories'} together with the others of the host`,
    outputExcerpt(answer.stderr),
    'delete the other file that names the same repository, or declare it with the same name; nothing was changed',
  )
}
