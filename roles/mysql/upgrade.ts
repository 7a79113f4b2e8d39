import { file } from 'provision'

const SCRIPT = '/usr/local/lib/provision/database-upgrade'

/** Seconds until an upgrade is ended: the check of many tables for a new major version takes minutes. */
const LIMIT_S = 1800

/**
 * Debian's unit starts /etc/mysql/debian-start when the server is up, and that upgrades the system tables in the background: after an
 * upgrade of the package, but also where all data were copied from another server. Its statements and account statements of the cluster
 * can wait for each other without end. This runs in its place, before the unit counts as started. The unit goes on when it fails, and
 * the next start tries again. Debian's second part, a warning about root accounts without a password, is a check of this role.
 */
export const upgradeScript = () => file({ path: SCRIPT, mode: '755', content: SCRIPT_TEXT })

/** As the account mysql: everything in the data directory is its own. */
export const UPGRADE = `-${SCRIPT}`

const SCRIPT_TEXT = `#!/bin/sh
# Written by provision. Upgrades the system tables after an upgrade of the package.
cd /var/lib/mysql || exit 1
umask 027
login='--no-defaults --socket=/run/mysqld/mysqld.sock --user=mysql'
sql() { timeout 60 mariadb $login --local-infile=0 --connect-timeout=10 -NB -e "$1"; }
info=mysql_upgrade_info; ! grep -qa mariadb_upgrade_info /usr/bin/mariadb-upgrade || info=mariadb_upgrade_info
# A copy of another server's data names the version of that server.
if [ ! -s $info ]; then
  version=
  for copy in mariadb_backup_info xtrabackup_info; do
    [ -n "$version" ] || version=$(sed -n 's/^server_version = \\([0-9.]*-MariaDB\\).*/\\1/p' $copy 2>/dev/null)
  done
  [ -z "$version" ] || { rm -f $info && printf %s "$version" >$info; }
fi
# The package writes it as root, and the tool must be able to change it.
[ ! -e $info ] || [ -w $info ] || { cp $info $info.new && mv -f $info.new $info; }
# The tool fails as well where no upgrade is needed.
said=$(timeout 60 mariadb-upgrade $login --check-if-upgrade-is-needed 2>&1) || case $said in
  *'already upgraded'*) exit 0 ;;
  *) printf '%s\\n' "$said" 'it is not known whether the system tables need an upgrade: the next start asks again' >&2; exit 1 ;;
esac
# It gives way where it would wait for another session, which may wait for it.
was=$(sql 'SELECT @@GLOBAL.lock_wait_timeout') && sql 'SET GLOBAL lock_wait_timeout = 10' || exit 1
timeout -k 10 ${LIMIT_S} mariadb-upgrade $login --silent; code=$?
sql "SET GLOBAL lock_wait_timeout = $was"
[ "$code" = 0 ] || echo "the system tables were not upgraded (exit $code): the next start tries again" >&2
exit "$code"
`
