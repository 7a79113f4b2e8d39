import { OWN } from './own.ts'

/**
 * Lines of a script that ask the authority for the window in which it suggests to renew a certificate (RFC 9773). `$p` is the chain, `$w` a
 * scratch directory with its `leaf`, `$f` its fingerprint. The script records a time within the window, which it derives from the fingerprint.
 */
export const renewalLines = `  [ -n "$window" ] || continue
  case $p in *${OWN}) continue ;; esac
  key=$(openssl x509 -in "$w/leaf" -noout -ext authorityKeyIdentifier 2>/dev/null | sed -n 's/^ *\\(keyid:\\)\\{0,1\\}\\([0-9A-F:]*\\)$/\\2/p' | tr -d ':\\n')
  serial=$(openssl x509 -in "$w/leaf" -noout -serial | cut -d = -f 2)
  case $serial in [89A-F]*) serial=00$serial ;; esac
  get "$window/$(encoded "$key").$(encoded "$serial")" >"$w/window" || continue
  start=$(field start <"$w/window") end=$(field end <"$w/window")
  case $start,$end in 20[0-9][0-9]-*,20[0-9][0-9]-*) ;; *) continue ;; esac
  from=$(date -d "$start" +%s) && to=$(date -d "$end" +%s) && [ "$to" -ge "$from" ] || continue
  at=$((from + $(printf '%s' "$f" | cksum | cut -d ' ' -f 1) % (to - from + 1)))
  printf '%s %s\\n' "\${f#*=}" "$at" >"$p.renewal.new" && mv -f "$p.renewal.new" "$p.renewal"
`

/** Functions of the script, and the address at which it asks; empty if the authority has none. */
export const renewalFunctions = (directory: string): string => `# Prints the answer to an https address, if its certificate is valid.
get() {
  rest=\${1#https://} at=\${rest%%/*} name=\${rest%%[:/]*}
  case $at in *:*) ;; *) at=$at:443 ;; esac
  case $name in *[!0-9.]*) set -- "/\${rest#*/}" -servername "$name" -verify_hostname "$name" ;; *) set -- "/\${rest#*/}" -verify_ip "$name" ;; esac
  path=$1; shift
  printf 'GET %s HTTP/1.0\\r\\nHost: %s\\r\\nAccept: application/json\\r\\n\\r\\n' "$path" "\${rest%%/*}" |
    timeout 30 openssl s_client -quiet -connect "$at" -verify_return_error "$@" 2>/dev/null | head -c 65536 | tr -d '\\r' >"$w/got"
  head -n 1 "$w/got" | grep -q '^HTTP/1[.][01] 200 ' && sed '1,/^$/d' "$w/got"
}
field() { tr -d '\\n' | sed -n "s/.*\\"$1\\"[[:space:]]*:[[:space:]]*\\"\\([^\\"]*\\)\\".*/\\1/p"; }
encoded() { perl -e 'print pack("H*", shift)' "$1" | base64 -w 0 | tr '+/' '-_' | tr -d '='; }
window=$(get '${directory}' | field renewalInfo)
case $window in https://*) ;; *) window= ;; esac
`
