import { describe, expect, it } from 'vitest'
import mysql from '../../../../roles/mysql/role.ts'
import { keyOf } from '../../../../src/resource/kind/kind.ts'
import type { HostView } from '../../../../src/role/role.ts'
import { contextOf, HOSTS, hostOf, RECIPIENT, textOf } from './context.ts'

const BACKUPS = { backups: { recipients: [RECIPIENT] } }
const REPLICA = { topology: 'replica' }
const declared = (name: string, written: object = {}) => mysql.resources(contextOf(name, written))
const specOf = (name: string, key: string, written: object = {}) => declared(name, written).find((one) => keyOf(one) === key)?.spec

const PACKAGES = ['mariadb-server', 'mariadb-backup', 'openssl', 'galera-4', 'socat'].map((name) => `package:${name}`)
const SERVER = [
  ...['directory:/etc/mysql/provision', 'directory:/var/log/mysql', 'file:/etc/mysql/provision/authority.pem'],
  ...['certificate:/etc/mysql/provision/host.pem', 'unit:database.slice', 'directory:/usr/local/lib/provision'],
  ...['file:/usr/local/lib/provision/database-upgrade', 'unit:mariadb.service.d/provision.conf', 'file:/etc/mysql/mariadb.cnf'],
]
const HEALTH = [
  ...['user:provision-health', 'directory:/usr/local/lib/provision', 'file:/usr/local/lib/provision/database-health'],
  ...['unit:provision-database-health.service', 'unit:provision-database-health.socket'],
  ...['service:provision-database-health.socket', 'service:provision-database-health.service'],
]
const CONTENTS = (host: string) => [
  ...['database:test', 'database-account:@localhost', `database-account:@${host}`],
  ...['database-account:prometheus@localhost', 'database-account:provision-health@localhost'],
]
const PROXY = [
  ...['package:haproxy', 'directory:/etc/provision', 'file:/etc/provision/database-proxy.cfg'],
  ...['unit:provision-database-proxy.service', 'service:provision-database-proxy.service'],
]
const BACKUP_ACCOUNT = [
  ...['user:provision-backup', 'package:openssl', 'package:socat', 'directory:/etc/provision-backup'],
  ...['file:/etc/provision-backup/authority.pem', 'certificate:/etc/provision-backup/host.pem', 'directory:/usr/local/lib/provision'],
]

describe('the resources, in their order,', () => {
  it.each<[string, string, object, readonly string[]]>([
    [
      'of a server',
      'web-01',
      {},
      ['unreplicated:database', ...PACKAGES, ...SERVER, ...HEALTH, 'galera:database', ...CONTENTS('web-01'), ...PROXY],
    ],
    [
      'of the server that makes backups',
      'web-02',
      BACKUPS,
      [
        ...['unreplicated:database', ...PACKAGES, ...SERVER, ...HEALTH, 'galera:database', ...CONTENTS('web-02')],
        ...['database-account:provision-backup@localhost', ...BACKUP_ACCOUNT, 'package:age', 'directory:/var/lib/provision-metrics'],
        ...['directory:/var/lib/provision-metrics/database-backup', 'file:/usr/local/lib/provision/database-backup'],
        ...[
          'file:/usr/local/lib/provision/database-moment',
          'file:/usr/local/lib/provision/database-backup-result',
          'unit:provision-database-backup.service',
        ],
        ...['unit:provision-database-backup.timer', 'service:provision-database-backup.timer', ...PROXY],
      ],
    ],
    [
      'of a primary or replica',
      'web-02',
      REPLICA,
      [
        ...[...PACKAGES.filter((one) => one !== 'package:galera-4'), ...SERVER, ...HEALTH, 'directory:/usr/local/lib/provision'],
        ...['file:/usr/local/lib/provision/database-primary', 'unit:provision-database-primary.service', 'replication:database'],
        ...[...CONTENTS('web-02'), ...PROXY],
      ],
    ],
    [
      'of the host that stores backups',
      'lb-01',
      BACKUPS,
      [
        ...['user:garbd', 'package:galera-arbitrator-4', 'package:openssl', 'directory:/etc/garbd', 'file:/etc/garbd/authority.pem'],
        ...['certificate:/etc/garbd/host.pem', 'unit:garb.service.d/provision.conf', 'file:/etc/default/garb', 'galera:database'],
        ...[...BACKUP_ACCOUNT, 'file:/usr/local/lib/provision/database-receive', 'unit:provision-database-store.service'],
        'service:provision-database-store.service',
      ],
    ],
    [
      'of a host with applications only',
      'app-01',
      {},
      [
        'package:haproxy',
        'directory:/etc/mysql',
        'directory:/etc/mysql/provision',
        'file:/etc/mysql/provision/authority.pem',
        ...PROXY.slice(1),
      ],
    ],
  ])('%s', (_, name, written, keys) => {
    expect(declared(name, written).map(keyOf)).toEqual(keys)
  })

  it('of a server whose applications are on no host of the site have no health service', () => {
    expect(
      declared('web-01', { clients: [] })
        .map(keyOf)
        .filter((key) => key.includes('health')),
    ).toEqual([])
  })
})

