import type { Check, SiteContext } from 'provision'
import { TEST_ALERT } from './alertmanager.ts'
import { askHttp } from './loaded.ts'
import type { Options, Receiver } from './options.ts'
import { alertsOf } from './rules/all.ts'

/** Every door is shut to strangers; on a watching host everything is measured, and every rule is there. */
export const checksOf = ({ options, host }: SiteContext<Options>, isServer: boolean): readonly Check[] => [
  {
    name: `${host.name} shows its measurements to nobody without a certificate`,
    script: `printf 'GET /proxy?module=node HTTP/1.0\\r\\n\\r\\n' | timeout 10 openssl s_client -quiet -connect 127.0.0.1:${options.port} 2>/dev/null | { ! grep -q .; }`,
  },
  ...(isServer
    ? [
        {
          name: 'every target is up',
          script: `${askHttp(9090, '/api/v1/query?query=up%3D%3D0')} >"$T/answer"
grep -q '"status":"success"' "$T/answer" || { echo 'Prometheus does not answer'; exit 1; }
down=$(grep -o '"metric":{[^}]*}' "$T/answer") && { printf '%s\\n' "$down"; exit 1; }
true`,
        },
        {
          name: 'every rule is loaded',
          script: `${askHttp(9090, '/api/v1/rules?type=alert')} >"$T/answer"
for name in ${alertsOf(options)
            .map(({ alert }) => alert)
            .join(' ')}; do grep -qF "\\"name\\":\\"$name\\"" "$T/answer" || { echo "$name is not loaded"; exit 1; }; done`,
        },
        ...(options.receivers.length === 0
          ? []
          : [{ name: 'a test alert reaches every receiver', script: deliveryScript(host.name, options.receivers) }]),
      ]
    : []),
]

/** Alertmanager counts what it sent and what was refused, by the sort of receiver. */
const deliveryScript = (host: string, receivers: readonly Receiver[]): string => `
counts() { ${askHttp(9093, '/metrics')} | awk -v sort="integration=\\"$1\\"" -v name="alertmanager_notification_requests$2_total" 'index($1, name "{") == 1 && index($1, sort) { n = $2 } END { print n + 0 }'; }
sorts='${[...Map.groupBy(receivers, ({ type }) => type)].map(([type, all]) => `${type} ${all.reduce((sum, one) => sum + (one.type === 'email' ? one.to.length : 1), 0)}`).join('\n')}'
printf '%s\\n' "$sorts" | while read -r sort n; do printf '%s %s %s %s\\n' "$sort" "$n" "$(counts "$sort" '')" "$(counts "$sort" _failed)"; done >"$T/before"
amtool --alertmanager.url=http://127.0.0.1:9093 alert add alertname=${TEST_ALERT} severity=none host=${host} "instance=$(date +%s)" \\
  --annotation='summary=a test: the monitoring on ${host} reaches you' --annotation='runbook=nothing is to be done' --end="$(date -u -d '+1 minute' +%Y-%m-%dT%H:%M:%SZ)" >/dev/null || exit 1
i=0; while :; do
  missing=
  while read -r sort n sent failed; do
    [ "$(counts "$sort" _failed)" = "$failed" ] || { echo "$sort refuses it:"; journalctl -u prometheus-alertmanager -n 5 --no-pager -o cat; exit 1; }
    [ $(($(counts "$sort" '') - sent)) -ge "$n" ] || missing="$missing $sort"
  done <"$T/before"
  [ -n "$missing" ] || exit 0
  [ $i -lt 60 ] || { echo "not delivered:$missing"; exit 1; }
  sleep 0.5; i=$((i+1))
done`
