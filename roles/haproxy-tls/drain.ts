import { type Script, sh } from 'provision'
import { SOCKET } from './share.ts'

// The scripts do nothing if HAProxy does not run or does not have the server.
const FUNCTIONS = sh`
ask() { printf '%s\\n' "$1" | timeout 10 socat -t 5 - UNIX-CONNECT:${SOCKET}; }
places() { ask 'show servers state' | while read -r _ backend _ name _; do [ "$name" != "$server" ] || printf '%s/%s\\n' "$backend" "$name"; done; }
column() { ask 'show stat' | awk -F, -v name="$server" -v key="$1" 'NR == 1 { sub(/^# /, ""); for (i = 1; i <= NF; i++) at[$i] = i; next } $at["svname"] == name { print $at[key] }'; }
has_other() { ask 'show stat' | awk -F, -v backend="$1" -v name="$server" '$1 == backend && $2 != name && $2 != "BACKEND" && $18 ~ /^UP/ { found = 1 } END { exit !found }'; }
[ -S ${SOCKET} ] && command -v socat >/dev/null || exit 0
`

/**
 * Script that drains a server on this balancer: no new requests, then a wait of at most so many seconds until the current ones have
 * ended. The only healthy server of a backend stays in, because without it no request could be served.
 */
export const outScript = (server: string, seconds: number): Script => sh`
server=${server}
${FUNCTIONS}
for place in $(places); do
  ! has_other "\${place%/*}" || ask "set server $place state drain" | grep . >&2
done
end=$(($(date +%s) + ${seconds}))
until ! column scur | grep -qvx 0 || [ "$(date +%s)" -ge $end ]; do sleep 0.1; done
exit 0`

/** Script that puts a server back, and waits until this balancer finds it healthy. */
export const backScript = (server: string, seconds: number): Script => sh`
server=${server}
${FUNCTIONS}
for place in $(places); do ask "set server $place state ready" | grep . >&2; done
end=$(($(date +%s) + ${seconds}))
until ! column status | grep -qv '^UP'; do
  [ "$(date +%s)" -lt $end ] || { printf '%s is not healthy: %s, %s\\n' "$server" "$(column status | sort -u)" "$(column last_chk | sort -u)" >&2; exit 1; }
  sleep 0.2
done
exit 0`