describe('services run with their present files', () => {
  const filesOf = (name: string, key: string, written: object = {}) => {
    const spec = specOf(name, key, written) as { service?: object; loads?: Named[]; restarts?: Named[] }
    const {
      loads = [],
      restarts = [],
      ...rest
    } = (spec.service ?? spec) as { loads?: Named[]; restarts?: Named[]; reload?: string; set?: string }
    return { loads: loads.map(({ key }) => key), restarts: restarts.map(({ key }) => key), reload: rest.reload, set: rest.set }
  }
  interface Named {
    readonly key: string
  }

  it.each<[string, string, object, readonly string[], readonly string[], string, string | undefined]>([
    [
      'web-01',
      'galera:database',
      {},
      ['certificate:/etc/mysql/provision/host.pem', 'file:/etc/mysql/provision/authority.pem'],
      ['file:/etc/mysql/mariadb.cnf', 'unit:mariadb.service.d/provision.conf'],
      'reload',
      'mariadb',
    ],
    [
      'lb-01',
      'galera:database',
      {},
      [],
      ['certificate:/etc/garbd/host.pem', 'file:/etc/garbd/authority.pem', 'file:/etc/default/garb', 'unit:garb.service.d/provision.conf'],
      'reload',
      undefined,
    ],
    [
      'lb-01',
      'service:provision-database-store.service',
      BACKUPS,
      [],
      [
        ...['file:/etc/provision-backup/authority.pem', 'certificate:/etc/provision-backup/host.pem'],
        ...['file:/usr/local/lib/provision/database-receive', 'unit:provision-database-store.service'],
      ],
      'restart',
      undefined,
    ],
    ['web-02', 'service:provision-database-backup.timer', BACKUPS, [], ['unit:provision-database-backup.timer'], 'restart', undefined],
    ['web-01', 'service:provision-database-health.socket', {}, [], ['unit:provision-database-health.socket'], 'restart', undefined],
    [
      'web-01',
      'service:provision-database-health.service',
      {},
      [],
      ['unit:provision-database-health.service', 'file:/usr/local/lib/provision/database-health'],
      'restart',
      undefined,
    ],
    [
      'web-01',
      'service:provision-database-proxy.service',
      {},
      ['file:/etc/provision/database-proxy.cfg'],
      ['unit:provision-database-proxy.service'],
      'reload',
      'database-proxy',
    ],
  ])('%s %s', (name, key, written, loads, restarts, reload, set) => {
    const found = filesOf(name, key, written)
    expect({ ...found, loads: found.loads.flatMap(unpaired), restarts: found.restarts.flatMap(unpaired) }).toEqual({
      loads,
      restarts,
      reload,
      set,
    })
  })
  /** A certificate is a pair of files. */
  const unpaired = (key: string, i: number, all: readonly string[]): readonly string[] => (all.indexOf(key) === i ? [key] : [])
})

