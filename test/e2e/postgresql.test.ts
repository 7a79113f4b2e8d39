import { directory, pkg, postgresqlDatabase, postgresqlExtension, postgresqlRole, type Resource, service, setting } from 'provision'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type TestHost, testHost } from './support/test-host.ts'

let host: TestHost
beforeAll(async () => {
  host = await testHost('t-psql', '10.79.233')
})
afterAll(() => host?.down())

const PASSWORD = 'pa ss"wörd\'$x\\y'
/** Every character that psql, the server or the shell could read as syntax. */
const HOSTILE = `a'b"c\\d;$x $$ %s:v\`w`

const psql = (database: string, sql: string): Promise<string> =>
  host.run(
    `cd /; cat >/run/statements <<'SQL'\n${sql}\nSQL\nsetpriv --reuid=postgres --regid=postgres --init-groups psql -XqAt -v ON_ERROR_STOP=1 -d '${database}' </run/statements`,
  )

/** Applies resources. The plan names exactly these changes, and nothing is left to do. */
const change = async (resources: readonly Resource[], planned: readonly string[]): Promise<void> => {
  expect(await host.plan(resources)).toEqual(planned)
  await host.apply(resources)
  expect(await host.plan(resources)).toEqual([])
}

const owner = postgresqlRole({ name: 'shop', password: PASSWORD })
const shop = postgresqlDatabase({ name: 'shop', owner: 'shop' })
const trigrams = postgresqlExtension({ database: 'shop', name: 'pg_trgm' })
const grants = [
  { database: 'shop', privileges: ['CONNECT'] },
  { database: 'shop', schema: 'public', privileges: ['USAGE'] },
  { database: 'shop', schema: 'public', tables: 'all' as const, createdBy: 'shop', privileges: ['SELECT'] },
  { database: 'shop', schema: 'public', tables: ['orders'], privileges: ['UPDATE'] },
]
const reader = (more: object = {}): Resource => postgresqlRole({ name: 'reader', password: 'lesen', grants, ...more })
const server = [pkg({ name: 'postgresql' }), service({ unit: 'postgresql.service' })]

