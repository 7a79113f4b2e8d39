import { describe, expect, it } from 'vitest'
import { requireDistinctReplicas } from '../../../../roles/mysql/agreement.ts'
import { options as schema } from '../../../../roles/mysql/options.ts'
import { RECIPIENT } from './context.ts'

/** Paths, messages and fixes of the faults of these options. */
const faults = (written: object) =>
  (schema.safeParse(written).error?.issues ?? []).map((issue) => ({
    path: issue.path.join('.'),
    message: issue.message,
    fix: (issue as { params?: { fix: string } }).params?.fix,
  }))
const paths = (written: object): readonly string[] => faults(written).map(({ path }) => path)

describe('options', () => {
  it('have defaults', () => {
    expect(schema.parse({ databases: [{ name: 'shop' }], backups: { recipients: [RECIPIENT] }, restore: { file: 'a.sql.gz' } })).toEqual({
      ...{ flavour: 'mariadb', topology: 'auto', semi_sync: true, cluster: 'database', servers: 'database', clients: ['web'] },
      ...{ arbitrators: 'database_arbitrators', writer_port: 3306, reader_port: 3307, health_port: 9200, users: [], buffer_pool: '25%' },
      ...{ durable: true, gcache_size: '128M', binlog_days: 7, slow_query_seconds: 1, connections: 151, memory: '80%', cpu_weight: 100 },
      ...{ io_weight: 100, settings: {}, provider_options: {}, certificates: [], discard_data_of: [] },
      databases: [{ name: 'shop', charset: 'utf8mb4', state: 'present', lose_all_rows: false }],
      backups: { recipients: [RECIPIENT], schedule: 'daily', keep_days: 30, port: 4569, copies: [], max_age_hours: 36 },
      restore: { file: 'a.sql.gz', lose_rows_written_since: false },
    })
    expect(schema.parse({ users: [{ name: 'a', password: 'x', grants: [{ on: 'shop.*' }] }] }).users[0]).toMatchObject({
      ...{ host: '%', state: 'present', grants: [{ on: 'shop.*', privileges: ['SELECT', 'INSERT', 'UPDATE', 'DELETE'] }] },
    })
  })

  it.each<[object, object]>([
    [{ writer_port: 1024 }, { writer_port: 1023 }],
    [{ reader_port: 65_535 }, { reader_port: 65_536 }],
    [{ cpu_weight: 1, io_weight: 10_000 }, { cpu_weight: 0 }],
    [{ binlog_days: 99 }, { binlog_days: 100 }],
    [{ binlog_days: 1 }, { binlog_days: 0 }],
    [{ slow_query_seconds: 0 }, { slow_query_seconds: -1 }],
    [{ slow_query_seconds: 3600 }, { slow_query_seconds: 3601 }],
    [{ connections: 10 }, { connections: 9 }],
    [{ connections: 100_000 }, { connections: 100_001 }],
    [{ cluster: 'a'.repeat(32) }, { cluster: 'a'.repeat(33) }],
    [{ cluster: 'shop-1' }, { cluster: 'Shop' }],
    [{ cluster: 'shop_1' }, { cluster: 'shop x' }],
    [{ buffer_pool: '512M' }, { buffer_pool: '512' }],
    [{ buffer_pool: '99%' }, { buffer_pool: '100%' }],
    [{ memory: '4G' }, { memory: 'x4G' }],
    [{ memory: '1%' }, { memory: '0%' }],
    [{ gcache_size: '1024K' }, { gcache_size: '10%' }],
    [{ provider_options: { 'gcs.fc_limit': 64 } }, { provider_options: { 'gcs.fc_limits': 64 } }],
    [{ provider_options: { 'gmcast.segment': 255 } }, { provider_options: { 'gmcast.segment': 256 } }],
    [{ provider_options: { 'evs.suspect_timeout': 'PT1M0.5S' } }, { provider_options: { 'evs.suspect_timeout': 'PT' } }],
    [{ provider_options: { 'gcache.page_size': '1G' } }, { provider_options: { 'gcache.page_size': '1G;socket.ssl=NO' } }],
    [{ provider_options: { 'gcs.fc_factor': 0.8 } }, { provider_options: { 'pc.ignore_sb': true } }],
    [{ provider_options: { 'gcs.sync_donor': true } }, { provider_options: { 'socket.ssl': false } }],
    [{ settings: { tmpdir: '/data' } }, { settings: { 'tmp-dir': '/data' } }],
    [{ settings: { a1: 'x y' } }, { settings: { a1: "x'" } }],
    [{ settings: { a1: 'x'.repeat(500) } }, { settings: { a1: 'x'.repeat(501) } }],
    [{ settings: { a1: '' } }, { settings: { a1: 'x\n[mariadbd]' } }],
    [{ settings: { a1: 'a,b' } }, { settings: { a1: 'a#b' } }],
    [{ restore: { file: 'a.sql.gz' } }, { restore: { file: '/a.sql.gz' } }],
    [{ restore: { file: 'b/a.sql.gz' } }, { restore: { file: 'a.sql.gz.age' } }],
  ])('accept %j, and not %j', (good, bad) => {
    expect(faults(good)).toEqual([])
    expect(faults(bad)).toHaveLength(1)
  })

  const backups = (more: object) => ({ backups: { recipients: [RECIPIENT], ...more } })
  it.each<[object, object]>([
    [{ schedule: '*-*-* 03:00:00' }, { schedule: 'daily\nPersistent=no' }],
    [{ schedule: 'Mon..Fri 2:0/30'.replace('..', ',') }, { schedule: ';' }],
    [{ keep_days: 1 }, { keep_days: 0 }],
    [{ keep_days: 3650 }, { keep_days: 3651 }],
    [{ max_age_hours: 1 }, { max_age_hours: 0 }],
    [{ port: 1024 }, { port: 80 }],
    [{ store: 'vaults' }, { recipients: [] }],
    [{ recipients: [RECIPIENT, RECIPIENT] }, { recipients: [`${RECIPIENT} -o x`] }],
    [{ recipients: [RECIPIENT] }, { recipients: [`x${RECIPIENT}`] }],
  ])('of backups accept %j, and not %j', (good, bad) => {
    expect(faults(backups(good))).toEqual([])
    expect(faults(backups(bad))).toHaveLength(1)
  })

  const user = (more: object) => ({ users: [{ name: 'shop', password: 'x', ...more }] })
  it.each<[object, string]>([
    [{ name: 'a b' }, 'users.0.name'],
    [{ name: '-a' }, 'users.0.name'],
    [{ name: 'a'.repeat(81) }, 'users.0.name'],
    ...['root', 'mysql', 'mariadb.sys', 'prometheus', 'provision-x'].map((name): [object, string] => [{ name }, 'users.0.name']),
    [{ host: 'localhost' }, 'users.0.host'],
    [{ host: 'web-01' }, 'users.0.host'],
    [{ host: '10.0.0.1;' }, 'users.0.host'],
    [{ host: '10.0.0.0/24' }, 'users.0.host'],
    [{ password: undefined }, 'users.0.password'],
    [{ grants: [{ on: '*.shop' }] }, 'users.0.grants.0.on'],
    [{ grants: [{ on: 'shop.*;' }] }, 'users.0.grants.0.on'],
    [{ grants: [{ on: 'x shop.*' }] }, 'users.0.grants.0.on'],
    [{ grants: [{ on: 'shop.*', privileges: [] }] }, 'users.0.grants.0.privileges'],
    [{ grants: [{ on: 'shop.*', privileges: ['X'] }] }, 'users.0.grants.0.privileges.0'],
  ])('of a user do not accept %j', (more, path) => expect(paths(user(more))).toEqual([path]))

  it('of a user accept addresses, networks, and deletion without a password', () => {
    for (const host of ['%', '10.0.%', '10.0.0.0/255.255.255.0', 'fd00::11']) expect(faults(user({ host }))).toEqual([])
    expect(faults(user({ name: 'mysql.shop', state: 'absent', password: undefined }))).toEqual([])
    expect(faults(user({ grants: [{ on: 'shop.*' }, { on: 'shop.orders', privileges: ['ALL'] }] }))).toEqual([])
  })

  it('of a user that are wrong have a fix', () => {
    expect(faults(user({ password: undefined }))[0]).toEqual({
      ...{ path: 'users.0.password', message: 'is missing' },
      fix: 'add `password: ${' + 'secret:NAME}` (provision secrets edit)',
    })
    expect(faults(user({ host: 'web-01' }))[0]?.fix).toContain('write the address of the client')
  })

  it('of a database have a collation of its character set', () => {
    expect(paths({ databases: [{ name: 'a', charset: 'latin1', collation: 'utf8mb4_bin' }] })).toEqual(['databases.0.collation'])
    expect(paths({ databases: [{ name: 'mysql' }] })).toEqual(['databases.0.name'])
  })
})

