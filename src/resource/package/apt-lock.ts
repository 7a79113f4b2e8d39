import { sh } from '../../shell/sh.ts'
/**
 * Shell functions that wait for the locks of apt and dpkg. `until_free SECONDS` returns 1 on timeout, with the holder in `$who`. It needs
 * neither lsof nor fuser: /proc/locks has the process, its descriptors name the file.
 */
export const lockFunctions = sh`
uptime_s() { read -r up _ </proc/uptime; echo "\${up%%.*}"; }
described() {
  read -r name <"/proc/$1/comm" && read -r stat <"/proc/$1/stat" || return
  pid=$1; set -- \${stat##*) }
  echo "$name (pid $pid), for $(( $(uptime_s) - \${20} / 100 )) s"
}
holder() {
  other=
  while read -r _ kind _ access pid _; do
    [ "$kind $access" = 'POSIX WRITE' ] && [ "$pid" -gt 0 ] || continue
    case $(ls -l "/proc/$pid/fd" 2>/dev/null) in
      *' -> /var/lib/dpkg/lock-frontend'*) described "$pid"; return ;;
      *' -> /var/lib/dpkg/lock'*|*' -> /var/lib/apt/lists/lock'*|*' -> /var/cache/apt/archives/lock'*) other=$pid ;;
    esac
  done <<LOCKS
$(cat /proc/locks)
LOCKS
  [ -z "$other" ] || described "$other"
}
until_free() {
  end=$(( $(uptime_s) + $1 ))
  while who=$(holder); [ -n "$who" ]; do
    [ "$(uptime_s)" -lt "$end" ] || return 1
    doing "waiting for dpkg: $who"; sleep 2
  done
}`
