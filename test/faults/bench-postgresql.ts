import type { Bench } from './bench.ts'
import { hostWithRole } from './one-host.ts'

/** One host with PostgreSQL in one of two states (see `postgresql-role.ts`). */
export const postgresqlHost = (lab: string, subnet: string): Promise<Bench> =>
  hostWithRole({ lab, subnet, role: 'postgresql', file: 'postgresql-role.ts' })

/** Additional queries to the host: roles, databases, extensions and privileges. */
export const CONTENTS = `cd /; ask() { setpriv --reuid=postgres --regid=postgres --init-groups psql -X -At "$@"; }
echo '== roles'; ask -c "SELECT rolname, rolcanlogin, rolconnlimit, md5(rolpassword) FROM pg_authid WHERE rolname !~ '^pg_' ORDER BY 1"
ask -c 'SELECT pg_get_userbyid(roleid), pg_get_userbyid(member) FROM pg_auth_members ORDER BY 1, 2'
echo '== databases'; ask -c 'SELECT datname, pg_get_userbyid(datdba), datconnlimit, datacl FROM pg_database ORDER BY 1'
echo '== within'; ask -d faults -c 'SELECT extname, extversion FROM pg_extension ORDER BY 1' -c "SELECT relname, relacl FROM pg_class WHERE relname = 'orders'" -c 'SELECT defaclacl FROM pg_default_acl'`
