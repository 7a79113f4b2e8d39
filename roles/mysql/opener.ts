import { databaseClient, directory, file, type HostView, type Resource, sandbox, settingLines, unit } from 'provision'
import { addressOf } from './addresses.ts'
import { PKI } from './config.ts'
import type { Members } from './options.ts'

/** Unit that enables writes on the primary after a restart. The unit of the server starts it each time. */
export const OPENER = 'provision-database-primary.service'
const SCRIPT = '/usr/local/lib/provision/database-primary'

/**
 * Every server starts read-only, so that a former primary does not accept writes. This unit enables writes if the server replicates from
 * no other, all others replicate from it, and none has transactions that it lacks. This excludes a new primary elsewhere, a fresh host
 * with the old name, and a server that lost transactions in a power cut.
 */
export const openerResources = (host: HostView, members: Members): readonly Resource[] => {
  const others = members.servers.filter(({ name }) => name !== host.name).map((server) => addressOf(server, members))
  const script = file({ path: SCRIPT, mode: '755', content: scriptText(host.name, addressOf(host, members), others) })
  const ours = unit({
    name: OPENER,
    content: `# Written by provision.
[Unit]
Description=Enable writes on the primary after a restart
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

/** Writes are enabled less than 1.5 seconds after the first answer, otherwise the script asks again. A promotion of another server waits longer. */
const scriptText = (name: string, me: string, others: readonly string[]): string => `#!/bin/sh
# Written by provision.
own() { ${databaseClient} -e "$1"; }
# Prints the replication state of another server.
ask() { timeout 1 mariadb --no-defaults --local-infile=0 --connect-timeout=1 -h "$1" -u provision-replica-${name} --ssl-ca=${PKI.trusted} --ssl-cert=${PKI.pair} --ssl-key=${PKI.pair}.key \\
  -E -e 'SHOW SLAVE STATUS; SELECT @@gtid_slave_pos AS Done' 2>/dev/null; }
field() { printf '%s\\n' "$answer" | sed -n "s/^ *$1: *//p" | head -n 1; }
# Whether this server has all transactions up to a position (per domain, by the sequence number).
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
    answer=$(ask "$other")
    case $answer in *Done:*) ;; *) return 1 ;; esac
    [ "$(field Master_Host)" = ${me} ] && has "$(field Gtid_IO_Pos)" && has "$(field Done)" || return 1
  done
}
until own 'DO 1' 2>/dev/null; do sleep 0.5; done
while :; do
  [ "$(own 'SELECT @@read_only')" = 1 ] || exit 0
  if ! follows=$(own 'SHOW SLAVE STATUS') || ! own_position=$(own 'SELECT @@gtid_binlog_pos'); then sleep 1; continue; fi
  [ -z "$follows" ] && [ ! -e /var/lib/mysql/.provision-seeding ] || exit 0
  at=$(date +%s%N)
  if all_follow && [ $(( ($(date +%s%N) - at) / 1000000 )) -lt 1500 ]; then
    own 'SET GLOBAL read_only = OFF' && echo 'all other servers replicate from this one: writes are enabled'
    exit
  fi
  sleep 1
done
`
