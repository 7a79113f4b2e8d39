import type { Script } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'
import type { Work } from '../kind/kind.ts'
import { type Answer, HostRefusal, requireSuccess, type Steps } from '../kind/step.ts'
import { lockFunctions } from './apt-lock.ts'
import { holdFunctions } from './hold.ts'
import type { PackageState } from './observe.ts'
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
    const answer = yield { do: 'shell', script, doing: doingOf(work) }
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
  return names.length === 0
    ? 'changing packages'
    : `installing ${names.slice(0, 3).join(', ')}${names.length > 3 ? ` and ${names.length - 3} more` : ''}`
}

// The script finds causes by the state of the host (a full mount, a name without a candidate), not by the text of apt's errors.
const check = (work: readonly PackageWork[], answer: Answer): void => {
  if (answer.code === 0) return
  const causes = [...answer.stdout.toString().matchAll(/^provision-cause: (\S+) ?(.*)$/gm)].map(([, cause = '', of = '']) => ({
    cause,
    of,
  }))
  const find = (name: string) => causes.find(({ cause }) => cause === name)?.of
  const held = work.filter(({ state }) => state.held).map(({ id }) => id)
  const [full, unknown] = [find('full'), find('unknown')]
  if (full !== undefined) requireSuccess(answer, `${full} is full`, `free space on ${full}; the next run finishes the installation`)
  if (find('unfetched') !== undefined)
    requireSuccess(answer, 'package lists not fetched', "check the host's network, name resolution and /etc/apt/sources.list*")
  if (held.length > 0)
    requireSuccess(
      answer,
      `${held.join(', ')} is held`,
      `run \`apt-mark unhold ${held.join(' ')}\` on the host, or remove it from the role`,
    )
  if (unknown !== undefined)
    requireSuccess(
      answer,
      `${unknown} not found in the host's package sources`,
      'check name and version, or declare the repository that contains it first',
    )
  if (find('removes') !== undefined)
    requireSuccess(
      answer,
      `transaction would also remove ${find('removes')}`,
      'remove those by hand, or declare them absent too; nothing was changed',
    )
  requireSuccess(answer, 'apt failed', 'fix the problem that apt reports, then run again; the next run continues the transaction')
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
  const minutes = Math.floor(Math.min(...work.map(({ spec }) => spec.cacheHours)) * 60)
  return sh`
export LC_ALL=C DEBIAN_FRONTEND=noninteractive APT_LISTCHANGES_FRONTEND=none NEEDRESTART_SUSPEND=1
umask 022
work=$(mktemp -d "$T/XXXXXXXX") || exit 1
doing() { printf 'provision-doing: %s\\n' "$*" 2>/dev/null; }
cause() { printf 'provision-cause: %s\\n' "$*"; }
${lockFunctions}
${holdFunctions}
${aptFunctions(waitSeconds, minutes)}
wait_until_free
trap 'release; rm -rf "$work"' EXIT
hold || exit 1
finish_interrupted
missing ${present}; install=$found
installed ${absent}; remove=$found
[ -n "$install$remove" ] || { ! unfinished; exit $?; }
if stale; then update; fi
transact && exit 0
if [ -z "$updated" ] && ! unfinished; then update; transact && exit 0; fi
report_failure`
}

/** Shell functions of the transaction. They use dpkg's words for the state of a package. */
const aptFunctions = (waitSeconds: number, minutes: number): Script => sh`
updated= unfetched=
wait_until_free() { until_free ${waitSeconds} || { echo "$who" >&2; exit ${BUSY}; }; }
unfinished() {
  set -- /var/lib/dpkg/updates/[0-9]*
  [ -e "$1" ] || dpkg-query -W -f '\${Status}\\n' | grep -Eqv '^[a-z]+ ok (installed|config-files|not-installed)$'
}
installed() {
  names=" $(dpkg-query -W -f '\${Package} \${Package}:\${Architecture} \${db:Status-Status}\\n' | grep -Ev ' (config-files|not-installed)$' | tr '\\n' ' ')"
  found=; for package do case $names in *" $package "*) found="$found $package-" ;; esac; done
}
missing() {
  names=" $(dpkg-query -W -f '\${Package} \${Package}:\${Architecture} \${Package}=\${Version} \${Package}:\${Architecture}=\${Version} \${Status}\\n' \\
    | sed -n 's/ [a-z]* ok installed$//p' | tr '\\n' ' ')"
  found=; for package do case $names in *" $package "*) ;; *) found="$found $package" ;; esac; done
}
stale() {
  set -- /var/lib/apt/lists/*_Packages*
  [ ! -e "$1" ] || [ -z "$(find /var/lib/apt/lists /var/lib/provision/apt-updated -maxdepth 0 -mmin -${minutes})" ]
}
apt() {
  { apt-get -y -q -o APT::Status-Fd=5 -o APT::Cmd::Pattern-Only=true -o DPkg::Lock::Timeout=60 -o Acquire::Retries=2 -o Acquire::http::Timeout=20 \\
      -o Acquire::https::Timeout=20 -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold --no-install-recommends --allow-downgrades "$@" \\
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
  doing 'finishing an interrupted installation'
  dpkg --configure -a --force-confdef --force-confold >"$work/log" 2>&1 </dev/null
  ! unfinished || apt install -f
}
transact() {
  wait_until_free
  [ -n "$remove" ] || { apt install --no-remove $install; return; }
  apt install -s $install $remove || return
  also=$(sed -n 's/^Remv \\([^ ]*\\) .*/\\1/p' "$work/log" | while read -r package; do case " $remove " in *" $package- "*|*" $package:"*) ;; *) printf '%s ' "$package" ;; esac; done)
  [ -z "$also" ] || { cause removes "$also"; return 1; }
  apt install $install $remove
}
report_failure() {
  for directory in /var/cache/apt/archives /var/lib/dpkg /usr /boot; do
    df -kP "$directory" | { read -r _; read -r _ _ _ available _ mount; [ "$available" -gt 20480 ] || cause full "$mount"; }
  done
  [ -z "$unfetched" ] || cause unfetched
  for package in $install; do
    case $package in *=*) apt-cache madison "\${package%%=*}" | grep -F " | \${package#*=} | " ;; *) apt-cache policy "$package" | grep 'Candidate: [^(]' ;; esac >/dev/null 2>&1 || cause unknown "$package"
  done
  { cat "$work/update" 2>/dev/null; tail -n 15 "$work/log"; } >&2
  exit 1
}`
