import { command, type HostView, type ReplicatedMembers, type Resource } from 'provision'
import { PATHS, PORT } from './config.ts'
import { replicasOf, slotOf } from './members.ts'
import type { Software } from './release.ts'

/** Account of replicas, which log in with the certificate of their host. */
export const REPLICATION = 'provision-replica'

export const SCRIPT = '/usr/local/lib/provision/postgresql'

/** How a replica connects to its primary. */
export const connectionTo = (primary: HostView, nameOf: (name: string) => string): string =>
  [
    `host=${nameOf(primary.name)} hostaddr=${primary.addresses[0] ?? primary.name} port=${PORT} user=${REPLICATION}`,
    `sslmode=verify-full sslrootcert=${PATHS.trusted} sslcert=${PATHS.pair} sslkey=${PATHS.pair}.key connect_timeout=10`,
  ].join(' ')

/** Content of `pg_ident.conf`: the names in the certificates of the servers, which can log in as replicas. */
export const identFile = ({ servers }: ReplicatedMembers, nameOf: (name: string) => string): string =>
  `# Written by provision.\n${servers.map(({ name }) => `replica "${nameOf(name)}" "${REPLICATION}"\n`).join('')}`

/** Shell function that prints what a data directory has: \`none\`, \`standby\`, \`pristine\` (nothing was ever created in it) or \`own\`. */
export const DATA_STATE = `data_state() {
  [ -e "$2/PG_VERSION" ] || { echo none; return; }
  [ ! -e "$2/standby.signal" ] || { echo standby; return; }
  control=$(LC_ALL=C "$1/pg_controldata" "$2") || { echo own; return; }
  next=$(printf '%s\\n' "$control" | sed -n "s/^Latest checkpoint's NextOID: *//p")
  # The first object of a user gets 16384.
  case $control in *'cluster state:               shut down
'*) [ "\${next:-16384}" -ge 16384 ] || { echo pristine; return; } ;; esac
  echo own
}`

interface Start {
  readonly software: Software
  /** How it connects to its primary; undefined on the primary. */
  readonly connection: string | undefined
  readonly slot: string
  readonly discards: boolean
}

/** Script that runs before each start of the server, as the account postgres. */
export const startScript = ({ software: { programs, data }, connection, slot, discards }: Start): string => `#!/bin/sh
# Written by provision.
set -eu
cd /
umask 077
data=${data}
${DATA_STATE}
# An interrupted seeding left the former directory removed, and the new one complete.
restore() { [ -e "$data" ] || [ ! -e "$data.seed/standby.signal" ] || mv "$data.seed" "$data"; }

restore
${connection === undefined ? '' : seedLines({ programs, connection, slot, discards })}`

const seedLines = ({
  programs,
  connection,
  slot,
  discards,
}: Omit<Start, 'software'> & { programs: string }): string => `case $(data_state ${programs} "$data") in
  standby) exit 0 ;;
  own) ${discards ? ':' : `echo 'the data directory has data of its own, which a replica would lose' >&2; exit 1`} ;;
esac
i=0
until rm -rf "$data.seed" && ${programs}/pg_basebackup -w -X stream -c fast -S ${slot} -D "$data.seed" -d '${connection}'; do
  i=$((i+1))
  [ $i -lt 200 ] || { echo 'no copy of the primary after 10 minutes' >&2; exit 1; }
  sleep 3
done
: >"$data.seed/standby.signal"
sync "$data.seed/standby.signal" "$data.seed"
rm -rf "$data.old"
[ ! -e "$data" ] || mv "$data" "$data.old"
restore
rm -rf "$data.old"
`

const NAMES = 'SELECT slot_name FROM pg_replication_slots'

/** Creates the slots of the replicas, and drops those of former ones, for which the primary would keep its log. */
export const slots = (members: ReplicatedMembers, host: HostView): Resource => {
  const wanted = replicasOf(members, host).map((replica) => `'${slotOf(replica)}'`)
  const list = `ARRAY[${wanted.join(', ')}]::text[]`
  const former = `slot_name LIKE 'provision\\_%' AND slot_type = 'physical' AND slot_name <> ALL (${list})`
  const query = (sql: string): string => `psql -XAtqw -v ON_ERROR_STOP=1 -h ${PATHS.sockets} -p ${PORT} -d postgres -c "${sql}" </dev/null`
  const missing = `SELECT one FROM unnest(${list}) AS one WHERE one NOT IN (${NAMES})`
  return command({
    name: 'replication slots of PostgreSQL',
    user: 'postgres',
    unless: `[ "$(${query(`SELECT count(*) FROM (${missing} UNION ALL ${NAMES} WHERE ${former}) AS differs`)})" = 0 ]`,
    run: [
      query(`SELECT pg_create_physical_replication_slot(one, true) FROM (${missing}) AS missing`),
      query(`SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE active AND ${former}`),
      query(`SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE ${former}`),
    ].join('\n'),
  })
}
