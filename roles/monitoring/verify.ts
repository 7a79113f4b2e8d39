import type { Check, SiteContext } from 'provision'
import { askHttp } from './loaded.ts'
import type { Receiver } from './options/receivers.ts'
import type { Options } from './options.ts'
import { TEST_ALERT } from './routes.ts'
import { alertsOf } from './rules/all.ts'

/** Checks of a host: no measurements without a certificate. A monitoring server also checks targets, rules and receivers. */
export const checksOf = ({ options, host }: SiteContext<Options>, isServer: boolean): readonly Check[] => [
  {
    name: `${host.name} refuses to show its measurements without a certificate`,
    script: `printf 'GET /proxy?module=node HTTP/1.0\\r\\n\\r\\n' | timeout 10 openssl s_client -quiet -connect 127.0.0.1:${options.port} 2>/dev/null | { ! grep -q .; } || { echo 'it shows them to a client without a certificate'; exit 1; }`,
    units: ['prometheus-exporter-exporter.service'],
  },
  ...(isServer
    ? [
        {
          name: 'every target is up',
          units: ['prometheus.service'],
          script: `${askHttp(9090, '/api/v1/query?query=up%3D%3D0')} >"$T/answer"
grep -q '"status":"success"' "$T/answer" || { echo 'Prometheus does not answer'; exit 1; }
down=$(grep -o '"metric":{[^}]*}' "$T/answer") && { printf '%s\\n' "$down"; exit 1; }
true`,
        },
        {
          name: 'every rule is loaded',
          units: ['prometheus.service'],
          script: `${askHttp(9090, '/api/v1/rules?type=alert')} >"$T/answer"
for name in ${alertsOf(options)
            .map(({ alert }) => alert)
            .join(' ')}; do grep -qF "\\"name\\":\\"$name\\"" "$T/answer" || { echo "$name is not loaded"; exit 1; }; done`,
        },
        ...options.receivers.map((one) => ({
          name: `a test alert reaches ${one.name} (${one.type})`,
          script: deliveryScript(host.name, one),
          units: ['prometheus-alertmanager.service'],
        })),
      ]
    : []),
]

/**
 * Script that sends a test alert and waits for its delivery in the log of Alertmanager. The log reports attempts that will be retried and
 * those that were given up in different lines. The script waits 45 seconds for a silent receiver, 12 for one that refuses. The peers of
 * a cluster wait for each other before they deliver.
 */
const deliveryScript = (host: string, { name, type, ...rest }: Receiver): string => `
since=$(date '+%Y-%m-%d %H:%M:%S')
log_lines() { journalctl -q -u prometheus-alertmanager --since "$since" --no-pager -o cat | grep -F -e 'receiver=${name} ' -e 'err="${name}/'; }
amtool --alertmanager.url=http://127.0.0.1:9093 alert add alertname=${TEST_ALERT} severity=none host=${host} receiver=${name} "instance=$(date +%s%N)" \\
  --annotation='summary=test: the monitoring on ${host} reaches you' --annotation='runbook=no action is needed' --end="$(date -u -d '+1 minute' +%Y-%m-%dT%H:%M:%SZ)" >/dev/null || exit 1
begun=$(date +%s) limit=45; until log_lines >"$T/log"; [ "$(grep -F 'msg="Notify success"' "$T/log" | grep -o 'integration=[^ ]*' | sort -u | wc -l)" -ge ${'to' in rest ? rest.to.length : 1} ]; do
  [ $(($(date +%s) - begun)) -lt $limit ] || { echo 'not delivered:'; sed -nE 's/.* err="(.*)"$/  \\1/p' "$T/log" | sed 's/notify retry canceled.* attempts: //; s#^  ${name}/[^ ]* #  #; s/\\\\"/"/g' | sort -u | tail -n 3; exit 1; }
  sleep 0.5; ! grep -q ' err="' "$T/log" || limit=12
done`
