import { file, type Resource, sandbox, service, settingLines, unit } from 'provision'
import { OWN } from './own.ts'
import { renewalFunctions, renewalLines } from './renewal.ts'

/** The list of the chains in use. */
export const LIST = '/etc/haproxy/certificates.list'

const NAME = 'provision-revocation'
const SCRIPT = '/usr/local/sbin/provision-revocation'

/**
 * Script that asks the authorities whether a certificate was revoked: by the CRL that it names, or by OCSP. A revocation is recorded beside
 * the chain, where the next run finds it. An answer counts only if the authority signed it.
 */
const scriptText = (directory: string | undefined): string => `#!/bin/sh
# Written by provision. Records beside the chains which certificates were revoked, and when the authority wants them to be renewed.
w=$(mktemp -d) || exit; trap 'rm -rf "$w"' EXIT
${directory === undefined ? '' : renewalFunctions(directory)}for p in $(cat ${LIST}); do
  openssl x509 -in "$p" -out "$w/leaf" 2>/dev/null || continue
  sed '1,/-----END CERTIFICATE-----/d' "$p" >"$w/issuer"
  grep -q BEGIN "$w/issuer" || continue
  found=$(timeout 60 openssl verify -partial_chain -trusted "$w/issuer" -crl_check -crl_download "$w/leaf" 2>&1 | grep 'certificate revoked')
  at=$(openssl x509 -in "$w/leaf" -noout -ocsp_uri | head -n 1)
  if [ -z "$found" ] && [ -n "$at" ]; then
    timeout 60 openssl ocsp -issuer "$w/issuer" -cert "$w/leaf" -url "$at" -partial_chain -CAfile "$w/issuer" >"$w/answer" 2>&1
    grep -q '^Response verify OK' "$w/answer" && found=$(grep "^$w/leaf: revoked" "$w/answer")
  fi
  f=$(openssl x509 -in "$w/leaf" -noout -fingerprint -sha256)
  if [ -n "$found" ]; then
    printf '%s\\n' "\${f#*=}" >"$p.revoked.new" && mv -f "$p.revoked.new" "$p.revoked"
    case $p in
      *${OWN}) echo "$p was revoked by its authority: replace it in the project" ;;
      *) echo "$p was revoked by its authority: the next run of provision replaces it with a new key" ;;
    esac
    continue
  fi
${directory === undefined ? '' : renewalLines}done
`

/** Resources of the check: script, service and timer. The directory is that of the authority, if it is a public one. */
export const revocationResources = (directory: string | undefined): readonly Resource[] => {
  const timer = unit({
    name: `${NAME}.timer`,
    content: `# Written by provision.
[Unit]
Description=Check twice a day whether certificates were revoked or are to be renewed

[Timer]
OnCalendar=*-*-* 05,17:20
RandomizedDelaySec=1h
Persistent=true

[Install]
WantedBy=timers.target
`,
  })
  return [
    file({ path: SCRIPT, content: scriptText(directory), mode: '755' }),
    unit({
      name: `${NAME}.service`,
      content: `# Written by provision.
[Unit]
Description=Check whether certificates were revoked or are to be renewed
After=network-online.target

[Service]
Type=oneshot
ExecStart=${SCRIPT}
${settingLines(sandbox({ network: 'all' }, { ReadWritePaths: '/etc/ssl/haproxy' }))}`,
    }),
    timer,
    service({ unit: `${NAME}.timer`, restarts: [timer] }),
  ]
}
