import { HEADER } from './dump-header.ts'
import { PROGRAMS, serverShell, temporaryServer } from './temporary-server.ts'

/**
 * Script that turns a backup into a dump of a later moment, its argument (`2026-01-01T12:00:00Z`). Standard input is a backup of this host,
 * standard output the dump. A temporary server restores the backup, and executes the binary log of the server up to that moment. The
 * databases are not touched.
 */
export const momentScript = (host: string, state: string): string => {
  const { dump, dumpOptions } = PROGRAMS.mariadb
  return `#!/bin/sh
# Written by provision.
set -eu
umask 077
cd ${state}
moment=$1
${serverShell('mariadb')}
# The account of this process. By default, clients would use the account of the SSH session.
account=$(id -un)
client="$client --user=$account"
rm -rf moment; mkdir moment
server=
trap 'code=$?; set +e; trap - EXIT; kill $server 2>/dev/null; wait; rm -rf moment; exit $code' EXIT

[ "$(date +%s)" -ge "$(date -d "$moment" +%s)" ] || fail "$moment is in the future"
cat >moment/dump.sql.gz
gunzip -c moment/dump.sql.gz 2>/dev/null | head -n 1 >moment/header || :
read -r _ _ _ _ _ written log position from <moment/header || fail 'the backup has no position in the binary log: it is older than this option'
[ "$(head -c ${HEADER.length} moment/header)" = '${HEADER}' ] || fail 'the backup has no position in the binary log: it is older than this option'
case \${log#mysql-bin.}$position in ''|*[!0-9]*) fail 'the position in the backup is damaged' ;; esac
[ "$from" = ${host} ] || fail "the backup is of $from, which has the binary log that belongs to it"
[ "$(date -d "$moment" +%s)" -ge "$(date -d "$written" +%s)" ] || fail "the backup was made at $written, after $moment; use an older one"
query 'SHOW BINARY LOGS' >moment/all
cut -f 1 moment/all | sed -n "/^$log$/,\\$p" >moment/logs
[ -s moment/logs ] || fail "the server no longer has its binary log $log: it keeps logs for the days of binlog_days"
while read -r one; do
  mariadb-binlog --no-defaults --user="$account" --protocol=socket --socket=/run/mysqld/mysqld.sock --read-from-remote-server --raw --result-file=moment/ "$one" </dev/null || fail "the binary log $one cannot be read"
done <moment/logs

${temporaryServer('mariadb', { directory: 'moment', data: 'data', clientOptions: ' --max-allowed-packet=1G', purpose: '' })}# Errors of the client can contain rows. Only their numbers are printed.
gunzip -c moment/dump.sql.gz | throwaway >moment/refused 2>&1 || fail "the backup cannot be restored: $(sed -n 's/^\\(ERROR [0-9]* ([0-9A-Z]*) at line [0-9]*\\).*/\\1/p' moment/refused)"
# Statements about accounts, which the temporary server does not have, fail. They are in the inventory.
(cd moment && TZ=UTC mariadb-binlog --no-defaults --start-position="$position" --stop-datetime="$(date -u -d "$moment" '+%Y-%m-%d %H:%M:%S')" $(cat logs) && : >executed) |
  throwaway --force --binary-mode >moment/said 2>moment/errors || :
[ -e moment/executed ] || fail 'the binary log cannot be read'
grep -v -E '^(ERROR (1133|1141|1147|1396|1410|1959|1974) |--------------|$)' moment/errors | grep '^ERROR' >moment/unexpected || :
[ ! -s moment/unexpected ] || fail "the binary log cannot be executed: $(sed -n '1s/^\\(ERROR [0-9]* ([0-9A-Z]*) at line [0-9]*\\).*/\\1/p' moment/unexpected)"
throwaway -e 'DO 1' || fail 'the temporary server stopped'
throwaway -e "SELECT SCHEMA_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME NOT IN ($SYSTEM)" >moment/databases
[ -s moment/databases ] || fail "no database existed at $moment"
tr '\\n' '\\0' <moment/databases | xargs -0 ${dump} --no-defaults --socket="$PWD/moment/socket" --user=root --default-character-set=utf8mb4 \\
  --single-transaction --quick --routines --triggers --events --hex-blob${dumpOptions} --databases >moment/dumped.sql
gzip -1 <moment/dumped.sql
`
}
