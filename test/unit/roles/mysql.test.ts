import { spawnSync } from 'node:child_process'
import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { backupScript, receiveScript } from '../../../roles/mysql/backup-script.ts'
import mysql from '../../../roles/mysql/role.ts'
import { type Content, shownText } from '../../../src/resource/kind/content.ts'
import { keyOf, type Resource } from '../../../src/resource/kind/kind.ts'
import type { Facts, Flow, HostContext, HostView } from '../../../src/role/role.ts'
import { hostOf as host } from './mysql/context.ts'

const LB = host('lb-01', ['database_arbitrators'], '10.0.0.11', 'fd00::11')
const WEB = ['12', '13'].map((i) => host(`web-${i}`, ['database', 'web'], `10.0.0.${i}`, `fd00::${i}`))
const APP = host('app-01', ['web'], '10.0.0.14')
const facts = { distribution: 'debian', release: '12', memoryMB: 4096 } as Facts
const RECIPIENT = 'age1cucy0ntxyydd6al6ncc35ngvqpknry4m79v5kap7n546tfexqcaqy9u33e'

/** Flow of the host that stores backups. */
const KEPT: Flow = { host: 'lb-01', role: 'mysql', service: 'database-store', port: 4569, protocol: 'tcp', encrypted: true, from: [] }

const DUMP = gzipSync('-- Current Database: `shop`\n-- Table structure for table `orders`\n')

const warnings: string[] = []
const contextOf = (of: HostView, written: object = {}, hosts: readonly HostView[] = [LB, ...WEB, APP], flows: readonly Flow[] = [KEPT]) =>
  ({
    host: of,
    options: mysql.options.parse(written),
    site: { hosts, group: (name: string) => hosts.filter(({ groups }) => groups.includes(name)), withRole: () => [] },
    facts,
    flows,
    files: () => [],
    authority: ({ domain }: { domain: string }) => ({
      key: `authority:${domain}`,
      zone: `${domain}.provision.internal`,
      certificate: { later: 'its certificate', get: () => undefined },
      trusted: () => [],
      nameOf: (name: string) => `${name}.${domain}.provision.internal`,
    }),
    warn: (what: string) => warnings.push(what),
  }) as unknown as HostContext<ReturnType<typeof mysql.options.parse>>

const declared = (of: HostView, written?: object, hosts?: readonly HostView[]) => mysql.resources(contextOf(of, written, hosts))
const keys = (of: HostView, written?: object, hosts?: readonly HostView[]) => declared(of, written, hosts).map(keyOf)
const textOf = (resources: readonly Resource[], key: string): string => {
  const spec = resources.find((resource) => keyOf(resource) === key)?.spec as { content?: Content; file?: { content: Content } } | undefined
  const content = spec?.content ?? spec?.file?.content
  if (content === undefined) throw new Error(`no ${key}`)
  return shownText(content) ?? ''
}
const [first, second] = WEB as [HostView, HostView]

