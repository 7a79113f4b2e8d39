import {
  databaseClient,
  defineDatabaseDirectory,
  directory,
  file,
  type HostView,
  type Resource,
  sandbox,
  settingLines,
  unit,
} from 'provision'
import { addressOf } from './addresses.ts'
import type { Members } from './options.ts'
import { peerOptions } from './peer.ts'

/** Unit that enables writes on the primary after a restart. The unit of the server starts it each time. */
export const OPENER = 'provision-database-primary.service'
const SCRIPT = '/usr/local/lib/provision/database-primary'

/**
 * Every server starts read-only, so that a former primary does not accept writes. This unit enables writes if the server replicates from
 * no other, all others replicate from it, and none has transactions that it lacks. This excludes a new primary elsewhere, a fresh host
 * with the old name, and a server that lost transactions in a power cut.
 */
export const openerResources = (host: HostView, members: Members): readonly Resource[] => {
  const others = members.servers.filter(({ name }) => name !== host.name).map((server) => `${server.name} ${addressOf(server, members)}`)
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
NotifyAccess=all
User=mysql
Group=mysql
${settingLines(sandbox({ network: 'all' }))}`,
  })
  return [directory({ path: '/usr/local/lib/provision' }), script, ours]
}

/**
 * Writes are enabled less than 1.5 seconds after the first answer, otherwise the script asks again. A promotion of another server waits
 * longer. The script prints the reason for the wait once, and sets it as the status of the unit.
 */
const scriptText = (name: string, me: string, others: readonly string[]): string => `#!/bin/sh
# Written by provision.
${defineDatabaseDirectory}
errors=$(mktemp) || exit 1
trap 'rm -f "$errors"' EXIT
reason=
waits() {
  [ "$1" != "$reason" ] || return 0
  reason=$1; echo "this server stays read-only: $1"; systemd-notify --status="read-only: $1" 2>/dev/null
}
# The first line of an error, at most 200 characters.
error() { head -n 1 "$errors" | cut -c 1-200; }
own() { ${databaseClient('mariadb')} -e "$1" 2>"$errors"; }
unanswered() { waits "it does not answer local queries: $(error)"; }
# Prints the replication state of another server.
ask() { timeout 1 mariadb --no-defaults --local-infile=0 --connect-timeout=1 -h "$1" ${peerOptions(name)} \\
  -E -e 'SHOW SLAVE STATUS; SELECT @@gtid_slave_pos AS Done' 2>"$errors"; }
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
follows_me() {
  answer=$(ask "$2")
  case $answer in *Done:*) ;; *) waits "$1 does not answer at $2: $(error)"; return 1 ;; esac
  source=$(field Master_Host)
  [ "$source" = ${me} ] || { waits "$1 replicates from \${source:-no server}"; return 1; }
  has "$(field Gtid_IO_Pos)" && has "$(field Done)" || { waits "$1 has transactions that this server lacks"; return 1; }
}
all_follow() {
${others.map((other) => `  follows_me ${other} || return 1\n`).join('')}}
until own 'DO 1'; do unanswered; sleep 0.5; done
while :; do
  if ! read_only=$(own 'SELECT @@read_only') || ! follows=$(own 'SHOW SLAVE STATUS') || ! own_position=$(own 'SELECT @@gtid_binlog_pos'); then
    unanswered; sleep 1; continue
  fi
  [ "$read_only" = 1 ] || exit 0
  [ -z "$follows" ] && [ ! -e "$data/.provision-seeding" ] || exit 0
  at=$(date +%s%N)
  if all_follow; then
    if [ $(( ($(date +%s%N) - at) / 1000000 )) -lt 1500 ]; then
      own 'SET GLOBAL read_only = OFF' || { unanswered; exit 1; }
      echo 'all other servers replicate from this one: writes are enabled'
      exit 0
    fi
    waits 'the other servers answer too slowly'
  fi
  sleep 1
done
`
