import { directory, file, type HostView, type Resource, unit } from 'provision'
import { addressOf } from './addresses.ts'
import { PKI } from './config.ts'
import type { Cast } from './options.ts'

/** The unit that opens the primary again after it was restarted: the server's own unit wants it at each start. */
export const OPENER = 'provision-database-primary.service'
const SCRIPT = '/usr/local/lib/provision/database-primary'

/**
 * Every server comes up read-only, so that one that was away while another took over writes nowhere. This opens it again only when it
 * follows nobody and all others say that they follow it: then no other was made the primary.
 */
export const openerResources = (host: HostView, cast: Cast): readonly Resource[] => {
  const others = cast.servers.filter(({ name }) => name !== host.name).map((server) => addressOf(server, cast))
  const script = file({ path: SCRIPT, mode: '755', content: scriptText(host.name, addressOf(host, cast), others) })
  const ours = unit({
    name: OPENER,
    content: `# Written by provision.
[Unit]
Description=Opens the database to writes after a restart, where all others still follow it
After=mariadb.service
PartOf=mariadb.service
StartLimitIntervalSec=0

[Service]
ExecStart=${SCRIPT}
Restart=on-failure
RestartSec=5s
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
`,
  })
  return [directory({ path: '/usr/local/lib/provision' }), script, ours] as readonly Resource[]
}

/** Between the last answer and the opening there is less than a second, or it asks again: another one that takes over waits for longer. */
const scriptText = (name: string, me: string, others: readonly string[]): string => `#!/bin/sh
# Written by provision.
own() { mariadb --no-defaults --socket=/run/mysqld/mysqld.sock -NB -e "$1"; }
# Whom the server there follows.
followed_by() { timeout 1 mariadb --no-defaults --connect-timeout=1 -h "$1" -u provision-replica-${name} --ssl-ca=${PKI.trusted} --ssl-cert=${PKI.pair} --ssl-key=${PKI.pair}.key \\
  -E -e 'SHOW SLAVE STATUS' 2>/dev/null | sed -n 's/^ *Master_Host: //p' | head -n 1; }
all_follow() { for other in ${others.join(' ')}; do [ "$(followed_by "$other")" = ${me} ] || return 1; done; }
until own 'DO 1' 2>/dev/null; do sleep 0.5; done
while :; do
  [ "$(own 'SELECT @@read_only')" = 1 ] || exit 0
  [ -z "$(own 'SHOW SLAVE STATUS')" ] || exit 0
  at=$(date +%s%N)
  if all_follow && [ $(( ($(date +%s%N) - at) / 1000000 )) -lt 1500 ]; then
    own 'SET GLOBAL read_only = OFF' && echo 'all others follow this server: it takes writes again'
    exit
  fi
  sleep 1
done
`
