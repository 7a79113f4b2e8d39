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
import type { Flavour, Members } from './options.ts'
import { peerOptions } from './peer.ts'
import { softwareOf } from './software.ts'

/** Unit that enables writes on the primary after a restart. The unit of the server starts it each time. */
export const OPENER = 'provision-database-primary.service'
const SCRIPT = '/usr/local/lib/provision/database-primary'

/**
 * Every server starts read-only, so that a former primary does not accept writes. This unit enables writes if the server replicates from
 * no other, all others replicate from it, and none has transactions that it lacks. This excludes a new primary elsewhere, a fresh host
 * with the old name, and a server that lost transactions in a power cut.
 */
export const openerResources = (host: HostView, members: Members, flavour: Flavour): readonly Resource[] => {
  const others = members.servers.filter(({ name }) => name !== host.name).map((server) => `${server.name} ${addressOf(server, members)}`)
  const script = file({
    path: SCRIPT,
    mode: '755',
    content: scriptText({ name: host.name, address: addressOf(host, members), flavour }, others),
  })
  const ours = unit({
    name: OPENER,
    content: `# Written by provision.
[Unit]
Description=Enable writes on the primary after a restart
After=${softwareOf(flavour).unit}
PartOf=${softwareOf(flavour).unit}
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
const scriptText = (
  { name, address, flavour }: { readonly name: string; readonly address: string; readonly flavour: Flavour },
  others: readonly string[],
): string => {
  const { data, show, joined, columns, position, has, writable } = SQL[flavour]
  return `#!/bin/sh
# Written by provision.
${data}
errors=$(mktemp) || exit 1
trap 'rm -f "$errors"' EXIT
reason=
waits() {
  [ "$1" != "$reason" ] || return 0
  reason=$1; echo "this server stays read-only: $1"; systemd-notify --status="read-only: $1" 2>/dev/null
}
# The first line of an error, at most 200 characters.
error() { head -n 1 "$errors" | cut -c 1-200; }
own() { ${databaseClient(flavour)} -e "$1" 2>"$errors"; }
unanswered() { waits "it does not answer local queries: $(error)"; }
# Prints the replication state of another server.
ask() { timeout 1 ${flavour} --no-defaults --local-infile=0 --connect-timeout=1 -h "$1" ${peerOptions(name, flavour)} \\
  -E -e '${show}; ${position.theirs} AS Done' 2>"$errors" | ${joined}; }
field() { printf '%s\\n' "$answer" | sed -n "s/^ *$1: *//p" | head -n 1; }
# Whether this server has all transactions up to a position (per domain, by the sequence number).
${has}
follows_me() {
  answer=$(ask "$2")
  case $answer in *Done:*) ;; *) waits "$1 does not answer at $2: $(error)"; return 1 ;; esac
  source=$(field ${columns.source})
  [ "$source" = ${address} ] || { waits "$1 replicates from \${source:-no server}"; return 1; }
  has "$(field ${columns.received})" && has "$(field Done)" || { waits "$1 has transactions that this server lacks"; return 1; }
}
all_follow() {
${others.map((other) => `  follows_me ${other} || return 1\n`).join('')}}
until own 'DO 1'; do unanswered; sleep 0.5; done
while :; do
  if ! read_only=$(own 'SELECT @@read_only') || ! follows=$(own '${show}') || ! own_position=$(own '${position.own}'); then
    unanswered; sleep 1; continue
  fi
  [ "$read_only" = 1 ] || exit 0
  [ -z "$follows" ] && [ ! -e "$data/.provision-seeding" ] || exit 0
  at=$(date +%s%N)
  if all_follow; then
    if [ $(( ($(date +%s%N) - at) / 1000000 )) -lt 1500 ]; then
      own '${writable}' || { unanswered; exit 1; }
      echo 'all other servers replicate from this one: writes are enabled'
      exit 0
    fi
    waits 'the other servers answer too slowly'
  fi
  sleep 1
done
`
}

interface OpenerSql {
  /** Sets `$data`. */
  readonly data: string
  readonly show: string
  /** Command that joins the lines of a position. */
  readonly joined: string
  readonly columns: { readonly source: string; readonly received: string }
  readonly position: { readonly theirs: string; readonly own: string }
  /** Defines `has POSITION`: whether this server has all transactions up to it. */
  readonly has: string
  readonly writable: string
}

const SQL: Readonly<Record<Flavour, OpenerSql>> = {
  mariadb: {
    data: String(defineDatabaseDirectory),
    show: 'SHOW SLAVE STATUS',
    joined: 'cat',
    columns: { source: 'Master_Host', received: 'Gtid_IO_Pos' },
    position: { theirs: 'SELECT @@gtid_slave_pos', own: 'SELECT @@gtid_binlog_pos' },
    // Per domain, by the sequence number.
    has: `has() {
  for one in $(printf %s "$1" | tr ',' ' '); do
    for mine in $(printf %s "$own_position" | tr ',' ' '); do
      [ "\${mine%%-*}" != "\${one%%-*}" ] || [ "\${mine##*-}" -lt "\${one##*-}" ] || continue 2
    done
    return 1
  done
}`,
    writable: 'SET GLOBAL read_only = OFF',
  },
  mysql: {
    data: 'data=/var/lib/mysql',
    show: 'SHOW REPLICA STATUS',
    joined: `sed -e :a -e '/,$/N; s/,\\n/,/; ta'`,
    columns: { source: 'Source_Host', received: 'Retrieved_Gtid_Set' },
    position: { theirs: 'SELECT REPLACE(@@gtid_executed, CHAR(10), "")', own: 'SELECT REPLACE(@@gtid_executed, CHAR(10), "")' },
    // The server compares the sets. A text of another server that is no set is refused.
    has: `has() {
  case $1 in *[!0-9a-z_:,-]*) return 1 ;; esac
  [ "$(own "SELECT GTID_SUBSET('$1', @@gtid_executed)")" = 1 ]
}`,
    writable: 'SET GLOBAL read_only = OFF',
  },
}