describe('PostgreSQL', () => {
  it('is installed, and gets its contents in the same run', { timeout: 600_000 }, async () => {
    await change(
      [...server, owner, shop, trigrams, reader()],
      [
        'create package:postgresql: not installed',
        expect.stringMatching(/^create service:postgresql.service: /),
        'create postgresql-role:shop: missing',
        'create postgresql-database:shop: missing',
        'create postgresql-extension:shop/pg_trgm: missing',
        'create postgresql-role:reader: missing',
      ],
    )
    expect(await psql('shop', `SELECT pg_encoding_to_char(encoding), datcollate FROM pg_database WHERE datname = 'shop'`)).toBe(
      'UTF8|C.UTF-8\n',
    )
  })

  it('accepts the password, and writes it into no log', async () => {
    await host.run(
      `cd /; cat >/run/pass; PGPASSWORD=$(cat /run/pass) psql -h 127.0.0.1 -U shop -d shop -XAtc 'CREATE TABLE orders (id int)' </dev/null`.replace(
        'cat >/run/pass',
        `printf %s '${PASSWORD.replaceAll("'", `'\\''`)}' >/run/pass`,
      ),
    )
    expect(await host.run(`grep -rlF -e wörd -e SCRAM- /var/log /run/provision || :`)).toBe('')
  })

  it('gets grants on a table that was missing, and later tables by default', async () => {
    await change([reader()], ['update postgresql-role:reader: grants differ'])
    await psql('shop', 'SET ROLE shop; CREATE TABLE later (id int)')
    expect(await host.plan([reader()])).toEqual([])
    expect(await psql('shop', 'SET ROLE reader; SELECT count(*) FROM later')).toBe('0\n')
  })

  it('is repaired', async () => {
    await psql(
      'shop',
      'GRANT DELETE ON orders TO reader WITH GRANT OPTION; CREATE TABLE more (id int); GRANT pg_read_all_data TO reader WITH ADMIN OPTION; GRANT CREATE ON DATABASE postgres TO reader',
    )
    await psql('shop', "ALTER ROLE shop SUPERUSER PASSWORD 'other'; ALTER DATABASE shop OWNER TO postgres; DROP EXTENSION pg_trgm")
    await change(
      [owner, shop, trigrams, reader()],
      [
        'update postgresql-role:shop: superuser and password differ',
        'update postgresql-database:shop: owner differs',
        'create postgresql-extension:shop/pg_trgm: missing',
        'update postgresql-role:reader: roles and grants differ',
      ],
    )
    expect(
      await psql(
        'shop',
        `SELECT has_table_privilege('reader', 'orders', 'DELETE'), has_database_privilege('reader', 'postgres', 'CREATE'), has_table_privilege('reader', 'more', 'SELECT')`,
      ),
    ).toBe('f|f|t\n')
  })

  it('accepts a verifier with another salt for the same password', async () => {
    await psql('shop', "SET password_encryption = 'scram-sha-256'; ALTER ROLE reader PASSWORD 'lesen'")
    expect(await host.plan([reader()])).toEqual([])
  })

  it('has hostile names', async () => {
    await change(
      [
        postgresqlRole({ name: HOSTILE, password: 'x', memberOf: ['reader'] }),
        postgresqlDatabase({ name: HOSTILE, owner: HOSTILE, connectionLimit: 3 }),
        postgresqlExtension({ database: HOSTILE, name: 'pg_trgm' }),
      ],
      [
        `create postgresql-role:${HOSTILE}: missing`,
        `create postgresql-database:${HOSTILE}: missing`,
        `create postgresql-extension:${HOSTILE}/pg_trgm: missing`,
      ],
    )
  })

  it('is deleted where declared absent, and kept with data', async () => {
    expect(
      await host.plan([postgresqlDatabase({ name: 'shop', state: 'absent' }), postgresqlRole({ name: 'shop', state: 'absent' })]),
    ).toEqual([])
    await change(
      [
        postgresqlRole({ name: 'reader', state: 'absent' }),
        postgresqlDatabase({ name: HOSTILE, state: 'absent' }),
        postgresqlRole({ name: HOSTILE, state: 'absent' }),
        postgresqlExtension({ database: 'shop', name: 'pg_trgm', state: 'absent' }),
      ],
      [
        'delete postgresql-role:reader: declared absent',
        `delete postgresql-database:${HOSTILE}: declared absent, with 0 tables`,
        `delete postgresql-role:${HOSTILE}: declared absent`,
        'delete postgresql-extension:shop/pg_trgm: declared absent',
      ],
    )
  })

  it('is configured in directories of root', async () => {
    const version = (await host.run('cd /etc/postgresql && echo *')).trim()
    const path = `/etc/postgresql/${version}/main`
    const connections = setting({ path: `${path}/postgresql.conf`, key: 'max_connections', value: 33 })
    const resources = [
      ...['/etc/postgresql', `/etc/postgresql/${version}`, path].map((one) => directory({ path: one })),
      connections,
      service({ unit: `postgresql@${version}-main.service`, restarts: [connections] }),
    ]
    await host.apply(resources)
    expect(await host.plan(resources)).toEqual([])
    expect(await psql('postgres', 'SHOW max_connections')).toBe('33\n')
  })

  it('waits for a server that does not run, and refuses a host with several clusters', { timeout: 120_000 }, async () => {
    await host.run('systemctl stop "postgresql@*"')
    expect(await host.plan([shop])).toEqual(['update postgresql-database:shop: server not running, checked once it runs'])
    expect((await host.refused([shop])).why).toBe('the server does not run')
    await host.run(
      'systemctl start "postgresql@$(cd /etc/postgresql && echo *)-main"; pg_createcluster "$(cd /etc/postgresql && echo *)" other >/dev/null',
    )
    const named = postgresqlDatabase({
      name: 'shop',
      owner: 'shop',
      cluster: `${(await host.run('cd /etc/postgresql && echo *')).trim()}/main`,
    })
    expect(await host.plan([named])).toEqual([])
  })
})