describe('resources', () => {
  it('of a server: configuration, certificate and health before the start, databases and accounts afterwards', () => {
    const all = keys(first, { databases: [{ name: 'shop' }], users: [{ name: 'shop', password: 'x', grants: [{ on: 'shop.*' }] }] })
    const at = (key: string): number => all.indexOf(key)
    const order = [
      'package:mariadb-server',
      'certificate:/etc/mysql/provision/host.pem',
      'unit:mariadb.service.d/provision.conf',
      'file:/etc/mysql/mariadb.cnf',
      'galera:database',
      'database:shop',
      'database-account:shop@%',
      'service:provision-database-proxy.service',
    ]
    expect(order.map(at)).toEqual(order.map(at).toSorted((a, b) => a - b))
    expect(order.filter((key) => at(key) < 0)).toEqual([])
    expect(all).toEqual(expect.arrayContaining(['database:test', 'database-account:@localhost', 'database-account:@web-12']))
  })

  it.each(['cluster', 'replica'])(
    'of a server of the topology %s: the upgrade runs before the unit counts as started, instead of the script of the package',
    (topology) => {
      const all = declared(first, { topology })
      const lines = textOf(all, 'unit:mariadb.service.d/provision.conf').split('\n')
      const after = lines.filter((line) => line.startsWith('ExecStartPost='))
      expect([after[0], after.at(-1)]).toEqual(['ExecStartPost=', 'ExecStartPost=-/usr/local/lib/provision/database-upgrade'])
      const at = (key: string): number => all.map(keyOf).indexOf(key)
      expect(at('file:/usr/local/lib/provision/database-upgrade')).toBeGreaterThan(0)
      expect(at('file:/usr/local/lib/provision/database-upgrade')).toBeLessThan(
        at(topology === 'cluster' ? 'galera:database' : 'replication:database'),
      )
    },
  )

  it('of an arbitrator: no server, no data, a separate account', () => {
    expect(keys(LB)).toEqual([
      'user:garbd',
      'package:galera-arbitrator-4',
      'package:openssl',
      'directory:/etc/garbd',
      'file:/etc/garbd/authority.pem',
      'certificate:/etc/garbd/host.pem',
      'unit:garb.service.d/provision.conf',
      'file:/etc/default/garb',
      'galera:database',
    ])
    expect(textOf(declared(LB), 'file:/etc/default/garb')).toContain('GALERA_NODES="10.0.0.12:4567 10.0.0.13:4567"')
  })

  it('of a host with applications: the proxy, and no server', () => {
    expect(keys(APP)).not.toContain('package:mariadb-server')
    expect(keys(APP)).toContain('file:/etc/mysql/provision/authority.pem')
    expect(textOf(declared(APP), 'file:/etc/provision/database-proxy.cfg')).toMatch(
      /server web-12 10\.0\.0\.12:3306 on-marked-up shutdown-backup-sessions\n {4}server web-13 10\.0\.0\.13:3306 on-marked-up shutdown-backup-sessions backup\n/,
    )
  })

  it('of a single server: no cluster, and a warning in every plan', () => {
    warnings.length = 0
    const alone = declared(first, {}, [first])
    expect(alone.map(keyOf)).toContain('service:mariadb.service')
    expect(textOf(alone, 'file:/etc/mysql/mariadb.cnf')).not.toContain('wsrep')
    expect(warnings[0]).toContain('this host is the only database server')
  })

  it('of a primary and its replicas: databases are declared on the primary only, and proxies depend on the reported health', () => {
    const [one, two] = WEB.map((server) => declared(server, { topology: 'replica', primary: 'web-13', databases: [{ name: 'shop' }] }))
    const managed = (resources: readonly Resource[] = []) =>
      resources.filter(({ kind }) => kind.name.startsWith('database')).map(({ spec }) => (spec as { servers: string[] }).servers.join())
    expect([...new Set([...managed(one), ...managed(two)])]).toEqual(['web-13'])
    const numbers = [one, two].map((resources) => /server_id = (\d+)/.exec(textOf(resources ?? [], 'file:/etc/mysql/mariadb.cnf'))?.[1])
    expect(new Set(numbers).size).toBe(2)
    expect(textOf(one ?? [], 'file:/etc/mysql/mariadb.cnf')).toMatch(/read_only = ON[\s\S]*rpl_semi_sync_master_wait_point = AFTER_SYNC/)
    expect(textOf(one ?? [], 'file:/etc/provision/database-proxy.cfg')).toMatch(
      /server web-12 10\.0\.0\.12:3306\n {4}server web-13 10\.0\.0\.13:3306\n/,
    )
  })

  it('of backups: the last server makes them, a host without data stores them', () => {
    const backups = { backups: { recipients: [RECIPIENT] } }
    expect(keys(second, backups)).toContain('service:provision-database-backup.timer')
    expect(keys(first, backups)).not.toContain('service:provision-database-backup.timer')
    expect(keys(LB, backups)).toContain('service:provision-database-store.service')
    const script = textOf(declared(second, backups), 'file:/usr/local/lib/provision/database-backup')
    expect(script).toContain('OPENSSL:10.0.0.11:4569,')
    expect(script).toContain('commonname=lb-01.database.provision.internal')
    expect(script).toContain(`age -r ${RECIPIENT} -o`)
  })

  it.each([
    ['no backups', {}, []],
    ['another port', { port: 4570 }, [KEPT]],
  ])('are an input error if the options of the store have %s', (_, more, flows) => {
    const context = contextOf(second, { backups: { recipients: [RECIPIENT], ...more } }, undefined, flows)
    expect(() => mysql.resources(context)).toThrow('web-13 › mysql: backups go to lb-01, which does not accept them')
  })
})

