import { defineDatabaseDirectory, file } from 'provision'

const SCRIPT = '/usr/local/lib/provision/database-upgrade'

/** Time limit of an upgrade in seconds. Checking many tables for a new major version takes minutes. */
const LIMIT_S = 1800

/**
 * Replaces /etc/mysql/debian-start. Debian's script upgrades the system tables in the background, after an upgrade of the package and
 * after a copy of all data from another server. Its statements can deadlock with account statements of the cluster. This script runs
 * before the unit counts as started. If it fails, the unit starts anyway, and the next start tries again. Debian's warning about root
 * accounts without a password is a check of this role.
 */
export const upgradeScript = () => file({ path: SCRIPT, mode: '755', content: SCRIPT_TEXT })

/** Command of the upgrade. It runs as the account mysql, which owns the data directory; its failure is ignored. */
export const UPGRADE = `-${SCRIPT}`

const SCRIPT_TEXT = `#!/bin/sh
# Written by provision. Upgrades the system tables after an upgrade of the package.
${defineDatabaseDirectory}
cd "$data" || exit 1
umask 027
login='--no-defaults --socket=/run/mysqld/mysqld.sock --user=mysql'
sql() { timeout 60 mariadb $login --local-infile=0 --connect-timeout=10 -NB -e "$1"; }
info=mysql_upgrade_info; ! grep -qa mariadb_upgrade_info /usr/bin/mariadb-upgrade || info=mariadb_upgrade_info
# A copy of another server's data records the version of that server.
if [ ! -s $info ]; then
  version=
  for copy in mariadb_backup_info xtrabackup_info; do
    [ -n "$version" ] || version=$(sed -n 's/^server_version = \\([0-9.]*-MariaDB\\).*/\\1/p' $copy 2>/dev/null)
  done
  [ -z "$version" ] || { rm -f $info && printf %s "$version" >$info; }
fi
# The package creates the file as root, and the tool must be able to change it.
[ ! -e $info ] || [ -w $info ] || { cp $info $info.new && mv -f $info.new $info; }
# The tool also fails if no upgrade is needed.
answer=$(timeout 60 mariadb-upgrade $login --check-if-upgrade-is-needed 2>&1) || case $answer in
  *'already upgraded'*) exit 0 ;;
  *) printf '%s\\n' "$answer" 'mariadb-upgrade cannot determine whether the system tables need an upgrade; the next start tries again' >&2; exit 1 ;;
esac
# A lock timeout resolves a deadlock with another session.
was=$(sql 'SELECT @@GLOBAL.lock_wait_timeout') && sql 'SET GLOBAL lock_wait_timeout = 10' || exit 1
timeout -k 10 ${LIMIT_S} mariadb-upgrade $login --silent; code=$?
sql "SET GLOBAL lock_wait_timeout = $was"
[ "$code" = 0 ] || echo "the system tables were not upgraded (exit $code): the next start tries again" >&2
exit "$code"
`
