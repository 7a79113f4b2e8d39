import { type Script, sh } from 'provision'
import { SOCKET } from './share.ts'

/** Directory of the certificates for the connections to web servers. */
export const EDGE = '/etc/ssl/haproxy/edge'

/** The health check of one section of HAProxy. */
export interface HealthCheck {
  readonly section: string
  /** Undefined if the check of HAProxy itself is sufficient, as for TCP. */
  readonly request?: { readonly path: string; readonly host: string; readonly status: number }
}

/** Shell functions that ask HAProxy. A script that begins with them ends at once with success if HAProxy is stopped. */
export const askHaproxy: Script = sh`
ask() { printf '%s\\n' "$1" | timeout 10 socat -t 5 - UNIX-CONNECT:${SOCKET} 2>/dev/null; }
stat() { ask 'show stat'; }
# Prints the state and the last check of each server of a section, or of one server in every section.
described() { stat | awk -F, -v section="$1" -v name="$2" 'NR == 1 { sub(/^# /, ""); for (i = 1; i <= NF; i++) at[$i] = i; next }
  $at["check_status"] == "" || (section != "" && $1 != section) || (name != "" && $2 != name) || $2 == "BACKEND" { next }
  # While a check is in progress, HAProxy marks the state with a star and has no code yet.
  { last = $at["check_status"]; sub(/^\\* /, "", last); if ($at["check_code"] > 0) last = last " " $at["check_code"]
    if ($at["last_chk"] != "") last = last " " $at["last_chk"]
    printf "%s%s in %s is %s (%s)", (some ? ", " : ""), $2, $1, $18, last; some = 1 }'; }
[ -S ${SOCKET} ] && command -v socat >/dev/null || exit 0
# A stopped HAProxy leaves its socket behind. One that crashed or hangs is not inactive, and does not count as healthy.
[ "$(systemctl is-active haproxy.service 2>/dev/null)" != inactive ] || exit 0
`

/** Shell function `answers SECTION SERVER` that sends a health check as HAProxy does; a failure sets `$problem`. */
export const healthCheckFunction = (checks: readonly HealthCheck[]): Script => sh`
answers() {
  case $1 in
${checks.flatMap(({ section, request }) => (request === undefined ? [] : [sh`  ${section}) set -- "$1" "$2" ${request.path} ${request.host} ${request.status};;`]))}
  *) return 0;;
  esac
  at=$(ask 'show servers state' | awk -v place="$1/$2" '$2 "/" $4 == place { print ($5 ~ /:/ ? "[" $5 "]" : $5) ":" $19 }')
  name=$2.edge.provision.internal
  first=$(printf 'GET %s HTTP/1.1\\r\\nHost: %s\\r\\nConnection: close\\r\\n\\r\\n' "$3" "$4" | timeout 5 openssl s_client -quiet -connect "$at" -servername "$name" -verify_return_error -verify_hostname "$name" \\
    -CAfile ${EDGE}/authority.pem -cert ${EDGE}/client.pem -key ${EDGE}/client.pem.key 2>/dev/null | head -n 1 | tr -d '\\r')
  case $first in "HTTP/1."?" $5 "*|"HTTP/1."?" $5") return 0;; esac
  problem="$2 in $1 answers GET $3 for $4 with \${first:-nothing}"
  return 1
}
`

/**
 * Script that fails unless each section has a server that HAProxy finds healthy and that answers the health check now. It waits so many
 * seconds, because a server that has just started needs two checks.
 */
export const servesScript = (seconds: number, checks: readonly HealthCheck[]): Script => sh`
${askHaproxy}
${healthCheckFunction(checks)}
sections=$(ask 'show servers state' | awk 'NF > 18 && $1 != "#" { print $2 }' | sort -u)
up() { stat | awk -F, -v section="$1" '$1 == section && $2 != "BACKEND" && $18 == "UP" { print $2 }'; }
serves() {
  problem="HAProxy finds no healthy server: $(described "$1" '')"
  for one in $(up "$1"); do ! answers "$1" "$one" || return 0; done
  return 1
}
status=0 end=$(($(date +%s) + ${seconds}))
for section in ${checks.map(({ section }) => section)}; do
  printf '%s\\n' "$sections" | grep -qxF -e "$section" || continue
  until serves "$section"; do
    [ "$(date +%s)" -lt $end ] || { printf '%s\\n' "$problem" >&2; status=1; break; }
    sleep 0.2
  done
done
exit $status`
