import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { accessFile } from '../../../../roles/postgresql/access.ts'
import { ordered } from '../../../../roles/postgresql/contents.ts'
import { options } from '../../../../roles/postgresql/options.ts'
import { DATA_STATE } from '../../../../roles/postgresql/replication.ts'
import role from '../../../../roles/postgresql/role.ts'
import type { FileSpec } from '../../../../src/resource/file/spec.ts'
import { bytesOf } from '../../../../src/resource/kind/content.ts'
import type { Facts } from '../../../../src/role/role.ts'
import { planRole } from '../../../../src/testing/plan-role.ts'
import { host } from '../context.ts'

const INVENTORY = {
  hosts: {
    'db-01': { address: '192.0.2.11' },
    'db-02': { address: '192.0.2.12' },
    'web-01': { address: '192.0.2.21' },
  },
  groups: {
    postgresql: { hosts: ['db-01'] },
    web: { hosts: ['web-01', 'db-02'] },
    solo: { hosts: ['web-01'] },
    both: { hosts: ['db-01', 'db-02'] },
  },
}
const REPLICATED = { servers: 'both' }
const SHOP = { name: 'shop', password: 'password of the shop' }
const given = { databases: [{ name: 'shop', owner: 'shop', extensions: [{ name: 'pg_trgm' }] }], users: [SHOP] }
const plan = (more: object = {}, facts: Partial<Facts> & { own?: unknown } = {}, name = 'db-01') =>
  planRole(role, { inventory: INVENTORY, host: name, options: { ...given, ...more }, facts: { own: { clusters: [] }, ...facts } })
const keysOf = (...input: Parameters<typeof plan>) => plan(...input).changes.map(({ resource }) => resource)
const specOf = (path: string, ...input: Parameters<typeof plan>): FileSpec => {
  const found = plan(...input).resources.find(({ kind, id }) => kind.name === 'file' && id === path)
  if (found === undefined) throw new Error(`no file ${path}`)
  return found.spec as FileSpec
}
const configOf = (...input: Parameters<typeof plan>): readonly string[] =>
  Buffer.from(bytesOf(specOf('/etc/provision-postgresql/postgresql.conf', ...input).content))
    .toString()
    .split('\n')

describe('the resources', () => {
  it('of a server list its files before the service, and its contents after it', () => {
    expect(keysOf()).toEqual([
      'package:openssl',
      'package:postgresql-17',
      'directory:/etc/provision-postgresql',
      'file:/etc/provision-postgresql/authority.pem',
      'certificate:/etc/provision-postgresql/server.pem',
      'file:/etc/provision-postgresql/pg_ident.conf',
      'file:/etc/provision-postgresql/pg_hba.conf',
      'directory:/usr/local/lib/provision',
      'file:/etc/provision-postgresql/postgresql.conf',
      'file:/usr/local/lib/provision/postgresql',
      'unit:postgresql@17-main.service.d/provision.conf',
      'service:postgresql@17-main.service',
      'package:prometheus-postgres-exporter',
      'postgresql-role:17/main:prometheus',
      'postgresql-role:17/main:shop',
      'postgresql-database:17/main:shop',
      'postgresql-extension:17/main:shop/pg_trgm',
      'command:replication slots of PostgreSQL',
      'unit:prometheus-postgres-exporter.service.d/provision.conf',
      'service:prometheus-postgres-exporter.service',
    ])
  })

  it('of a client host are the certificate of the authority', () => {
    expect(keysOf({}, {}, 'web-01')).toEqual([
      'package:openssl',
      'directory:/etc/provision-postgresql',
      'file:/etc/provision-postgresql/authority.pem',
    ])
  })

  it.each<[Partial<Facts>, number]>([
    [{ release: '12' }, 15],
    [{ release: '13' }, 17],
    [{ distribution: 'ubuntu', release: '22.04' }, 14],
    [{ distribution: 'ubuntu', release: '24.04' }, 16],
    [{ distribution: 'ubuntu', release: '26.04' }, 18],
  ])('of %j have version %i', (facts, version) => {
    expect(keysOf({}, facts)).toEqual(expect.arrayContaining([`package:postgresql-${version}`, `postgresql-database:${version}/main:shop`]))
    expect(configOf({}, facts)).toContain(`data_directory = '/var/lib/postgresql/${version}/main'`)
    expect(configOf({}, facts).includes("allow_alter_system = 'off'")).toBe(version >= 17)
  })

  it('have no exporter without metrics, and include packages of extensions', () => {
    const keys = keysOf({ metrics: false, packages: ['postgresql-17-postgis-3'] })
    expect(keys.join()).not.toMatch(/exporter|prometheus/)
    expect(keys).toContain('package:postgresql-17-postgis-3')
  })

  it('delete what is absent last: a database before its owner', () => {
    const keys = keysOf({
      users: [{ ...SHOP, state: 'absent' }],
      databases: [{ name: 'old', owner: 'shop', state: 'absent' }],
    })
    expect(keys.join()).not.toMatch(/:shop|:old/)
    const { resources } = plan({ users: [{ ...SHOP, state: 'absent' }], databases: [{ name: 'old', owner: 'shop', state: 'absent' }] })
    expect(resources.flatMap(({ kind, id }) => (/^postgresql-/.test(kind.name) ? [`${kind.name} ${id}`] : [])).slice(1)).toEqual([
      'postgresql-database 17/main:old',
      'postgresql-role 17/main:shop',
    ])
  })
})

