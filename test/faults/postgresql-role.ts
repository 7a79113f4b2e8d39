// A host with PostgreSQL, whose databases, roles and extensions are in one of two states.
import { command, defineRole, pkg, postgresqlDatabase, postgresqlExtension, postgresqlRole, service, z } from 'provision'

const TABLE = `setpriv --reuid=postgres --regid=postgres --init-groups psql -X -q -v ON_ERROR_STOP=1 -d faults`

export default defineRole({
  name: 'postgresql',
  summary: 'databases, roles and extensions in one of two states',
  options: z.strictObject({ state: z.enum(['a', 'b']) }),

  resources: ({ options: { state } }) => {
    const isA = state === 'a'
    return [
      pkg({ name: 'postgresql' }),
      service({ unit: 'postgresql.service' }),
      postgresqlRole({ name: 'owner', password: 'the password of the owner', connectionLimit: isA ? 10 : 20 }),
      postgresqlRole({ name: 'readers', login: false }),
      postgresqlDatabase({ name: 'faults', owner: 'owner', connectionLimit: isA ? 50 : 60 }),
      postgresqlDatabase({ name: 'now-and-then', ...(isA ? {} : { state: 'absent', loseAllRows: true }) }),
      postgresqlExtension({ database: 'faults', name: 'pg_trgm', ...(isA ? { version: '1.5' } : { version: '1.6' }) }),
      postgresqlExtension({ database: 'faults', name: 'hstore', state: isA ? 'present' : 'absent' }),
      command({
        name: 'tables',
        run: `cd / && ${TABLE} -c 'CREATE TABLE IF NOT EXISTS orders (id int); ALTER TABLE orders OWNER TO owner'`,
        unless: `cd / && [ "$(${TABLE} -Atc "SELECT count(*) FROM pg_class WHERE relname = 'orders'")" = 1 ]`,
      }),
      postgresqlRole({
        name: 'reader',
        password: `the password of ${state}`,
        memberOf: isA ? ['readers'] : [],
        grants: [
          { database: 'faults', privileges: isA ? ['CONNECT'] : ['CONNECT', 'TEMPORARY'] },
          { database: 'faults', schema: 'public', tables: 'all', createdBy: 'owner', privileges: isA ? ['SELECT'] : ['SELECT', 'INSERT'] },
        ],
      }),
      postgresqlRole({ name: 'now-and-then', ...(isA ? { password: 'here' } : { state: 'absent' }) }),
    ]
  },
})