describe('settings that the role depends on', () => {
  const fault = (name: string) => {
    const [invalid] = schema.safeParse({ settings: { [name]: 1 } }).error?.issues ?? []
    const [first] = invalid?.code === 'invalid_key' ? invalid.issues : []
    return first && { message: first.message, fix: (first as { params?: { fix: string } }).params?.fix }
  }
  const remove = (message: string, ...names: readonly string[]): readonly [string, { message: string; fix: string }][] =>
    names.map((name) => [name, { message, fix: 'remove it' }])
  const option = (option: string, ...names: readonly string[]): readonly [string, { message: string; fix: string }][] =>
    names.map((name) => [name, { message: `is set by this role, by its option \`${option}\``, fix: `set \`${option}\` instead` }])

  // A server with another value of these would lose rows, accept clients without TLS, or not be found by units, backups and checks.
  it.each([
    ...option('binlog_days', 'expire_logs_days', 'binlog_expire_logs_seconds'),
    ...option('primary', 'read_only', 'super_read_only', 'innodb_read_only'),
    ...option('durable', 'sync_binlog', 'innodb_flush_log_at_trx_commit'),
    ...option('semi_sync', ...['enabled', 'timeout', 'wait_no_slave', 'wait_point'].map((end) => `rpl_semi_sync_master_${end}`)),
    ...option('slow_query_seconds', 'log_slow_query', 'log_slow_query_file', 'log_slow_query_time', 'long_query_time', 'slow_query_log'),
    ...option('provider_options', 'wsrep_provider_options'),
    ...option('connections', 'max_connections'),
    ...option('servers', 'wsrep_cluster_address'),
    ...option('buffer_pool', 'innodb_buffer_pool_size'),
    ...option('cluster', 'wsrep_cluster_name'),
    ...remove(
      'is set by this role for its units, backups and checks',
      'basedir',
      'datadir',
      'pid_file',
      'plugin_wsrep_provider',
      'port',
      'socket',
      'user',
      'bind_address',
    ),
    ...remove(
      'is set by this role for its units, backups and checks',
      'wsrep_data_home_dir',
      'wsrep_new_cluster',
      'wsrep_on',
      'wsrep_recover',
    ),
    ...remove('is set by this role for its units, backups and checks', 'wsrep_sst_receive_address', 'wsrep_start_position', 'server_id'),
    ...remove(
      'is set by this role, because all connections between hosts are encrypted and verified',
      ...['require_secure_transport', 'ssl', 'ssl_ca', 'ssl_capath', 'ssl_cert', 'ssl_key', 'tls_version'],
    ),
    ...remove(
      'is set by this role, because replication depends on it',
      ...['gtid_binlog_state', 'gtid_domain_id', 'gtid_ignore_duplicates', 'gtid_slave_pos', 'log_bin_index', 'relay_log_index'],
      ...['relay_log_info_file', 'skip_slave_start', 'slave_net_timeout', 'storage_engine', 'wsrep_gtid_domain_id', 'wsrep_gtid_mode'],
    ),
    ...remove(
      'could make the rows of the servers differ',
      ...['binlog_do_db', 'binlog_ignore_db', 'replicate_do_db', 'replicate_do_table', 'replicate_ignore_db', 'replicate_ignore_table'],
      ...['replicate_rewrite_db', 'replicate_wild_do_table', 'replicate_wild_ignore_table', 'slave_exec_mode', 'slave_skip_errors'],
      ...['wsrep_certify_nonpk', 'wsrep_desync', 'wsrep_ignore_apply_errors', 'wsrep_osu_method', 'wsrep_reject_queries'],
    ),
    ...remove('would admit clients without their password, or none at all', 'skip_grant_tables', 'skip_networking'),
    ...remove('is off in this role: with it, a server can request files that its client can read', 'local_infile'),
    ...remove('is on in this role: names of clients come from resolvers that others control', 'skip_name_resolve'),
  ])('are refused: %s', (name, expected) => expect(fault(name)).toEqual(expected))

  it('are refused with each prefix of the server, and abbreviated', () => {
    for (const prefix of ['loose', 'skip', 'enable', 'disable', 'maximum', 'loose_skip'])
      expect(fault(`${prefix}_ssl_ca`)?.fix).toBe('remove it')
    expect(fault('require_secure_tr')).toEqual({
      message:
        'is read by the server as require_secure_transport, which is set by this role, because all connections between hosts are encrypted and verified',
      fix: 'remove it, or write the complete name of another setting',
    })
    for (const name of ['ssl_ca_x', 'x_ssl_ca', 'transport']) expect(fault(name)).toBeUndefined()
  })
})

it('names of replicas fit into a certificate, and have distinct numbers', () => {
  const check =
    (...names: readonly string[]) =>
    () =>
      requireDistinctReplicas(
        names.map((name) => ({ name }) as never),
        (name) => `${name}.x`,
      )
  expect(check('a'.repeat(62), 'b', 'c')).not.toThrow()
  expect(check('b', 'a'.repeat(63))).toThrow(
    expect.objectContaining({ fix: 'rename the host to at most 62 characters', where: { host: 'a'.repeat(63), role: 'mysql' } }),
  )
  // These two names have the same FNV-1a hash.
  expect(check('costarring', 'other', 'liquid')).toThrow(
    expect.objectContaining({ fix: 'rename one of the two hosts', where: { host: 'liquid', role: 'mysql' } }),
  )
})
