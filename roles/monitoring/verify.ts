import type { Check, SiteContext } from 'provision'
import { askHttp } from './loaded.ts'
import type { Options } from './options.ts'
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
      ]
    : []),
]