describe('the configuration', () => {
  it('is readable for root and the server only, and checked by the server', () => {
    const spec = specOf('/etc/provision-postgresql/postgresql.conf')
    expect(spec).toMatchObject({ mode: '640', owner: 'root', group: 'postgres' })
    const [, , outer, path, inner = ''] = spec.checks?.[0] ?? []
    expect([outer, path]).toEqual([expect.stringContaining('setpriv --reuid=postgres'), '%s'])
    expect(inner).toContain('/usr/lib/postgresql/17/bin/postgres --single')
    expect(spawnSync('sh', ['-n'], { input: inner, encoding: 'utf8' })).toMatchObject({ status: 0, stderr: '' })
  })

  it('listens at the addresses of the host, and takes its sizes from the memory', () => {
    expect(configOf({ connections: 50 })).toEqual(
      expect.arrayContaining([
        "listen_addresses = '127.0.0.1,192.0.2.11'",
        "ssl = 'on'",
        "max_connections = '50'",
        "shared_buffers = '1024MB'",
        "effective_cache_size = '2048MB'",
      ]),
    )
    expect(configOf({ buffers: '2G' })).toContain("shared_buffers = '2GB'")
    expect(configOf({ buffers: '512K' })).toContain("shared_buffers = '512kB'")
  })

  it('has the settings of the user, which replace defaults', () => {
    const lines = configOf({ settings: { work_mem: '16MB', effective_cache_size: '3GB', autovacuum: false, 'pg_stat_statements.max': 99 } })
    expect(lines).toEqual(expect.arrayContaining(["work_mem = '16MB'", "autovacuum = 'off'", "pg_stat_statements.max = '99'"]))
    expect(lines.filter((line) => line.startsWith('effective_cache_size'))).toEqual(["effective_cache_size = '3GB'"])
  })
})

const access = (more: object, ...clients: Parameters<typeof accessFile>[1]) =>
  accessFile(options.parse({ ...given, ...more }), clients)
    .trimEnd()
    .split('\n')

