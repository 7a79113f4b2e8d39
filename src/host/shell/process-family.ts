/** How long processes have to end after SIGTERM, and again after SIGKILL. */
const GRACE_SECONDS = 5

/**
 * Shell functions that end processes with all that they have started. A process is told from a later one of its number by when it began
 * (in hundredths of a second), so that a family is a list of ` PID:BEGAN `.
 * - `about PID` sets `$state`, `$parent` and `$since`
 * - `look` leaves the living in `$family` and adds their children, and those children of `$shell` that began by `$latest`
 * - `name WORD` prints `WORD PID COMMAND` for those that others did not wait for; a command with `$known` in it is our own shell
 * - `end_family` sends SIGTERM, then SIGKILL; fails where some live on
 */
export const DEFINE_FAMILY = `
about() {
  said=; while IFS= read -r line; do said=$line; done 2>/dev/null <"/proc/$1/stat"
  [ "$said" ] || return 1
  set -- \${said##*) }; state=$1 parent=$2 since=\${20}; [ "$state" != Z ]
}
look() {
  living=; for one in $family; do about "\${one%:*}" && [ "$since" = "\${one#*:}" ] && living="$living $one"; done
  family="$living "; more=1
  while [ "$more" ]; do
    more=; for f in /proc/[0-9]*; do
      about "\${f#/proc/}" || continue
      case $family in *" \${f#/proc/}:$since "*) continue ;; esac
      case $family in *" $parent:"*) ;; *) [ "$parent" = "$shell" ] && [ "$since" -le "$latest" ] || continue ;; esac
      family="$family\${f#/proc/}:$since "; more=1
    done
  done
}
signal() { for one in $family; do about "\${one%:*}" && [ "$since" = "\${one#*:}" ] && kill "-$1" "\${one%:*}" 2>/dev/null; done; }
name() {
  for one in $family; do
    is=; for f in $family; do about "\${f%:*}" && [ "$parent" = "\${one%:*}" ] && is=parent; done; [ ! "$is" ] || continue
    words=$(tr '\\0\\n' '  ' <"/proc/\${one%:*}/cmdline" 2>/dev/null | cut -c 1-200)
    case $words in *$known*) words=sh ;; '') read -r words 2>/dev/null <"/proc/\${one%:*}/comm" ;; esac
    printf '%s %s %s\\n' "$1" "\${one%:*}" "\${words% }"
  done
}
now() { read -r u _ </proc/uptime; u=\${u%.*}; }
end_family() {
  signal TERM
  now; end=$((u+${GRACE_SECONDS})); while look; [ "$family" != ' ' ] && now && [ "$u" -lt "$end" ]; do sleep 0.2; done
  end=$((u+${GRACE_SECONDS})); while [ "$family" != ' ' ] && now && [ "$u" -lt "$end" ]; do signal KILL; sleep 0.2; look; done
  [ "$family" = ' ' ]
}`
