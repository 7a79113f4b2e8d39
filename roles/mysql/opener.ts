import { databaseClient, directory, file, type HostView, type Resource, sandbox, settingLines, unit } from 'provision'
import { addressOf } from './addresses.ts'
import { PKI } from './config.ts'
import type { Cast } from './options.ts'

/** The unit that opens the primary again after it was restarted: the server's own unit wants it at each start. */
export const OPENER = 'provision-database-primary.service'
const SCRIPT = '/usr/local/lib/provision/database-primary'

/**
 * Every server comes up read-only, so that one that was away while another took over writes nowhere. This opens it again only when it
 * follows nobody, and all others say that they follow it and have nothing that it has not: then no other was made the primary, and it is
 * no fresh host of the name of the primary, nor one that lost in a power cut what its replicas have.
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
User=mysql
Group=mysql
${settingLines(sandbox({ network: 'all' }))}`,
  })
  return [directory({ path: '/usr/local/lib/provision' }), script, ours]
}

/** Between the last answer and the opening there is less than a second, or it asks again: another one that takes over waits for longer. */
const scriptText = (name: string, me: string, others: readonly string[]): string => `#!/bin/sh
# Written by provision.
own() { ${databaseClient} -e "$1"; }
# How the server there follows another.
ask() { timeout 1 mariadb --no-defaults --local-infile=0 --connect-timeout=1 -h "$1" -u provision-replica-${name} --ssl-ca=${PKI.trusted} --ssl-cert=${PKI.pair} --ssl-key=${PKI.pair}.key \\
  -E -e 'SHOW SLAVE STATUS; SELECT @@gtid_slave_pos AS Done' 2>/dev/null; }
word() { printf '%s\\n' "$said" | sed -n "s/^ *$1: *//p" | head -n 1; }
# Whether this server has everything up to a position: of each domain the last number counts.
has() {
  for one in $(printf %s "$1" | tr ',' ' '); do
    for mine in $(printf %s "$own_position" | tr ',' ' '); do
      [ "\${mine%%-*}" != "\${one%%-*}" ] || [ "\${mine##*-}" -lt "\${one##*-}" ] || continue 2
    done
    return 1
  done
}
all_follow() {
  for other in ${others.join(' ')}; do
    said=$(ask "$other")
    case $said in *Done:*) ;; *) return 1 ;; esac
    [ "$(word Master_Host)" = ${me} ] && has "$(word Gtid_IO_Pos)" && has "$(word Done)" || return 1
  done
}
until own 'DO 1' 2>/dev/null; do sleep 0.5; done
while :; do
  [ "$(own 'SELECT @@read_only')" = 1 ] || exit 0
  if ! follows=$(own 'SHOW SLAVE STATUS') || ! own_position=$(own 'SELECT @@gtid_binlog_pos'); then sleep 1; continue; fi
  [ -z "$follows" ] && [ ! -e /var/lib/mysql/.provision-seeding ] || exit 0
  at=$(date +%s%N)
  if all_follow && [ $(( ($(date +%s%N) - at) / 1000000 )) -lt 1500 ]; then
    own 'SET GLOBAL read_only = OFF' && echo 'all others follow this server: it takes writes again'
    exit
  fi
  sleep 1
done
`