describe('units', () => {
  const lines = (name: string, unit: string, written: object = {}) => textOf(name, `unit:${unit}`, written).split('\n')

  it.each<[string, string, object, readonly string[]]>([
    [
      'web-01',
      'mariadb.service.d/provision.conf',
      {},
      [
        ...['Restart=on-failure', 'RestartSec=3s', 'StartLimitIntervalSec=0', 'TimeoutStartSec=3h', 'After=network-online.target'],
        ...['EnvironmentFile=-/run/mariadb-wsrep-new-cluster', 'ExecStopPost=+/bin/rm -f /run/mariadb-wsrep-new-cluster'],
        ...['Slice=database.slice', 'ProtectSystem=strict', 'CapabilityBoundingSet=CAP_DAC_OVERRIDE CAP_IPC_LOCK', 'UMask=0007'],
        ...['ExecStartPost=+/bin/rm -f /run/mariadb-wsrep-new-cluster', 'RestrictAddressFamilies=AF_UNIX AF_NETLINK AF_INET AF_INET6'],
      ],
    ],
    ['web-01', 'mariadb.service.d/provision.conf', REPLICA, ['Wants=network-online.target provision-database-primary.service']],
    ['web-01', 'database.slice', { memory: '60%', cpu_weight: 50, io_weight: 20 }, ['CPUWeight=50', 'IOWeight=20', 'MemoryMax=60%']],
    ['lb-01', 'garb.service.d/provision.conf', {}, ['User=garbd', 'Restart=always', 'StateDirectory=garbd', 'ProtectSystem=strict']],
    [
      'web-01',
      'provision-database-health.service',
      {},
      [
        'User=provision-health',
        'Restart=always',
        'PrivateNetwork=yes',
        'Requires=provision-database-health.socket',
        'WantedBy=multi-user.target',
      ],
    ],
    [
      'web-01',
      'provision-database-health.socket',
      { health_port: 9300 },
      ['ListenStream=127.0.0.12:9300', 'FreeBind=yes', 'WantedBy=sockets.target'],
    ],
    [
      'web-02',
      'provision-database-backup.service',
      BACKUPS,
      [
        ...['User=provision-backup', 'Type=oneshot', 'SuccessExitStatus=3', 'StateDirectoryMode=0700', 'After=mariadb.service'],
        ...['RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6', 'ReadWritePaths=/var/lib/provision-metrics/database-backup'],
      ],
    ],
    ['web-02', 'provision-database-backup.service', { backups: { ...BACKUPS.backups, store: 'here' } }, ['PrivateNetwork=yes']],
    [
      'web-02',
      'provision-database-backup.timer',
      { backups: { ...BACKUPS.backups, schedule: '*-*-* 03:00:00' } },
      ['OnCalendar=*-*-* 03:00:00', 'Persistent=yes'],
    ],
    [
      'lb-01',
      'provision-database-store.service',
      BACKUPS,
      [
        'User=provision-backup',
        'StateDirectoryMode=0700',
        'Restart=always',
        'SuccessExitStatus=143',
        'MemoryMax=256M',
        'WantedBy=multi-user.target',
      ],
    ],
    [
      'web-01',
      'provision-database-primary.service',
      REPLICA,
      ['User=mysql', 'PartOf=mariadb.service', 'After=mariadb.service', 'Restart=on-failure'],
    ],
    [
      'web-01',
      'provision-database-proxy.service',
      {},
      ['User=haproxy', 'Restart=always', 'KillMode=mixed', 'ExecReload=/bin/kill -USR2 $MAINPID'],
    ],
  ])('%s %s %j', (name, unit, written, expected) => {
    const found = lines(name, unit, written)
    expect(expected.filter((line) => !found.includes(line))).toEqual([])
  })

  it('of a store accept only certificates of the database authority, four at a time', () => {
    const [line = ''] = lines('lb-01', 'provision-database-store.service', BACKUPS).filter((one) => one.startsWith('ExecStart='))
    expect(line).toMatch(/OPENSSL-LISTEN:4569,bind=127\.0\.0\.11,pf=ip4,.*,max-children=4,/)
    expect(line).toMatch(/,cafile=\/etc\/provision-backup\/authority\.pem,verify=1 EXEC:\/usr\/local\/lib\/provision\/database-receive$/)
  })

  it('of a cluster reload the certificates of both protocols; a single server and a replica have one', () => {
    const reload = (written: object) =>
      lines('web-01', 'mariadb.service.d/provision.conf', written).find((line) => line.startsWith('ExecReload='))
    expect(reload({})).toMatch(/FLUSH LOCAL SSL; SET GLOBAL wsrep_provider_options='socket\.ssl_reload=1'"$/)
    expect(reload(REPLICA)).toMatch(/SET lock_wait_timeout=10; FLUSH LOCAL SSL"$/)
  })
})

it('certificates are readable by the account of their service, have its names, and trust the database authority only', () => {
  expect(specOf('web-01', 'certificate:/etc/mysql/provision/host.pem')).toMatchObject({
    group: 'mysql',
    names: [...['web-01', 'writer', 'reader'].map((name) => `${name}.database.provision.internal`), '127.0.0.12', '127.0.0.1'],
    usages: ['client', 'server'],
  })
  expect(specOf('lb-01', 'certificate:/etc/garbd/host.pem')).toMatchObject({ group: 'garbd', usages: ['client', 'server'] })
  expect(specOf('web-02', 'certificate:/etc/provision-backup/host.pem', BACKUPS)).toMatchObject({
    group: 'provision-backup',
    usages: ['client'],
  })
  expect(specOf('lb-01', 'certificate:/etc/provision-backup/host.pem', BACKUPS)).toMatchObject({ usages: ['server'] })
  for (const [name, path, written] of [
    ['web-01', '/etc/mysql/provision', {}],
    ['lb-01', '/etc/garbd', {}],
    ['lb-01', '/etc/provision-backup', BACKUPS],
    ['web-02', '/etc/provision-backup', BACKUPS],
    ['app-01', '/etc/mysql/provision', {}],
  ] as const)
    expect(specOf(name, `file:${path}/authority.pem`, written)).toMatchObject({
      content: { parts: ['', { later: 'the certificate of authority:database' }, ''] },
    })
})

it('accounts of the role have exactly their privileges', () => {
  const grants = (user: string, written: object = {}) =>
    (specOf('web-01', `database-account:${user}@localhost`, written) as { grants: unknown })?.grants
  expect(grants('prometheus')).toEqual([{ on: '*.*', privileges: ['PROCESS', 'SLAVE MONITOR'] }])
  expect(grants('provision-health')).toEqual([])
  expect(grants('provision-backup', BACKUPS)).toEqual([
    {
      on: '*.*',
      privileges: ['BINLOG MONITOR', 'EVENT', 'LOCK TABLES', 'PROCESS', 'RELOAD', 'REPLICATION SLAVE', 'SELECT', 'SHOW VIEW', 'TRIGGER'],
    },
  ])
})

describe('addresses', () => {
  const SIX = HOSTS.map((one, i) => hostOf(one.name, one.groups, `fd00::${i + 1}`))
  const text = (name: string, key: string, written: object, hosts = SIX) => textOf(name, key, written, hosts)

  it('are of IPv6 where the hosts have no other', () => {
    expect(text('web-01', 'file:/etc/mysql/mariadb.cnf', {})).toContain('wsrep_cluster_address = gcomm://[fd00::2],[fd00::3]')
    expect(text('web-01', 'file:/etc/mysql/mariadb.cnf', {})).toMatch(/gmcast\.listen_addr=ssl:\/\/\[fd00::2\]:4567/)
    expect(text('lb-01', 'file:/etc/default/garb', {})).toContain('GALERA_NODES="[fd00::2]:4567 [fd00::3]:4567"')
    expect(text('lb-01', 'unit:provision-database-store.service', BACKUPS)).toContain('bind=[fd00::1],pf=ip6,')
    expect(text('web-02', 'file:/usr/local/lib/provision/database-backup', BACKUPS)).toContain('OPENSSL:[fd00::1]:4569,')
    expect(text('web-01', 'unit:provision-database-health.socket', {})).toContain('ListenStream=[fd00::2]:9200')
  })

  it('are of a family that all members have', () => {
    const mixed = [
      hostOf('lb-01', ['database_arbitrators'], 'fd00::1'),
      ...HOSTS.slice(1, 3).map((one, i) => hostOf(one.name, one.groups, `10.0.0.${i}`, `fd00::${i + 2}`)),
    ]
    expect(text('web-01', 'file:/etc/mysql/mariadb.cnf', {}, mixed)).toContain('wsrep_node_address = [fd00::2]')
    expect(text('web-01', 'file:/etc/mysql/mariadb.cnf', {}, mixed)).toContain('bind_address = 10.0.0.0,fd00::2\n')
    const none = [hostOf('lb-01', ['database_arbitrators'], 'fd00::1'), ...HOSTS.slice(1, 3)]
    expect(() => text('web-01', 'file:/etc/mysql/mariadb.cnf', {}, none)).toThrow(
      'database servers have no common address family: web-01 has 127.0.0.12; web-02 has 127.0.0.13; lb-01 has fd00::1',
    )
    const named = HOSTS.map((one) => hostOf(one.name, one.groups, `${one.name}.example.org`))
    expect(() => text('web-01', 'file:/etc/mysql/mariadb.cnf', {}, named)).toThrow('no common address family')
  })
})

it('flows of replicas and single servers have no ports of a cluster', () => {
  const ports = (name: string, written: object) =>
    (mysql.listens?.(contextOf(name, written)) ?? []).map(({ service, port }) => `${service} ${port}`)
  expect(ports('web-01', REPLICA)).toEqual(['database 3306', 'database-health 9200', 'database-copy 4444'])
  expect(ports('web-01', { topology: 'single' })).toEqual(['database 3306', 'database-health 9200'])
  expect(ports('web-01', { ...REPLICA, clients: ['nobody'] })).toEqual(['database 3306', 'database-copy 4444'])
})

it('warnings name what a loss of the server would lose', () => {
  const warnings = (name: string, written: object): readonly string[] => {
    const said: string[] = []
    mysql.resources({ ...contextOf(name, written), warn: (what) => said.push(what) })
    return said.map((what) => what.split(/[:;,]/)[0] ?? '')
  }
  expect(warnings('web-01', {})).toEqual(['no database backups are configured'])
  expect(warnings('web-01', BACKUPS)).toEqual([])
  expect(warnings('lb-01', {})).toEqual([])
  expect(warnings('web-01', { topology: 'single', ...BACKUPS })).toEqual(['this host is the only database server'])
  expect(warnings('web-02', { backups: { ...BACKUPS.backups, store: 'here' } })).toEqual([
    'database backups are stored on the database server and would be lost with it',
  ])
  expect(warnings('web-01', { backups: { ...BACKUPS.backups, store: 'here' } })).toEqual([])
})

describe('the configuration', () => {
  const linesOf = (written: object) => textOf('web-01', 'file:/etc/mysql/mariadb.cnf', written).split('\n')
  const COMMON = [
    ...['user = mysql', 'pid_file = /run/mysqld/mysqld.pid', 'bind_address = 127.0.0.12', 'skip_name_resolve = ON'],
    ...[
      'local_infile = OFF',
      'symbolic_links = OFF',
      'ssl_ca = /etc/mysql/provision/authority.pem',
      'ssl_cert = /etc/mysql/provision/host.pem',
    ],
    ...['ssl_key = /etc/mysql/provision/host.pem.key', 'tls_version = TLSv1.2,TLSv1.3', 'require_secure_transport = ON'],
    ...['default_storage_engine = InnoDB', 'log_bin = mysql-bin', 'binlog_format = ROW', 'log_slave_updates = ON', 'slow_query_log = ON'],
    ...['slow_query_log_file = /var/log/mysql/mariadb-slow.log', 'socket = /run/mysqld/mysqld.sock'],
    // The file by which mariadb-server 1:11.8.6-5ubuntu0.1 keeps the data directory of an upgraded server.
    '!include /etc/mysql/mariadb.conf.d/99-legacy-datadir.cnf',
  ]
  const CLUSTER = [
    ...['innodb_autoinc_lock_mode = 2', 'wsrep_on = ON', 'wsrep_provider = /usr/lib/galera/libgalera_smm.so', 'wsrep_cluster_name = shop'],
    // Where this plugin of MariaDB 11.8 is loaded, the server refuses to set wsrep_provider_options.
    'loose_plugin_wsrep_provider = OFF',
    ...['wsrep_node_name = web-01', 'wsrep_node_address = 127.0.0.12', 'wsrep_node_incoming_address = 127.0.0.12:3306'],
    ...['wsrep_sst_method = mariabackup', 'wsrep_sst_auth = mysql:', '[sst]', 'encrypt = 4', 'tca = /etc/mysql/provision/authority.pem'],
    ...['tcert = /etc/mysql/provision/host.pem', 'tkey = /etc/mysql/provision/host.pem.key'],
  ]
  const REPLICAS = [
    ...['read_only = ON', 'gtid_strict_mode = ON', 'relay_log = relay-bin', 'relay_log_recovery = ON', 'slave_net_timeout = 10'],
    ...['rpl_semi_sync_slave_enabled = ON', 'rpl_semi_sync_master_enabled = ON', 'rpl_semi_sync_master_wait_point = AFTER_SYNC'],
    ...['rpl_semi_sync_master_timeout = 3000', 'rpl_semi_sync_master_wait_no_slave = OFF'],
  ]

  it.each<[string, object, readonly string[], readonly string[]]>([
    ['a cluster', { cluster: 'shop' }, [...COMMON, ...CLUSTER], REPLICAS],
    ['replicas', REPLICA, [...COMMON, ...REPLICAS], CLUSTER],
    [
      'replicas without semi-synchronous replication',
      { ...REPLICA, semi_sync: false },
      [...COMMON, ...REPLICAS.slice(0, 6)],
      REPLICAS.slice(6),
    ],
    ['a single server', { topology: 'single' }, COMMON, [...CLUSTER, ...REPLICAS]],
    [
      'options',
      { buffer_pool: '512M', durable: false, binlog_days: 3, slow_query_seconds: 0.5, connections: 77 },
      [
        ...[
          'innodb_buffer_pool_size = 512M',
          'innodb_flush_log_at_trx_commit = 2',
          'sync_binlog = 0',
          'binlog_expire_logs_seconds = 259200',
        ],
        ...['long_query_time = 0.5', 'max_connections = 77'],
      ],
      [],
    ],
    ['a share of the memory', { buffer_pool: '1%', memory: '80%' }, ['innodb_buffer_pool_size = 64M'], []],
    ['a share of the memory, in steps of 64 MB', { buffer_pool: '30%' }, ['innodb_buffer_pool_size = 1216M'], []],
  ])('of %s has its lines, and none of others', (_, written, expected, others) => {
    const found = linesOf(written)
    expect(expected.filter((line) => !found.includes(line))).toEqual([])
    expect(others.filter((line) => found.includes(line))).toEqual([])
  })
})

describe('invalid options', () => {
  const faults = (name: string, written: object, hosts: readonly HostView[]) => mysql.check?.(contextOf(name, written, hosts)) ?? []
  const [lb, first, second, app] = HOSTS as [HostView, HostView, HostView, HostView]
  const outside = hostOf('other-01', [], '127.0.0.20')

  it.each<[string, string, object, readonly HostView[], string, string]>([
    ['another server software', 'web-01', { flavour: 'mysql' }, HOSTS, 'flavour', 'set `topology: r'],
    ['a host outside', 'other-01', {}, [...HOSTS, outside], 'servers', 'bind the role to these groups only'],
    ['an arbitrator with data', 'web-01', { arbitrators: 'database' }, HOSTS, 'arbitrators', 'choose another host as arbitrator'],
    ['several single servers', 'web-01', { topology: 'single' }, HOSTS, 'topology', 'set `topology: cluster`, or leave one host'],
    ['a cluster of one', 'web-01', { topology: 'cluster' }, [lb, first, app], 'topology', 'add hosts to the group database'],
    ['a primary without replica', 'web-01', REPLICA, [lb, first, app], 'topology', 'add hosts to the group database'],
    ['a primary of a cluster', 'web-01', { primary: 'web-01' }, HOSTS, 'primary', 'remove `primary`, or set `topology: replica`'],
    [
      'a primary that is no server',
      'web-01',
      { ...REPLICA, primary: 'app-01' },
      HOSTS,
      'primary',
      'name one of web-01, web-02, or add app-01',
    ],
    ['two servers without a third vote', 'web-01', {}, [first, second, app], 'arbitrators', 'add a third host, which holds no data'],
    [
      'a pool as large as the memory',
      'web-01',
      { buffer_pool: '50%', memory: '50%' },
      HOSTS,
      'buffer_pool',
      'reduce `buffer_pool`, or raise `memory`',
    ],
    [
      'a store that does not exist',
      'web-01',
      { backups: { ...BACKUPS.backups, store: 'vault' } },
      HOSTS,
      'backups',
      'set `store` to a group',
    ],
    ['a store with data', 'web-01', { backups: { ...BACKUPS.backups, store: 'database' } }, HOSTS, 'backups', 'set `store` to a group'],
    [
      'data of a host that is no server',
      'web-01',
      { discard_data_of: ['web-02', 'app-01'] },
      HOSTS,
      'discard_data_of',
      'name only hosts among web-01, web-02',
    ],
  ])('%s', (_, name, written, hosts, option, fix) => {
    expect(faults(name, written, hosts).map((one) => [one.path[0], one.fix.slice(0, fix.length)])).toEqual([[option, fix]])
  })

  it.each<[string, string, object, readonly HostView[]]>([
    ['a valid cluster', 'web-01', { discard_data_of: ['web-01', 'web-02'] }, HOSTS],
    ['a pool below the memory', 'web-01', { buffer_pool: '49%', memory: '50%' }, HOSTS],
    ['sizes, which are not compared with shares', 'web-01', { buffer_pool: '90%', memory: '4G' }, HOSTS],
    ['a third server in place of an arbitrator', 'web-01', {}, [first, second, hostOf('db-03', ['database'], '127.0.0.21')]],
    ['backups on the server itself', 'web-01', { backups: { ...BACKUPS.backups, store: 'here' } }, HOSTS],
    ['an application, whose servers have their own options', 'app-01', { topology: 'cluster', primary: 'web-01' }, [first, app]],
    [
      'a host that only stores backups',
      'vault-01',
      { backups: { ...BACKUPS.backups, store: 'vaults' } },
      [...HOSTS, hostOf('vault-01', ['vaults'], '127.0.0.22')],
    ],
    ['an arbitrator that replicas do not need', 'lb-01', REPLICA, HOSTS],
  ])('are not reported for %s', (_, name, written, hosts) => {
    expect(faults(name, written, hosts)).toEqual([])
  })
})