describe('a replica', () => {
  const textOf = (path: string, more: object = {}, name = 'db-02'): string =>
    Buffer.from(bytesOf(specOf(path, { ...REPLICATED, ...more }, {}, name).content)).toString()

  it('follows the primary by name, certificate and slot, and has no contents of its own', () => {
    const lines = configOf(REPLICATED, {}, 'db-02')
    expect(lines.find((line) => line.startsWith('primary_conninfo'))).toMatch(
      /host=db-01\S* hostaddr=192.0.2.11 port=5432 user=provision-replica sslmode=verify-full .* application_name=provision_db_02'$/,
    )
    expect(lines).toEqual(expect.arrayContaining(["primary_slot_name = 'provision_db_02'", "max_slot_wal_keep_size = '16GB'"]))
    expect(keysOf(REPLICATED, {}, 'db-02').join()).not.toMatch(/postgresql-(role|database)|command/)
    expect(configOf(REPLICATED).join()).not.toMatch(/primary_/)
    expect(configOf({ ...REPLICATED, primary: 'db-02' }).join()).toContain('hostaddr=192.0.2.12')
  })

  it('may log in to the other servers for replication only', () => {
    expect(textOf('/etc/provision-postgresql/pg_hba.conf', {}, 'db-01')).toContain(
      '\nhostssl replication "provision-replica" 192.0.2.12/32 cert map=replica\n',
    )
    expect(textOf('/etc/provision-postgresql/pg_ident.conf').match(/^replica "db-0[12]\S*" "provision-replica"$/gm)).toHaveLength(2)
  })

  it.each([
    ['a replica', 'db-02', {}, 'pg_basebackup', 'own) : ;;'],
    ['a primary', 'db-01', {}, 'restore', 'pg_basebackup'],
    ['a replica whose data may be lost', 'db-02', { discard_data_of: ['db-02'] }, 'own) : ;;', 'data of its own'],
  ])('has a start script that sh can read: %s', (_, name, more, has, lacks) => {
    const script = textOf('/usr/local/lib/provision/postgresql', more, name)
    expect(spawnSync('sh', ['-n'], { input: script, encoding: 'utf8' })).toMatchObject({ status: 0, stderr: '' })
    expect(script).toContain(has)
    expect(script).not.toContain(lacks)
  })
})

describe('the state of a data directory', () => {
  const stateOf = (files: Readonly<Record<string, string>>, control: string): string => {
    const root = mkdtempSync(join(tmpdir(), 'pg-'))
    try {
      mkdirSync(join(root, 'data'))
      for (const [name, text] of Object.entries(files)) writeFileSync(join(root, 'data', name), text)
      writeFileSync(join(root, 'pg_controldata'), `#!/bin/sh\n${control}\n`, { mode: 0o755 })
      return spawnSync('sh', ['-euc', `${DATA_STATE}\ndata_state ${root} ${root}/data`], { encoding: 'utf8' }).stdout.trim()
    } finally {
      rmSync(root, { recursive: true })
    }
  }
  const prints = (state: string, next: number): string =>
    `cat <<'END'\nDatabase cluster state:               ${state}\nLatest checkpoint's NextOID:          ${next}\nEND`
  const FILES = { PG_VERSION: '17' }

  it.each<[string, string, Readonly<Record<string, string>>, string]>([
    ['none', 'nothing', {}, 'exit 1'],
    ['standby', 'a standby', { ...FILES, 'standby.signal': '' }, 'exit 1'],
    ['pristine', 'a new cluster', FILES, prints('shut down', 13_572)],
    ['own', 'a cluster with an object', FILES, prints('shut down', 16_385)],
    ['own', 'a running cluster', FILES, prints('in production', 13_572)],
    ['own', 'a former standby', FILES, prints('shut down in recovery', 13_572)],
    ['own', 'a directory that cannot be read', FILES, 'exit 1'],
    ['own', 'unknown output', FILES, "echo 'Database cluster state:               shut down'; echo"],
  ])('is %s for %s', (state, _, files, control) => {
    expect(stateOf(files, control)).toBe(state)
  })
})

describe('the rules for connections', () => {
  it('permit TLS only, to the databases of a user, from clients, networks and this host', () => {
    expect(access({ networks: ['10.9.0.0/24', '10.8.0.1'] }, host('web-01', '192.0.2.21', '2001:db8::21'))).toEqual([
      '# Written by provision.',
      'local all postgres peer',
      'local postgres prometheus peer',
      ...['127.0.0.1/32', '192.0.2.21/32', '2001:db8::21/128', '10.9.0.0/24', '10.8.0.1/32'].map(
        (network) => `hostssl "shop" "shop" ${network} scram-sha-256`,
      ),
    ])
  })

  it('include databases of grants and of memberships, and no user without login', () => {
    const users = [
      SHOP,
      { name: 'readers', login: false, grants: [{ database: 'shop', privileges: ['CONNECT'] }] },
      { name: 'ann', password: 'a', member_of: ['readers'] },
      { name: 'bob', socket: true, member_of: ['pg_read_all_data'] },
      { name: 'eve', password: 'e' },
      { name: 'gone', state: 'absent' },
    ]
    const databases = [...given.databases, { name: 'stock' }, { name: 'old', state: 'absent' }]
    expect(access({ users, databases, metrics: false })).toEqual([
      '# Written by provision.',
      'local all postgres peer',
      'hostssl "shop" "shop" 127.0.0.1/32 scram-sha-256',
      'hostssl "shop" "ann" 127.0.0.1/32 scram-sha-256',
      'local "shop","stock" "bob" peer',
    ])
  })
})

