import type { Script } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'
import { CHANGED } from '../kind/walk.ts'
import { transactionOptions } from './simulate.ts'

/** Exit status of a transaction that another program delays. */
export const BUSY = 75

/** Shell functions of the transaction. They use dpkg's words for the state of a package. */
export const aptFunctions = (waitSeconds: number, recommends: boolean): Script => sh`
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
  found=
  for package do
    case $package in *'*') word=" \${package%?}" ;; *) word=" $package " ;; esac
    case $names in *"$word"*) ;; *) found="$found $package" ;; esac
  done
}
# Whether NAME has the OBSERVED or the WANTED version, by the names of \`missing\`; an empty word stands for no package. dpkg writes the list
# of its files with each version.
by_this_run() { in_step "$1" || in_install "$1" || { [ "$finished" ] && [ "$1" -nt "\${installing-}.from" ]; }; }
as_observed() {
  case $names in *" $1 "*) ;; *) [ "$2" ] && [ "$3" ] && ! by_this_run /var/lib/dpkg/info || return 0; changed "$1" 'is not installed any more' ;; esac
  case $names in *" $1=$2 "*|*" $1=$3 "*) return ;; esac
  case $3 in *'*') case $names in *" $1=\${3%?}"*) return ;; esac ;; esac
  for list in "/var/lib/dpkg/info/\${1%%:*}.list" "/var/lib/dpkg/info/\${1%%:*}":*.list; do ! by_this_run "$list" || return 0; done
  changed "$1" "has another version"
}
changed() { printf 'culprit\\0%s\\0' "$1"; echo "package $1 is not as it was observed: it $2" >&2; exit ${CHANGED}; }
apt() {
  { apt-get ${transactionOptions(recommends)} -o APT::Status-Fd=5 -o DPkg::Lock::Timeout=60 -o Acquire::Retries=2 -o Acquire::http::Timeout=20 \\
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
  missing $install; [ -n "$found" ] || { settle; exit 0; }
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
