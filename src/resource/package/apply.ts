import { firstNames } from '../../first-names.ts'
import type { Script } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'
import type { Work } from '../kind/kind.ts'
import { requireBatch } from '../kind/one-by-one.ts'
import { type Answer, HostRefusal, requireSuccess, type Steps } from '../kind/step.ts'
import { CHANGED, IN_STEP } from '../kind/walk.ts'
import { aptFunctions } from './apt-functions.ts'
import { isUnfinished, type PackageState } from './observe.ts'
import { fixFor, listMinutes, listsAreOld } from './simulate.ts'
import { isAptNeeded, type PackageSpec } from './spec.ts'
import { OPENING, PREAMBLE, WAIT_LIMIT, type WaitLimit, whileBusy } from './transaction.ts'

type PackageWork = Work<PackageSpec, PackageState>

/** Applies a batch of packages in one apt transaction; those with recommended packages in a second one. */
export function* installPackages(work: readonly PackageWork[], limit?: WaitLimit): Steps {
  const done: string[] = []
  for (const recommends of [false, true]) {
    const some = work.filter(({ spec }) => spec.recommends === recommends)
    if (some.length === 0) continue
    try {
      yield* inOneTransaction(some, limit)
    } catch (error) {
      if (!(error instanceof HostRefusal) || done.length === 0) throw error
      throw new HostRefusal(error.what, error.why, error.fix, { done, culprit: error.culprit })
    }
    done.push(...some.map(({ id }) => id))
  }
}

/** One apt transaction, after finishing an interrupted one. */
function* inOneTransaction(work: readonly PackageWork[], limit = WAIT_LIMIT): Steps {
  const script = transactionScript(work, limit.seconds)
  check(work, yield* whileBusy({ do: 'shell', script, doing: doingOf(work), installs: true }, limit))
}

const doingOf = (work: readonly PackageWork[]): string => {
  const names = work.filter(({ spec, state }) => spec.state === 'present' && state.status !== 'installed').map(({ id }) => id)
  return names.length === 0 ? 'changing packages' : `installing ${firstNames(names)}`
}

// The words of apt decide; a state of the host (a full mount, lists that were not fetched) is named only where they fit.
const check = (work: readonly PackageWork[], answer: Answer): void => {
  if (answer.code === 0) return
  if (answer.code === CHANGED)
    requireBatch(answer, work, { what: (name) => `package ${name ?? work.map(({ id }) => id).join(', ')} not changed` })
  const causes = new Map(
    [...answer.stdout.toString().matchAll(/^provision-cause: (\S+) ?(.*)$/gm)].map(([, cause = '', of = '']) => [cause, of]),
  )
  const errors = answer.stderr.split('\n').filter((line) => line.startsWith('E: '))
  const [full, removes, virtual, instead] = ['full', 'removes', 'virtual', 'instead'].map((cause) => causes.get(cause))
  const says = (pattern: RegExp): boolean => pattern.test(answer.stderr)
  const names = work.map(({ id }) => id).join(', ')
  if (removes !== undefined)
    requireSuccess(
      answer,
      `transaction would also remove ${removes}`,
      'remove those by hand, or declare them absent too; nothing was changed',
    )
  if (virtual !== undefined)
    requireSuccess(answer, `${virtual} is a virtual package`, 'declare the package that provides it, which apt has installed')
  const named = instead ?? /^Package (\S+) is a virtual package provided by:$/m.exec(answer.stderr)?.[1]
  if (named !== undefined)
    requireSuccess(answer, `${named} is a virtual package`, 'declare the package that provides it; nothing was installed')
  if (full !== undefined && says(/No space left on device|enough free space/))
    requireSuccess(answer, `${full} is full`, `free space on ${full}; the next run finishes the installation`)
  if (says(/apt-get: (command )?not found/))
    requireSuccess(answer, 'apt-get is not installed', fixFor('E: apt-get is not installed', names))
  if (
    causes.has('unfetched') &&
    (errors.length === 0 || says(/^E: (Unable to (locate|fetch)|Failed to fetch|.*no installation candidate|Version .* was not found)/m))
  )
    requireSuccess(answer, 'package lists not fetched', "check the host's network, name resolution and /etc/apt/sources.list*")
  const [first] = errors
  requireSuccess(
    answer,
    first === undefined ? 'apt failed' : `apt failed: ${first.slice('E: '.length)}`,
    first === undefined || !errors.some((line) => /Held packages|Unable to locate|no installation candidate|was not found/.test(line))
      ? 'fix the problem that apt reports, then run again; the next run continues the transaction'
      : fixFor(errors.join('\n'), names),
  )
}

