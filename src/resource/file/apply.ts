import type { Script } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'
import { requireLogin, tryLogin } from '../guarded/login.ts'
import { isLoginFile } from '../guarded/login-access.ts'
import { sha256Of } from '../kind/content.ts'
import { ABSENT, refuseUnreached } from '../kind/inode.ts'
import type { Work } from '../kind/kind.ts'
import { requireBatch } from '../kind/one-by-one.ts'
import { parentOf } from '../kind/path.ts'
import { HostRefusal, type Steps } from '../kind/step.ts'
import { PARTLY } from '../kind/walk.ts'
import { backupScript } from './backup.ts'
import { candidatesScript, requireAccepted } from './candidate.ts'
import { filesAsInput, layOverScript, type PlacedFile, placeScript } from './place.ts'
import { type FileSpec, type FileState, keeping } from './spec.ts'
import { checkSudoers, isReadBySudo, requireSudoers } from './sudoers.ts'
import { restoreScript, saveScript } from './undo.ts'

/** Directory of provision on a host. */
const STATE = '/var/lib/provision'

type FileWork = Work<FileSpec, FileState>

/** Applies files in order. Adjacent files of one set, or of none, are one request: all of them go live, or none. */
export function* applyFiles(work: readonly FileWork[]): Steps {
  const done: string[] = []
  for (const some of batchesOf(work)) {
    for (const one of some) refuseUnreached(one.id, one.state, done, checkedWith(one) !== undefined)
    yield* replace(some, done)
    done.push(...some.map(({ id }) => id))
  }
}

/** The name of what is checked together, if anything is. */
const checkedWith = ({ id, spec }: FileWork): string | undefined =>
  spec.set?.name ?? (isReadBySudo(id) ? '/etc/sudoers' : isLoginFile(id) ? 'login' : spec.checks === undefined ? undefined : 'check')

/** Groups adjacent work of the same configuration set, or of none. Rules of sudo, and files of the login, are checked together as well. */
const batchesOf = (work: readonly FileWork[]): readonly (readonly FileWork[])[] => {
  const runs: FileWork[][] = []
  for (const one of work) {
    const last = runs.at(-1)
    if (last?.[0] !== undefined && checkedWith(last[0]) === checkedWith(one)) last.push(one)
    else runs.push([one])
  }
  return runs
}

function* replace(work: readonly FileWork[], before: readonly string[]): Steps {
  const paths = work.map(({ id }) => id)
  const set = work[0]?.spec.set
  const areRules = set === undefined && work.some(({ id }) => isReadBySudo(id))
  const areOfLogin = work.some(({ id }) => isLoginFile(id))
  const areChecked = work.some(({ spec }) => spec.checks !== undefined)
  const answer = yield {
    do: 'shell',
    input: filesAsInput(work.map(placed)),
    doing:
      set === undefined
        ? `writing ${paths.length === 1 ? paths[0] : `${paths.length} files`}`
        : `checking the new configuration of ${set.name}`,
    script: sh`set -u; mkdir -p -m 700 ${[STATE, ...new Set(paths.map(parentOf).filter((path) => path.startsWith(`${STATE}/`)))]} || exit 1
${backupScript(work)}${areChecked ? candidatesScript(work) : sh``}${areRules ? checkSudoers(work) : sh``}${areOfLogin ? loginScript(work) : sh``}
${set === undefined ? sh`` : sh`${checkScript(set)}\n( set -e; ${saveScript(set.name, paths, digestsOf(work))} ) </dev/null || exit 1`}
${placeScript({ alone: set !== undefined || areRules || areOfLogin || areChecked })}${
  set === undefined
    ? sh``
    : sh`\nstatus=$?; [ "$status" != ${PARTLY} ] || ( ${restoreScript(set.name)}
) </dev/null; exit "$status"`
}`,
  }
  if (areChecked) requireAccepted(answer, work, before)
  if (areRules) requireSudoers(answer, work, before)
  if (areOfLogin) requireLogin(answer, paths, before)
  if (set !== undefined && answer.code === CHECK_FAILED)
    throw new HostRefusal(
      `${checkerOf(set)} rejected the new configuration`,
      answer.stderr.trim() || answer.stdout.toString().trim(),
      'correct the content of these files in the role; nothing was changed, the service keeps its configuration',
      { done: before },
    )
  if (answer.code === NO_NAMESPACE)
    throw new HostRefusal(
      'configuration not written, because it cannot be checked first',
      answer.stderr.trim(),
      'allow mount namespaces on this host (unshare -m): an unprivileged container lacks CAP_SYS_ADMIN',
      { done: before },
    )
  // The files of a set that were already written are restored.
  requireBatch(answer, work, {
    what: (id) => `${id ?? 'files'} not written`,
    before,
    restored: set !== undefined,
    together: set !== undefined || areRules,
  })
}

const loginScript = (work: readonly FileWork[]): Script =>
  tryLogin(
    work.map(({ id, spec }) => ({ path: id, isAbsent: spec.state === 'absent' })),
    layOverScript('/etc', sh`"$work/new"`),
  )

/** The checker, for messages: its program, or the name of the set if that runs a script. */
const checkerOf = ({ name, check }: NonNullable<FileSpec['set']>): string | undefined =>
  ['sh', 'setpriv'].includes(check[0] ?? '') ? name : check[0]

/** A file with its state: the host compares first. */
const placed = ({ spec, state }: FileWork): PlacedFile => ({
  ...keeping(spec, state),
  inode: state,
  // The digest of a link is that of the file behind it, which is not replaced.
  ...(state !== ABSENT && state.type === 'f' && state.sha256 !== undefined && { observed: state.sha256 }),
})

const digestsOf = (work: readonly FileWork[]): ReadonlyMap<string, string> =>
  new Map(work.map(({ id, spec }) => [id, spec.state === 'absent' ? 'absent' : (sha256Of(spec.content) ?? '')]))

const CHECK_FAILED = 65
const NO_NAMESPACE = 66

/**
 * Runs the checker on a copy of the tree that contains the new files, mounted over the real one in a separate mount namespace: absolute
 * includes read the copy, and other processes do not see it (17 ms more than the check alone). On a host that cannot create namespaces
 * (an unprivileged container) it fails and changes nothing.
 */
const checkScript = (set: NonNullable<FileSpec['set']>): Script => sh`
work=$(mktemp -d "$T/XXXXXXXX") || exit 1; trap 'rm -rf "$work"' EXIT
mkdir "$work/new" && cp -a ${`${set.root}/.`} "$work/new/" || exit 1
${layOverScript(set.root, sh`"$work/new"`)} || exit
unshare -m sh -c 'mount --bind "$1/new" "$2" && : >"$1/bound" || exit 1; shift 2; "$@"' sh "$work" ${set.root} ${set.check} >"$work/output" 2>&1 </dev/null
status=$?; [ "$status" = 0 ] || { cat "$work/output" >&2; [ -e "$work/bound" ] && exit ${CHECK_FAILED}; exit ${NO_NAMESPACE}; }`
