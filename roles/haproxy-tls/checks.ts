import { isIP } from 'node:net'
import { bracketed, type Check, type FlowContext, type SiteProbe } from 'provision'
import { OWN } from './certificates/own.ts'
import type { Options } from './options.ts'
import { SOCKET } from './share.ts'
import { expectedFor } from './sites/expected.ts'
import { servedBy } from './sites/served.ts'

/** Checks of `provision verify`. */
export const checksOf = (
  { options, site, flows }: FlowContext<Options>,
  certificates: readonly { readonly path: string }[],
): readonly Check[] => {
  const served = servedBy(options.backend, site, flows)
  const names = options.certificates.flatMap((one) => one.names)
  const checks: readonly Check[] = [
    ...names.map((name) => ({
      name: `${name} is served over HTTPS`,
      script: servedScript(options, name.replace('*', 'any'), expectedFor({ name, from: ['127.0.0.1'] }, options, served)),
      follows: HEALTHY,
    })),
    { name: 'HTTP is redirected to HTTPS', script: redirectScript },
    ...(options.http3 ? [{ name: 'HTTP/3 is offered on port 443 (UDP)', script: http3Script }] : []),
    { name: `TLS versions match the profile ${options.tls}`, script: protocolsScript(options.tls) },
  ]
  const healthy = { name: HEALTHY, script: serversScript, fix: 'repair the named servers: run provision verify --limit with their names' }
  const needing = (check: Check): Check => ({ ...check, units: ['haproxy.service'] })
  return [
    ...checks.map(needing),
    { name: 'certificates are renewed in time', script: certificates.map(({ path }) => ageScript(path)).join('') },
    needing(healthy),
  ]
}

const HEALTHY = 'every web server is healthy'

/**
 * Script that requires an issued certificate with its chain, valid for the name, and a response with the expected status and headers. With
 * -checkend, openssl ignores -checkhost, so it is asked each question alone.
 */
const servedScript = ({ hsts_seconds, headers }: Options, name: string, probe: SiteProbe | undefined): string => `
printf 'GET ${probe?.path ?? '/'} HTTP/1.0\\r\\nHost: ${bracketed(name)}\\r\\n\\r\\n' | timeout 10 openssl s_client -connect 127.0.0.1:443 ${isIP(name) === 0 ? `-servername ${name}` : '-noservername'} -showcerts -ign_eof 2>/dev/null >"$T/answer"
grep -q -e '-----BEGIN CERTIFICATE-----' "$T/answer" || { echo 'port 443 presents no certificate for this name'; exit 1; }
for what in -issuer '-checkend 0' '${isIP(name) === 0 ? '-checkhost' : '-checkip'} ${name}'; do openssl x509 -in "$T/answer" -noout $what; done >"$T/found" 2>&1
! grep -e 'does NOT match' -e 'will expire' -e 'provision placeholder' "$T/found" && grep -q 'does match' "$T/found" || exit 1
sed '1,/-----END CERTIFICATE-----/d' "$T/answer" >"$T/rest"; openssl x509 -in "$T/answer" -out "$T/leaf"
openssl verify -partial_chain -trusted "$T/rest" "$T/leaf" >/dev/null 2>"$T/why" || { echo 'the certificate chain is not complete'; sed '/:error:/d' "$T/why"; exit 1; }
first=$(grep -m 1 '^HTTP/' "$T/answer" | tr -d '\\r')
printf '%s \\n' "$first" | grep -qE '^HTTP/1[.][01] (${probe?.status ?? '[23]..|401|403|404'}) ' || { echo "GET ${probe?.path ?? '/'} is answered with \${first:-nothing}"; exit 1; }
${Object.keys(headers).some((header) => header.toLowerCase() === 'strict-transport-security') ? '' : `grep -qi '^strict-transport-security: max-age=${hsts_seconds}' "$T/answer" || { echo 'the response has no header Strict-Transport-Security: max-age=${hsts_seconds}'; exit 1; }`}`

const http3Script = `ss -Hlnu 'sport = :443' | grep -q . || { echo 'HAProxy does not listen on port 443 (UDP)'; exit 1; }`

const redirectScript = `timeout 10 bash --norc -c 'exec 3<>/dev/tcp/127.0.0.1/80 && printf "GET / HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n" >&3 && cat <&3' | grep -qi '^location: https://' || { echo 'port 80 does not redirect to HTTPS'; exit 1; }`

const protocolsScript = (tls: Options['tls']): string => `
accepts() { timeout 10 openssl s_client -connect 127.0.0.1:443 "$@" -cipher 'DEFAULT@SECLEVEL=0' </dev/null 2>/dev/null | grep -q '^New, TLSv'; }
for old in -tls1 -tls1_1${tls === 'modern' ? ' -tls1_2' : ''}; do ! accepts "$old" || { echo "HAProxy accepts $old"; exit 1; }; done
for new in${tls === 'modern' ? '' : ' -tls1_2'} -tls1_3; do accepts "$new" || { echo "HAProxy refuses $new"; exit 1; }; done`

/** Script that fails if less than a sixth of the lifetime is left. Runs renew a certificate in the last third. */
const ageScript = (path: string): string => `
at() { date -d "$(openssl x509 -in ${path} -noout "$1" | cut -d= -f2)" +%s; }
from=$(at -startdate) to=$(at -enddate)
[ $(( (to - $(date +%s)) * 6 )) -gt $((to - from)) ] || { echo "${path} expires at $(date -ud "@$to" '+%F %H:%M') UTC: ${path.endsWith(OWN) ? 'replace it in the project' : 'run provision run, which renews it or reports the reason'}"; exit 1; }
`

// A section whose servers track those of another one, named in field 32, has the same health. HAProxy's own health checks use TLS and verify the name in the certificate.
const serversScript = `echo 'show stat' | timeout 10 socat -t 5 - UNIX-CONNECT:${SOCKET} >"$T/stat" && [ -s "$T/stat" ] || { echo 'HAProxy does not answer at its socket'; exit 1; }
awk -F, '
NF < 18 || $1 ~ /^#/ || $2 ~ /^(FRONTEND|BACKEND)$/ || $18 == "no check" || $32 != "" { next }
$18 !~ /^UP/ { print $2 " in " $1 ": " $18; bad = 1 }
END { exit bad }' "$T/stat"`