describe('hosts whose options differ from those of the servers', () => {
  const flow = (host: string, service: string): Flow => ({ ...KEPT, host, service })
  const asReplicas = WEB.flatMap(({ name }) => [flow(name, 'database'), flow(name, 'database-copy')])
  const asCluster = [...asReplicas, ...WEB.map(({ name }) => flow(name, 'database-cluster'))]

  it.each<[string, object, readonly Flow[], HostView]>([
    ['an application without the topology replica', {}, asReplicas, APP],
    ['an application with the topology replica, whose servers are a cluster', { topology: 'replica' }, asCluster, APP],
    ['a server', { topology: 'replica' }, asCluster, first],
  ])('are an input error that names the cause: %s', (_, written, flows, of) => {
    const context = contextOf(of, written, [...WEB, APP], flows)
    expect(() => mysql.resources(context)).toThrow(/the topology is (replica|cluster), but web-12 has (replica|cluster)/)
  })

  it('are accepted if no play has the servers, or the servers have the same topology', () => {
    for (const flows of [[], asReplicas])
      expect(mysql.resources(contextOf(APP, { topology: 'replica' }, [...WEB, APP], flows)).length).toBeGreaterThan(0)
    // The error about the topology is reported instead of its consequences.
    expect(mysql.check?.(contextOf(APP, { primary: 'web-12' }, [...WEB, APP]))).toEqual([])
  })
})

it.each([
  ['its host name is too long', 'a'.repeat(37), 'b', /has 65 characters, and at most 64 are allowed/],
  ['another server has its number', 'costarring', 'liquid', /server_id \d+, derived from the host name, is also that of costarring/],
])('a server of the topology replica is an input error if %s', (_, one, other, what) => {
  const servers = [host(one, ['database'], '10.0.0.1'), host(other, ['database'], '10.0.0.2')]
  expect(() => declared(servers[0] as HostView, { topology: 'replica' }, servers)).toThrow(what)
})

it('a server can hold unreplicated rows in the topology replica only', () => {
  const may = (of: HostView, topology: string) => mysql.holdsOwnRows?.(contextOf(of, { topology }))
  expect([may(first, 'replica'), may(APP, 'replica'), may(first, 'cluster')]).toEqual([true, false, false])
})

describe('the configuration of a server', () => {
  const config = textOf(declared(second, { settings: { max_allowed_packet: '32M', event_scheduler: true } }), 'file:/etc/mysql/mariadb.cnf')

  it.each([
    'bind_address = 10.0.0.13,fd00::13',
    'require_secure_transport = ON',
    'innodb_flush_log_at_trx_commit = 1',
    'sync_binlog = 1',
    'innodb_buffer_pool_size = 1024M',
    'server_id = 2',
    'binlog_expire_logs_seconds = 604800',
    'max_allowed_packet = 32M',
    'event_scheduler = ON',
    'wsrep_cluster_address = gcomm://10.0.0.12,10.0.0.13',
    'encrypt = 4',
  ])('has %s', (line) => {
    expect(config.split('\n')).toContain(line)
  })

  it('includes no other file, and replicates over TLS only', () => {
    expect(config).not.toContain('includedir')
    expect(config).toMatch(/wsrep_provider_options = ".*socket\.ssl=YES;.*listen_addr=ssl:\/\/10\.0\.0\.13:4567"/)
  })
})

it('the unit of a server allows writes to the paths of its package and its settings only', () => {
  const settings = { general_log_file: '/srv/log/all.log', tmpdir: '/data', max_allowed_packet: '32M' }
  const unit = textOf(declared(first, { settings }), 'unit:mariadb.service.d/provision.conf')
  const paths = unit.split('\n').flatMap((line) => (line.startsWith('ReadWritePaths=') ? [line.slice(15)] : []))
  expect(paths).toEqual([
    '-/var/lib/mariadb',
    '-/var/lib/mysql',
    '-/run/mysqld',
    '-/var/log/mysql',
    '-/srv/log/all.log',
    '-/srv/log',
    '-/data',
  ])
})

it('root writes the metrics of backups in the same unit, and reads no file of the backup account', () => {
  const backups = { backups: { recipients: [RECIPIENT] } }
  const unit = textOf(declared(second, backups), 'unit:provision-database-backup.service')
  expect(unit).toContain('ExecStopPost=!/usr/local/lib/provision/database-backup-result\n')
  expect(unit).not.toMatch(/^Exec\w+=\+/m)
  expect(textOf(declared(second, backups), 'file:/usr/local/lib/provision/database-backup-result')).not.toContain(
    '/var/lib/provision-database-backup',
  )
})

