import { copyScript, requireCopies } from './copies.ts'
import type { Copy } from './copy-options.ts'
import { HEADER } from './dump-header.ts'
import type { Flavour } from './options.ts'
import { PROGRAMS, serverShell, temporaryServer } from './temporary-server.ts'

/** Parameters of the backup script. */
export interface Backup {
  readonly flavour: Flavour
  /** Host of the server, whose dumps record their position in its binary log. */
  readonly host?: string
  readonly recipients: readonly string[]
  /** The store: its address, the name in its certificate, and its port. Undefined if this host stores its backups itself. */
  readonly store: { readonly address: string; readonly name: string; readonly port: number } | undefined
  readonly copies?: readonly Copy[]
  readonly keepDays: number
  readonly pki: { readonly pair: string; readonly trusted: string }
}

/** Exit status if no database exists yet. */
export const NOTHING = 3

/**
 * Script that dumps all databases at one moment, restores them to a temporary server, and compares both by checksum. Only a backup that
 * passes is encrypted and stored. One session holds the lock until the dump has begun, so that its checksums and the dump are consistent.
 */
export const backupScript = ({ flavour, host, recipients, store, copies = [], keepDays, pki }: Backup): string => {
  const { dump, dumpOptions } = PROGRAMS[flavour]
  return `#!/bin/sh
# Written by provision.
set -eu
umask 077
cd "$STATE_DIRECTORY"
${serverShell(flavour)}
rm -rf work; mkdir work
checker= server=
trap 'code=$?; set +e; trap - EXIT; exec 3>&-; kill $checker $server 2>/dev/null; wait; rm -rf work; exit $code' EXIT

mkfifo work/queries; : >work/answers
$client --unbuffered <work/queries >work/answers & checker=$!
exec 3>work/queries
printf '%s\\n' 'SET SESSION lock_wait_timeout = 60;' 'FLUSH TABLES WITH READ LOCK;' 'START TRANSACTION WITH CONSISTENT SNAPSHOT;' "SELECT 'locked';" >&3
until_true 700 grep -q locked work/answers || fail 'the tables could not be locked to begin the backup'
query "SELECT SCHEMA_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME NOT IN ($SYSTEM)" >work/databases
query "SELECT CONCAT('CHECKSUM TABLE \\\`', REPLACE(TABLE_SCHEMA, '\\\`', '\\\`\\\`'), '\\\`.\\\`', REPLACE(TABLE_NAME, '\\\`', '\\\`\\\`'), '\\\`;')
 FROM information_schema.TABLES WHERE TABLE_TYPE = 'BASE TABLE' AND TABLE_SCHEMA NOT IN ($SYSTEM) ORDER BY TABLE_SCHEMA, TABLE_NAME" --raw >work/checksums.sql
${host === undefined ? '' : positionIn(host)}if [ ! -s work/databases ]; then echo 'no database exists yet'; exit ${NOTHING}; fi
{ ${host === undefined ? '' : 'cat work/header; '}tr '\\n' '\\0' <work/databases | xargs -0 ${dump} --no-defaults --socket=/run/mysqld/mysqld.sock --default-character-set=utf8mb4 \\
    --single-transaction --quick --routines --triggers --events --hex-blob${dumpOptions} --databases && : >work/dumped; } | gzip -1 >work/dump.sql.gz & dump=$!
dump_began() { [ -e work/dumped ] || ! kill -0 $dump 2>/dev/null || { running=$(query "SELECT COUNT(*) FROM information_schema.INNODB_TRX t JOIN information_schema.PROCESSLIST p ON p.ID = t.trx_mysql_thread_id WHERE p.USER = 'provision-backup'") || exit 1; [ "$running" -ge 2 ]; }; }
until_true 300 dump_began || fail 'the dump did not begin within 30 seconds'
{ echo 'UNLOCK TABLES;'; cat work/checksums.sql; } >&3
exec 3>&-
wait $checker || fail 'the checksums of the tables could not be computed'
checker=
wait $dump
[ -e work/dumped ] || fail 'the dump failed'
sed 1d work/answers >work/live

# A dump that ends without an error can still be incomplete. Only a restore proves it.
${temporaryServer(flavour, { directory: 'work', data: 'test', clientOptions: '', purpose: ' for the restore test' })}# Errors of the client can contain rows, which must not reach the journal. Only the error number and the line are printed.
{ gunzip -c work/dump.sql.gz && : >work/unpacked; } | throwaway >work/refused 2>&1 || fail "the backup cannot be restored: $(sed -n 's/^\\(ERROR [0-9]* ([0-9A-Z]*) at line [0-9]*\\).*/\\1/p' work/refused)"
[ -e work/unpacked ] || fail 'the backup is damaged: it cannot be decompressed'
throwaway <work/checksums.sql >work/restored || fail 'the restored tables cannot be read'
cmp -s work/live work/restored || { diff work/live work/restored | sed '21{s/.*/more lines differ/;q}' >&2; fail 'the restored tables differ from the databases'; }
kill $server; wait $server || :; server=

name=database-$(date -u +%Y%m%dT%H%M%SZ).sql.gz.age
age ${recipients.map((one) => `-r ${one}`).join(' ')} -o "work/$name" work/dump.sql.gz
${copyScript(copies, keepDays)}${store === undefined ? storeHere(keepDays) : sendToStore(store, pki)}
${requireCopies(copies)}echo "stored $name: $(wc -l <work/live) tables, restored and compared"
`
}