/** Packages that nothing needs after this removal, as the plan has shown them. */
const unneededOf = ({ autoremove }: PackageSpec, { simulated }: PackageState): readonly string[] =>
  autoremove ? (simulated?.unneeded ?? []) : []

const requested = ({ spec }: PackageWork): string => (spec.version === undefined ? spec.name : `${spec.name}=${spec.version}`)

/** The script of the whole transaction. */
export const transactionScript = (work: readonly PackageWork[], waitSeconds: number): Script => {
  // A package that only carries the host's debt is itself converged.
  const changing = work.filter(({ spec, state }) => isAptNeeded(spec, state))
  const present = changing.filter(({ spec }) => spec.state === 'present').map(requested)
  const absent = new Set(
    changing.filter(({ spec }) => spec.state === 'absent').flatMap(({ id, spec, state }) => [id, ...unneededOf(spec, state)]),
  )
  const held = work.filter(({ spec, state }) => spec.hold !== undefined && state.held).map(({ id }) => id)
  const hold = work.filter(({ spec }) => spec.hold === true).map(({ id }) => id)
  const purge = work.filter(({ spec }) => spec.purge).map(({ id }) => id)
  const isCertain = changing.every(({ state, change }) => change.certainty === 'exact' && state.simulated?.isFinal === true)
  return sh`${PREAMBLE}
settle() {
  ${purge.length === 0 ? sh`` : sh`wait_until_free; dpkg --purge -- ${purge} >"$work/log" 2>&1 </dev/null || { cat "$work/log" >&2; exit 1; }`}
  ${hold.length === 0 ? sh`` : sh`wait_until_free; apt-mark hold ${hold} >"$work/log" 2>&1 </dev/null || { cat "$work/log" >&2; exit 1; }`}
  :
}
${listsAreOld(listMinutes(work.map(({ spec }) => spec)))}
${aptFunctions(
  waitSeconds,
  work.some(({ spec }) => spec.recommends),
)}
${IN_STEP}
${OPENING}
missing ${present}; install=$found
${changing.flatMap(comparison)}
installed ${[...absent]}; remove=$found
${held.length === 0 ? sh`` : sh`apt-mark unhold ${held} >"$work/log" 2>&1 </dev/null || { cat "$work/log" >&2; exit 1; }`}
[ -n "$install$remove" ] || { ! unfinished || exit 1; settle; exit 0; }
simulate=${isCertain ? '' : 'first'}
if lists_are_old; then update; fi
transact && end
if [ -z "$updated" ] && ! unfinished; then update; transact && end; fi
report_failure`
}

/**
 * Calls `as_observed` for a package. No conflict: a package that is as declared meanwhile, or that somebody installed where any version
 * will do; an unfinished package, which dpkg is to finish in any version. apt itself refuses to change a package that was put on hold.
 */
const comparison = ({ spec, state }: PackageWork): readonly Script[] => {
  const isPresent = spec.state === 'present'
  if (isUnfinished(state.status) || (state.status !== 'installed' && spec.version === undefined)) return []
  return [sh`as_observed ${spec.name} ${state.status === 'installed' ? state.version : ''} ${isPresent ? (spec.version ?? '') : ''}`]
}