describe('the order', () => {
  it('puts owners before databases, and databases before users with grants in them', () => {
    const users = [
      { name: 'ann', password: 'a', member_of: ['readers'] },
      {
        name: 'readers',
        login: false,
        grants: [{ database: 'shop', schema: 'public', tables: 'all', created_by: 'shop', privileges: ['SELECT'] }],
      },
      SHOP,
    ]
    expect(ordered(options.parse({ ...given, users })).ready.map(({ name }) => name)).toEqual([
      'user shop',
      'database shop',
      'user readers',
      'user ann',
    ])
  })
})

describe('the ports', () => {
  it('are open to the hosts of clients and to networks, on the server only', () => {
    const groups: Readonly<Record<string, readonly ReturnType<typeof host>[]>> = {
      postgresql: [host('db-01', '192.0.2.11')],
      web: [host('web-01', '192.0.2.21')],
      both: [host('db-01', '192.0.2.11'), host('db-02', '192.0.2.12')],
    }
    const site = { hosts: Object.values(groups).flat(), group: (name: string) => groups[name] ?? [], withRole: () => [] }
    const listens = (name: string, more: object = { clients: ['web', 'none'], networks: ['10.9.0.0/24'] }) =>
      role.listens?.({ options: options.parse({ ...given, ...more }), host: host(name), site, flows: [] } as never)
    expect(listens('db-01')).toEqual([
      { service: 'postgresql', port: 5432, protocol: 'tcp', from: [{ group: 'web' }, { network: '10.9.0.0/24' }], encrypted: true },
    ])
    expect(listens('web-01')).toEqual([])
    expect(listens('db-01', { clients: [] })).toEqual([])
    expect(listens('db-01', { clients: [], servers: 'both' })).toMatchObject([{ from: [{ group: 'both' }] }])
  })
})

describe('the checks', () => {
  const server = { ...host('db-01', '192.0.2.11'), groups: ['postgresql'] }
  const web = { ...host('web-01', '192.0.2.21'), groups: ['web'] }
  const site = {
    hosts: [server, web],
    group: (name: string) => [server, web].filter(({ groups }) => groups.includes(name)),
    withRole: () => [],
  }
  const namesOf = (one: typeof server, more: object = {}) => {
    const checks = role.verify?.({ options: options.parse({ ...given, ...more }), host: one, site, flows: [] }) ?? []
    for (const { script } of checks)
      expect(spawnSync('sh', ['-n'], { input: String(script), encoding: 'utf8' })).toMatchObject({ status: 0, stderr: '' })
    return checks.map(({ name }) => name)
  }

  it('query certificate, databases and passwords on the server, and the certificate on a client', () => {
    expect(namesOf(server)).toEqual([
      'the server presents a certificate of the authority postgresql',
      'all databases exist',
      'the user shop can connect only with TLS and its password',
    ])
    expect(namesOf(server, { databases: [], users: [] })).toHaveLength(1)
    expect(namesOf(server, { servers: 'web', primary: 'web-01' })).toEqual(['web-01 can be reached from here, and verified'])
    expect(namesOf(web)).toEqual(['db-01 can be reached from here, and verified'])
  })
})