describe('flows', () => {
  const listens = (of: HostView, written?: object) =>
    (mysql.listens?.(contextOf(of, written)) ?? []).map(({ port, from, encrypted }) => [
      port,
      from.map((one) => (one as { group: string }).group),
      encrypted,
    ])

  it('to a server: applications and servers to the database, members to the cluster ports', () => {
    expect(listens(first)).toEqual([
      [3306, ['web', 'database'], true],
      [9200, ['web'], undefined],
      [4567, ['database', 'database_arbitrators'], true],
      [4568, ['database'], true],
      [4444, ['database'], true],
    ])
  })

  it('to an arbitrator: servers; to a host with applications: none', () => {
    expect(listens(LB)).toEqual([[4567, ['database'], true]])
    expect(listens(LB, { backups: { recipients: [RECIPIENT] } })).toEqual([
      [4567, ['database'], true],
      [4569, ['database'], true],
    ])
    expect(listens(APP)).toEqual([])
  })
})

describe('invalid options', () => {
  const faults = (written: object, hosts = [LB, ...WEB], of = first) =>
    (mysql.check?.(contextOf(of, written, hosts)) ?? []).map(({ what }) => what)

  it.each<[object, HostView[] | undefined, RegExp]>([
    [{ flavour: 'mysql' }, undefined, /the flavour mysql has no topology cluster/],
    [{ topology: 'replica' }, [LB, first], /needs at least one replica/],
    [{ topology: 'replica', primary: 'lb-01' }, undefined, /lb-01 is not a database server \(group database\)/],
    [{ topology: 'replica', provider_options: { 'gcs.fc_limit': 64 } }, undefined, /the topology replica has no Galera/],
    [{ primary: 'web-12' }, undefined, /the topology cluster has no primary/],
    [{}, WEB, /two servers have no majority/],
    [{ topology: 'single' }, undefined, /the topology single allows one server, and the group has web-12, web-13/],
    [{ topology: 'cluster' }, [LB, first], /needs at least two servers/],
    [{ discard_data_of: ['lb-01'] }, undefined, /lb-01 is not a database server/],
    [
      { backups: { recipients: [RECIPIENT], store: 'database' } },
      undefined,
      /web-12 is a database server, and would be lost together with the backups/,
    ],
    [{ arbitrators: 'database' }, undefined, /would have two votes/],
  ])('%j', (written, hosts, what) => {
    expect(faults(written, hosts).join('\n')).toMatch(what)
  })

  it('are not reported for a valid site', () => {
    expect(faults({ backups: { recipients: [RECIPIENT] } })).toEqual([])
    expect(faults({ topology: 'replica' }, undefined, LB)).toEqual([])
    const vault = host('vault-01', ['vaults'], '10.0.0.20')
    expect(faults({ backups: { recipients: [RECIPIENT], store: 'vaults' } }, [LB, ...WEB, vault], vault)).toEqual([])
    expect(faults({}, [LB, ...WEB, vault], vault)).toEqual([expect.stringContaining('vault-01 is in none of the groups')])
  })
})

it.each([
  [
    'backup, sent away',
    backupScript({
      flavour: 'mariadb',
      recipients: [RECIPIENT],
      store: { address: '10.0.0.11', name: 'a.b', port: 1 },
      keepDays: 3,
      pki: { pair: '/p', trusted: '/t' },
    }),
  ],
  [
    'backup, kept here',
    backupScript({ flavour: 'mariadb', recipients: [RECIPIENT], store: undefined, keepDays: 3, pki: { pair: '/p', trusted: '/t' } }),
  ],
  ['receiver', receiveScript('/srv', 3)],
])('the script has valid shell syntax: %s', (_, script) => {
  expect(spawnSync('sh', ['-n'], { input: script, encoding: 'utf8' })).toMatchObject({ status: 0, stderr: '' })
})

it('the health service has valid Perl syntax', () => {
  const script = textOf(declared(first), 'file:/usr/local/lib/provision/database-health')
  expect(spawnSync('perl', ['-c'], { input: script, encoding: 'utf8' })).toMatchObject({ status: 0, stderr: '- syntax OK\n' })
})

