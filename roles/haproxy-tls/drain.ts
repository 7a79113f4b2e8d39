import { type Script, sh } from 'provision'
import { askHaproxy, type HealthCheck, healthCheckFunction } from './health.ts'

// The scripts do nothing if HAProxy does not have the server.
const FUNCTIONS = sh`${askHaproxy}
places() { ask 'show servers state' | while read -r _ section _ name _; do [ "$name" != "$server" ] || printf '%s/%s\\n' "$section" "$name"; done; }
column() { stat | awk -F, -v name="$server" -v key="$1" 'NR == 1 { sub(/^# /, ""); for (i = 1; i <= NF; i++) at[$i] = i; next } $at["svname"] == name { print $at[key] }'; }
is_tracking() { stat | awk -F, -v place="$1" 'NR == 1 { sub(/^# /, ""); for (i = 1; i <= NF; i++) at[$i] = i; next } $1 "/" $2 == place && $at["tracked"] != "" { found = 1 } END { exit !found }'; }
has_other() { stat | awk -F, -v section="$1" -v name="$server" '$1 == section && $2 != name && $2 != "BACKEND" && $18 ~ /^UP/ { found = 1 } END { exit !found }'; }
# The eighth bit of the administrative state, the seventh field.
is_drained() { ask 'show servers state' | awk -v place="$1" '$2 "/" $4 == place && int($7 / 8) % 2 { found = 1 } END { exit !found }'; }`

/**
 * Script that drains a server on this balancer: no new requests, then a wait of at most so many seconds until the current ones have
 * ended. The only healthy server of a section stays in, because without it no request could be served.
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

/**
 * Script that puts a server back, and waits until this balancer finds it healthy by checks that began after the change. HAProxy forgets
 * the earlier checks of a drained server: it is down until two new ones succeed. A server that was never drained may be the only one that
 * serves, so it stays up, and the script sends the health check itself.
 */
export const backScript = (server: string, seconds: number, checks: readonly HealthCheck[]): Script => sh`
server=${server}
${FUNCTIONS}
${healthCheckFunction(checks)}
asked=
for place in $(places); do
  if is_drained "$place" && has_other "\${place%/*}"; then
    is_tracking "$place" || ask "set server $place health down" | grep . >&2
  else asked="$asked $place"; fi
done
for place in $(places); do ask "set server $place state ready" | grep . >&2; done
is_healthy() {
  stat | grep -q '^# pxname' || { problem='HAProxy does not answer at its socket'; return 1; }
  problem=$(described '' "$server")
  ! column status | grep -qvx -e UP -e 'no check' || return 1
  for place in $asked; do answers "\${place%/*}" "$server" || return 1; done
}
end=$(($(date +%s) + ${seconds}))
until is_healthy; do
  [ "$(date +%s)" -lt $end ] || { printf '%s is not healthy: %s\\n' "$server" "$problem" >&2; exit 1; }
  sleep 0.2
done
exit 0`