describe('a refusal', () => {
  it.each<[string, object, RegExp]>([
    ['a group without hosts', { servers: 'none' }, /group none has no hosts/],
    ['a primary that is no server', { primary: 'web-01' }, /web-01 is not a server \(group postgresql\)/],
    ['a discarded host that is no server', { discard_data_of: ['db-02'] }, /db-02 is not a replica/],
    ['the discarded data of the primary', { discard_data_of: ['db-01'] }, /db-01 is not a replica/],
    ['a host without a function', { servers: 'solo', clients: [] }, /db-01 is in none of the groups solo/],
    ['a user that is listed twice', { users: [SHOP, SHOP] }, /shop is listed twice in `users`/],
    ['a database that is listed twice', { databases: [{ name: 'a' }, { name: 'a' }] }, /a is listed twice in `databases`/],
    ['an unknown owner', { users: [] }, /the owner of shop is shop, which `users` does not have/],
    ['an unknown membership', { users: [{ ...SHOP, member_of: ['staff'] }] }, /shop is a member of staff, which `users` does not have/],
    [
      'a grant in an unknown database',
      { users: [SHOP, { name: 'ann', password: 'a', grants: [{ database: 'stock', privileges: ['CONNECT'] }] }] },
      /ann has a grant in stock, which `databases` does not have/,
    ],
    [
      'a grant on the tables of an unknown user',
      {
        users: [
          SHOP,
          {
            name: 'ann',
            password: 'a',
            grants: [{ database: 'shop', schema: 'public', tables: 'all', created_by: 'eve', privileges: ['SELECT'] }],
          },
        ],
      },
      /ann has a grant on tables of eve/,
    ],
    [
      'an unknown privilege',
      { users: [SHOP, { name: 'ann', password: 'a', grants: [{ database: 'shop', privileges: ['SELECT'] }] }] },
      /the user ann: privileges /,
    ],
    ['an unknown encoding', { databases: [{ name: 'a', encoding: 'UTF9' }] }, /the database a: encoding must be an encoding/],
    [
      'an invalid version',
      { databases: [{ name: 'a', extensions: [{ name: 'pg_trgm', version: '1 6' }] }] },
      /the extension pg_trgm: version/,
    ],
    [
      'a grant of an owner in its own database',
      { users: [{ ...SHOP, grants: [{ database: 'shop', privileges: ['CONNECT'] }] }] },
      /user shop, database shop need each other/,
    ],
  ])('of %s', (_, more, what) => {
    expect(() => plan(more)).toThrow(what)
  })

  it.each(['15/main', '17/other'])('of a host with the cluster %s', (name) => {
    const clusters = [name, '17/main'].map((one) => ({ name: one, data: 'own' }))
    expect(() => plan({}, { own: { clusters } })).toThrow(`the host has the PostgreSQL cluster ${name} beside 17/main`)
  })

  it('of a replica with data of its own, unless it may be discarded', () => {
    const own = (data: string) => ({ own: { clusters: [{ name: '17/main', data }] } })
    expect(() => plan(REPLICATED, own('own'), 'db-02')).toThrow('db-02 has data of its own, and is to become a replica of db-01')
    for (const data of ['none', 'pristine', 'standby']) expect(() => plan(REPLICATED, own(data), 'db-02')).not.toThrow()
    expect(() => plan({ ...REPLICATED, discard_data_of: ['db-02'] }, own('own'), 'db-02')).not.toThrow()
    expect(() => plan(REPLICATED, own('own'))).not.toThrow()
  })

  it('of a primary that is a replica, which no run promotes', () => {
    const own = { own: { clusters: [{ name: '17/main', data: 'standby' }] } }
    expect(() => plan({ ...REPLICATED, primary: 'db-02' }, own, 'db-02')).toThrow('db-02 is to be the primary, and is a replica')
  })

  it('of a release without a known version', () => {
    expect(() => plan({}, { release: '11' })).toThrow(/version of PostgreSQL in debian 11 is unknown/)
  })

  it.each([
    { users: [{ name: 'shop' }] },
    { users: [{ name: 'shop', password: 'x', socket: true }] },
    { users: [{ name: 'shop', password: 'x', login: false }] },
    { users: [{ name: 'postgres', password: 'x' }] },
    { users: [{ name: 'prometheus', password: 'x' }] },
    { users: [{ name: 'all', password: 'x' }] },
    { users: [{ name: 'a"\nhost all all all trust', password: 'x' }] },
    { databases: [{ name: 'template1' }] },
    { networks: ['10.9.0.0/33'] },
    { packages: ['nginx'] },
    { buffers: '0M' },
    { settings: { port: 5433 } },
    { settings: { ssl_ciphers: 'ALL' } },
    { settings: { shared_buffers: '1GB' } },
    { settings: { jit: true } },
    { settings: { include: 'x' } },
    { settings: { work_mem: "1'\nfsync = off" } },
  ])('of the options %j', (more) => {
    expect(options.safeParse({ ...given, ...more }).success).toBe(false)
  })
})