it('exposes the metrics of every server to monitoring', () => {
  expect(mysql.exposes?.(contextOf(first))).toEqual([{ type: 'metrics', job: 'mysql', format: 'mysqld', at: '/run/mysqld/mysqld.sock' }])
  expect(mysql.exposes?.(contextOf(LB))).toEqual([])
})

describe('settings', () => {
  const accepts = (settings: object) => mysql.options.safeParse({ settings }).success

  it('of this role are refused: every line of a generated configuration', () => {
    const written = ['cluster', 'replica', 'single'].flatMap((topology) =>
      textOf(declared(first, { topology }, topology === 'single' ? [first] : undefined), 'file:/etc/mysql/mariadb.cnf')
        .split('[mariadbd]')[1]
        ?.split('[sst]')[0]
        ?.split('\n')
        .flatMap((line) => /^([a-z]\w*) = /.exec(line)?.[1] ?? []),
    )
    expect(new Set(written).size).toBeGreaterThan(40)
    expect([...new Set(written)].filter((name) => accepts({ [name ?? '']: 1 }))).toEqual([
      'character_set_server',
      'collation_server',
      'sql_mode',
    ])
  })

  it.each([
    'loose_ssl_ca',
    'skip_ssl',
    'disable_log_bin',
    'loose_skip_log_slave_updates',
    'require_secure_trans',
    'local_infil',
    'master_info',
  ])('of this role are refused by another name of the server: %s', (name) => expect(accepts({ [name]: 0 })).toBe(false))

  it('that the role does not set are accepted, with any prefix', () => {
    const others = [
      'log_bin_trust_function_creators',
      'userstat',
      'binlog_row_image',
      'secure_auth',
      'port_open_timeout',
      'wsrep_sync_wait',
    ]
    const more = ['wsrep_slave_threads', 'slave_parallel_threads', 'init_connect', 'plugin_load_add', 'report_host', 'skip_show_database']
    expect([...others, ...more].filter((name) => !accepts({ [name]: 1 }))).toEqual([])
  })

  it('replace the defaults of the role for the SQL mode and the character set', () => {
    const config = (settings: object) => textOf(declared(first, { settings }), 'file:/etc/mysql/mariadb.cnf').split('\n')
    expect(config({ sql_mode: '' }).filter((line) => line.startsWith('sql_mode'))).toEqual(['sql_mode = '])
    expect(config({}).filter((line) => /^(character_set|collation)_server/.test(line))).toEqual([
      'character_set_server = utf8mb4',
      'collation_server = utf8mb4_unicode_ci',
    ])
    expect(config({ character_set_server: 'latin1' }).filter((line) => /^(character_set|collation)_server/.test(line))).toEqual([
      'character_set_server = latin1',
    ])
  })

  it('of Galera: the size of its cache is an option', () => {
    const config = textOf(declared(first, { gcache_size: '2G' }), 'file:/etc/mysql/mariadb.cnf')
    expect(config).toMatch(/^wsrep_provider_options = "gcache\.size=2G;socket\.ssl=YES;/m)
  })

  it('of Galera: other options follow those of the role, and arbitrators get those of a member without data', () => {
    const provider_options = { 'gcs.fc_limit': 64, 'gcs.sync_donor': true, 'evs.suspect_timeout': 'PT10S', 'gmcast.segment': 1 }
    const config = textOf(declared(first, { provider_options }), 'file:/etc/mysql/mariadb.cnf')
    expect(config).toMatch(/:4567;evs\.suspect_timeout=PT10S;gcs\.fc_limit=64;gcs\.sync_donor=YES;gmcast\.segment=1"$/m)
    const arbitrator = textOf(declared(LB, { provider_options }), 'file:/etc/default/garb')
    expect(arbitrator).toMatch(/:4567;evs\.suspect_timeout=PT10S;gmcast\.segment=1"$/m)
  })
})

it('a restored table may be granted in the same run', () => {
  const files = [
    { path: 'latest.sql.gz', content: { type: 'local', path: '/p/backups/latest.sql.gz', sha256: 'd', size: 1, open: () => DUMP } },
  ]
  const written = {
    restore: { file: 'backups/latest.sql.gz' },
    users: [{ name: 'reports', password: 'x', grants: [{ on: 'shop.orders' }] }],
  }
  const all = mysql.resources({ ...contextOf(first, written), files: () => files } as never)
  const account = all.find((resource) => keyOf(resource) === 'database-account:reports@%')
  expect(account?.spec).toMatchObject({ arriving: ['shop.orders'] })
})
