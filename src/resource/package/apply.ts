import { firstNames } from '../../first-names.ts'
import type { Script } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'
import type { Work } from '../kind/kind.ts'
import { requireBatch } from '../kind/one-by-one.ts'
import { type Answer, HostRefusal, requireSuccess, type Steps } from '../kind/step.ts'
import { CHANGED, IN_STEP } from '../kind/walk.ts'
import { lockFunctions } from './apt-lock.ts'
import { holdFunctions } from './hold.ts'
import { isUnfinished, type PackageState } from './observe.ts'
import { fixFor, listMinutes, listsAreOld, TRANSACTION_OPTIONS } from './simulate.ts'
import type { PackageSpec } from './spec.ts'

type PackageWork = Work<PackageSpec, PackageState>

/** Limit of the wait for a busy dpkg: a number of requests of some seconds each. A request must stay below the deadline of a step. */
export interface WaitLimit {
  readonly seconds: number
  readonly times: number
}

const BUSY = 75

/** Applies a batch of packages in one apt transaction, after finishing an interrupted one. */
export function* installPackages(work: readonly PackageWork[], { seconds, times }: WaitLimit = { seconds: 60, times: 10 }): Steps {
  const script = transactionScript(work, seconds)
  for (let i = 1; ; i += 1) {
    const answer = yield { do: 'shell', script, doing: doingOf(work), installs: true }
    if (answer.code !== BUSY) return check(work, answer)
    if (i >= times)
      throw new HostRefusal(
        'dpkg is locked by another program',
        `waited ${seconds * times} s for ${answer.stderr.trim()}`,
        'wait until it finishes, or stop it if it hangs, then run again; nothing was changed',
      )
  }
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

const requested = ({ spec }: PackageWork): string => (spec.version === undefined ? spec.name : `${spec.name}=${spec.version}`)

/** The script of the whole transaction. */
export const transactionScript = (work: readonly PackageWork[], waitSeconds: number): Script => {
  // A package that only carries the host's debt is itself converged.
  const changing = work.filter(
    ({ spec, state }) => state.status !== 'installed' || spec.state === 'absent' || (spec.version ?? state.version) !== state.version,
  )
  const present = changing.filter(({ spec }) => spec.state === 'present').map(requested)
  const absent = changing.filter(({ spec }) => spec.state === 'absent').map(({ id }) => id)
  const isCertain = changing.every(({ state, change }) => change.certainty === 'exact' && state.simulated?.isFinal === true)
  return sh`
export LC_ALL=C DEBIAN_FRONTEND=noninteractive APT_LISTCHANGES_FRONTEND=none NEEDRESTART_SUSPEND=1
umask 022
work=$(mktemp -d "$T/XXXXXXXX") || exit 1
doing() { printf 'provision-doing: %s\\n' "$*" 2>/dev/null; }
cause() { printf 'provision-cause: %s\\n' "$*"; }
${lockFunctions}
${holdFunctions}
${listsAreOld(listMinutes(work.map(({ spec }) => spec)))}
${aptFunctions(waitSeconds)}
${IN_STEP}
wait_until_free
trap 'release; rm -rf "$work"' EXIT
hold || exit 1
begin
finish_interrupted
missing ${present}; install=$found
${changing.flatMap(comparison)}
installed ${absent}; remove=$found
[ -n "$install$remove" ] || { ! unfinished; exit $?; }
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

/** Shell functions of the transaction. They use dpkg's words for the state of a package. */
const aptFunctions = (waitSeconds: number): Script => sh`
updated= unfetched= finished=
begin() { [ ! "\${installing-}" ] || : >"$installing.from"; }
wait_until_free() { until_free ${waitSeconds} || { echo "$who" >&2; exit ${BUSY}; }; }
states() { dpkg-query -W -f "$1\\n" >"$work/states" || { echo 'dpkg-query could not read the package database' >&2; exit 1; }; }
unfinished() {
  set -- /var/lib/dpkg/updates/[0-9]*; [ ! -e "$1" ] || return 0
  states '\${Status}'; grep -Eqv '^[a-z]+ ok (installed|config-files|not-installed)$' "$work/states"
}
installed() {
  states '\${Package} \${Package}:\${Architecture} \${db:Status-Status}'
  names=" $(grep -Ev ' (config-files|not-installed)$' "$work/states" | tr '\\n' ' ')"
  found=; for package do case $names in *" $package "*) found="$found $package-" ;; esac; done
}
missing() {
  states '\${Package} \${Package}:\${Architecture} \${Package}=\${Version} \${Package}:\${Architecture}=\${Version} \${Status}'
  names=" $(sed -n 's/ [a-z]* ok installed$//p' "$work/states" | tr '\\n' ' ')"
  found=; for package do case $names in *" $package "*) ;; *) found="$found $package" ;; esac; done
}
# Whether NAME has the OBSERVED or the WANTED version, by the names of \`missing\`; an empty word stands for no package. dpkg writes the list
# of its files with each version.
by_this_run() { in_step "$1" || in_install "$1" || { [ "$finished" ] && [ "$1" -nt "\${installing-}.from" ]; }; }
as_observed() {
  case $names in *" $1 "*) ;; *) [ "$2" ] && [ "$3" ] && ! by_this_run /var/lib/dpkg/info || return 0; changed "$1" 'is not installed any more' ;; esac
  case $names in *" $1=$2 "*|*" $1=$3 "*) return ;; esac
  for list in "/var/lib/dpkg/info/\${1%%:*}.list" "/var/lib/dpkg/info/\${1%%:*}":*.list; do ! by_this_run "$list" || return 0; done
  changed "$1" "has another version"
}
changed() { printf 'culprit\\0%s\\0' "$1"; echo "package $1 is not as it was observed: it $2" >&2; exit ${CHANGED}; }
apt() {
  { apt-get ${TRANSACTION_OPTIONS} -o APT::Status-Fd=5 -o DPkg::Lock::Timeout=60 -o Acquire::Retries=2 -o Acquire::http::Timeout=20 \\
      -o Acquire::https::Timeout=20 -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold "$@" \\
      5>&1 >"$work/log" 2>&1 </dev/null; printf '\\nprovision-ended:%s\\n' $?; } | {
    last=
    while IFS=: read -r kind item _ words; do
      case $kind in
        pmstatus|dlstatus) [ "$kind$item" = "$last" ] || doing "$words"; last=$kind$item ;;
        provision-ended) exit "$item" ;;
      esac
    done
  }
}
update() {
  doing 'fetching package lists'; wait_until_free; updated=1 unfetched=
  if apt update -o APT::Update::Error-Mode=any; then mkdir -p -m 700 /var/lib/provision; : >/var/lib/provision/apt-updated
  else unfetched=1; grep -E '^[EW]:' "$work/log" | tail -n 5 >"$work/update"; fi
}
finish_interrupted() {
  unfinished || return
  finished=1; doing 'finishing an interrupted installation'
  dpkg --configure -a --force-confdef --force-confold >"$work/log" 2>&1 </dev/null
  ! unfinished || apt install -f
}
transact() {
  wait_until_free
  keep=; [ -n "$remove" ] || keep=--no-remove
  [ -z "$simulate$remove" ] || simulated || return
  apt install $keep $install $remove
}
simulated() {
  apt install -s $keep $install $remove || return
  names=" $(sed -En 's/^(Inst|Conf) ([^ :]*).*/\\2/p' "$work/log" | tr '\\n' ' ')"
  for package in $install; do
    name=\${package%%=*}; case $names in *" \${name%%:*} "*) continue ;; esac
    cause instead "$name"; grep '^Note, ' "$work/log" >&2; exit 1
  done
  also=$(sed -n 's/^Remv \\([^ ]*\\) .*/\\1/p' "$work/log" | while read -r package; do case " $remove " in *" $package- "*|*" $package:"*) ;; *) printf '%s ' "$package" ;; esac; done)
  [ -z "$also" ] || { cause removes "$also"; return 1; }
}
end() {
  missing $install; [ -n "$found" ] || exit 0
  for package in $found; do cause virtual "$package"; done; tail -n 15 "$work/log" >&2; exit 1
}
report_failure() {
  for directory in /var/cache/apt/archives /var/lib/dpkg /usr /boot; do
    df -kP "$directory" | { read -r _; read -r _ _ _ available _ mount; [ "$available" -gt 20480 ] || cause full "$mount"; }
  done
  [ -z "$unfetched" ] || cause unfetched
  { [ ! -s "$work/update" ] || { echo 'While it fetched package lists, apt reported:'; sed 's/^/  /' "$work/update"; }; tail -n 15 "$work/log"; } >&2
  exit 1
}`
