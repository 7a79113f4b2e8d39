import { applicationSocket, applicationUnit, type Check, phpAnswering, type Script, sh } from 'provision'
import { type Options, sitesOf } from './options.ts'
import { rootOf, visitedName } from './site.ts'

/** Paths of the certificate for connections of balancers, and of the authority that verifies them. */
export const CERTIFICATE = '/etc/ssl/nginx/edge.pem'
export const TRUSTED = '/etc/ssl/nginx/edge-authority.pem'

/** Shell functions that send requests as a balancer does. nginx admits the host's own certificate from the host itself. */
const asking = (port: number): Script => sh`
name=$(openssl x509 -in ${CERTIFICATE} -noout -subject -nameopt multiline | sed -n 's/^ *commonName *= //p')
ask() {
  printf 'GET %s HTTP/1.0\\r\\nHost: %s\\r\\n\\r\\n' "$1" "$2" >"$T/asked"; shift 2
  timeout 10 openssl s_client -quiet -connect 127.0.0.1:${port} -servername "$name" -verify_return_error -verify_hostname "$name" -CAfile ${TRUSTED} "$@" <"$T/asked" 2>/dev/null
}
own() { ask "$1" "$2" -cert ${CERTIFICATE} -key ${CERTIFICATE}.key; }
`

/** Checks of `provision verify`. */
export const checksOf = (options: Options, host: string): readonly Check[] => [
  ...sitesOf(options).flatMap((site) => {
    const called = visitedName(site)
    const units = ['nginx.service', ...(site.app === undefined ? [] : [applicationUnit(site.name)])]
    const asked = (name: string, script: Script): Check => ({ name, script: sh`${asking(options.port)}${script}`, units })
    const { probe, content } = site
    return [
      asked(`${site.name} on ${host} answers over TLS`, answeredScript('/healthz', called, 200)),
      ...(site.app?.runtime === 'php'
        ? [
            {
              name: `PHP on ${host} answers for ${site.name}`,
              script: phpAnswering({ socket: applicationSocket(site.name), root: '', seconds: 5 }),
              units: [applicationUnit(site.name)],
            },
          ]
        : []),
      ...(probe === undefined
        ? []
        : [
            asked(
              `${site.name} on ${host} answers ${probe.path} with status ${probe.status}`,
              answeredScript(probe.path, called, probe.status),
            ),
          ]),
      ...(content === undefined
        ? []
        : [asked(`${site.name} on ${host} serves the deployed content`, servedScript(rootOf(site), site.index, called))]),
    ]
  }),
  {
    name: `nginx on ${host} does not answer without a client certificate`,
    script: sh`${asking(options.port)}[ -z "$(ask /healthz localhost | head -c 100)" ] || { echo 'it answers a client without a certificate'; exit 1; }`,
    units: ['nginx.service'],
  },
]

/** Script that requires this status. */
const answeredScript = (path: string, called: string, status: number): Script => sh`
first=$(own ${path} ${called} | head -n 1 | tr -d '\\r')
case $first in "HTTP/1."?" "${status}*) ;; *) printf 'GET %s for %s is answered with %s\\n' ${path} ${called} "\${first:-nothing}"; exit 1;; esac`

/**
 * Script that compares a served file with its digest in the release: the index or, without one, a file with a plain name. It does not apply
 * to a site that redirects the name, or asks for a password.
 */
const servedScript = (root: string, index: string, called: string): Script => sh`
cd ${root} && sums=$(readlink current).sums && [ -f "$sums" ] || { echo 'no release is deployed' >&2; exit 1; }
cut -c 67- "$sums" >"$T/paths"
file=$(grep -xF ${index} "$T/paths" || LC_ALL=C grep -xm 1 '[A-Za-z0-9._/-]*' "$T/paths") || exit 0
own "/$file" ${called} >"$T/answer"
first=$(head -n 1 "$T/answer" | tr -d '\\r')
case $first in "HTTP/1."?" 3"*|"HTTP/1."?" 401"*|"HTTP/1."?" 403"*) exit 77;; "HTTP/1."?" 200"*) ;; *) printf 'GET /%s for %s is answered with %s\\n' "$file" ${called} "\${first:-nothing}"; exit 1;; esac
served=$(sed "1,/^$(printf '\\r')\\$/d" "$T/answer" | sha256sum)
grep -qxF -- "\${served%% *}  $file" "$sums" || { echo "/$file differs from the deployed file" >&2; exit 1; }`