/** Writes the first line of the dump, while the tables are locked. */
const positionIn = (host: string): string => `query 'SHOW MASTER STATUS' >work/status
echo "${HEADER} $(date -u +%Y-%m-%dT%H:%M:%SZ) $(cut -f 1,2 work/status | tr '\\t' ' ') ${host}" >work/header
`

const storeHere = (days: number): string => `mkdir -p kept; sync "work/$name"; mv "work/$name" kept/
${forgetScript('kept', days)}`

/** Deletes old backups, but never the three newest. */
export const forgetScript = (directory: string, days: number): string =>
  `ls -1 ${directory} | grep '^database-' | sort | head -n -3 | while read -r old; do find "${directory}/$old" -mtime +${days} -delete; done`

const sendToStore = (
  { address, name, port }: NonNullable<Backup['store']>,
  { pair, trusted }: Backup['pki'],
): string => `answer=$({ printf '%s %s %s\\n' "$name" "$(stat -c %s "work/$name")" "$(sha256sum <"work/$name" | cut -d' ' -f1)"; cat "work/$name"; } |
  socat -t 600 - OPENSSL:${address}:${port},cert=${pair},key=${pair}.key,cafile=${trusted},verify=1,commonname=${name},no-sni=1) || answer="the connection failed"
[ "$answer" = "stored $name" ] || fail "${name} did not store the backup: $answer"`

/** Script of the store: receives one backup. It never sends or overwrites one, and deletes only those that are too old. */
export const receiveScript = (directory: string, keepDays: number): string => `#!/bin/sh
# Written by provision.
umask 077
cd ${directory} || exit 1
read -r name size sum || exit 1
case $name in *[!A-Za-z0-9.-]*|.*) echo 'invalid file name'; exit 1 ;; database-*.sql.gz.age) ;; *) echo 'invalid file name'; exit 1 ;; esac
case $size in ''|*[!0-9]*) echo 'invalid size'; exit 1 ;; esac
[ ! -e "$name" ] || { echo 'a backup with this name exists'; exit 1; }
incoming=$(mktemp .incoming.XXXXXXXX) || { echo 'no temporary file can be created'; exit 1; }
trap 'rm -f "$incoming"' EXIT
head -c "$size" >"$incoming"
[ "$(sha256sum <"$incoming" | cut -d' ' -f1)" = "$sum" ] || { echo 'the checksum does not match'; exit 1; }
sync "$incoming" && mv -n "$incoming" "$name" && sync . || { echo 'the file could not be written'; exit 1; }
find . -name '.incoming.*' -mmin +1440 -delete
${forgetScript('.', keepDays)}
echo "stored $name"
`
