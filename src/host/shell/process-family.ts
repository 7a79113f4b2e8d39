import { sh } from '../../shell/sh.ts'

/** Time for processes to end after SIGTERM, and again after SIGKILL. */
const GRACE_SECONDS = 5

/**
 * Shell functions that end processes with all their children. The start time, in hundredths of a second, distinguishes a process from a
 * later one with the same number, so a family is a list of ` PID:START `.
 * - `about PID` sets `$state`, `$parent` and `$since`
 * - `look` removes dead processes from `$family` and adds the children of the others, and children of `$shell` that started by `$latest`
 * - `name WORD` prints `WORD PID COMMAND` for processes without children; a command that contains `$known` is the loop's own shell
 * - `end_family` sends SIGTERM, then SIGKILL; fails if a process survives
 */
export const DEFINE_FAMILY = sh`
about() {
  stat=; while IFS= read -r line; do stat=$line; done 2>/dev/null <"/proc/$1/stat"
  [ "$stat" ] || return 1
  set -- \${stat##*) }; state=$1 parent=$2 since=\${20}; [ "$state" != Z ]
}
look() {
  alive=; for one in $family; do about "\${one%:*}" && [ "$since" = "\${one#*:}" ] && alive="$alive $one"; done
  family="$alive "; more=1
  while [ "$more" ]; do
    more=; for process in /proc/[0-9]*; do
      about "\${process#/proc/}" || continue
      case $family in *" \${process#/proc/}:$since "*) continue ;; esac
      case $family in *" $parent:"*) ;; *) [ "$parent" = "$shell" ] && [ "$since" -le "$latest" ] || continue ;; esac
      family="$family\${process#/proc/}:$since "; more=1
    done
  done
}
signal() { for one in $family; do about "\${one%:*}" && [ "$since" = "\${one#*:}" ] && kill "-$1" "\${one%:*}" 2>/dev/null; done; }
name() {
  for one in $family; do
    is=; for other in $family; do about "\${other%:*}" && [ "$parent" = "\${one%:*}" ] && is=parent; done; [ ! "$is" ] || continue
    words=$(tr '\\0\\n' '  ' <"/proc/\${one%:*}/cmdline" 2>/dev/null | cut -c 1-200)
    case $words in *$known*) words=sh ;; '') read -r words 2>/dev/null <"/proc/\${one%:*}/comm" ;; esac
    printf '%s %s %s\\n' "$1" "\${one%:*}" "\${words% }"
  done
}
now() { read -r uptime _ </proc/uptime; uptime=\${uptime%.*}; }
end_family() {
  signal TERM
  now; end=$((uptime+${GRACE_SECONDS})); while look; [ "$family" != ' ' ] && now && [ "$uptime" -lt "$end" ]; do sleep 0.2; done
  end=$((uptime+${GRACE_SECONDS})); while [ "$family" != ' ' ] && now && [ "$uptime" -lt "$end" ]; do signal KILL; sleep 0.2; look; done
  [ "$family" = ' ' ]
}`
