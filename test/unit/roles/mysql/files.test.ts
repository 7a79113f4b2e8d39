import { spawnSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { proxyConfig } from '../../../../roles/mysql/proxy.ts'
import mysql from '../../../../roles/mysql/role.ts'
import { sandbox } from '../../../../src/index.ts'
import { contextOf, RECIPIENT, textOf } from './context.ts'
import { place } from './stand-ins.ts'

const BACKUPS = { backups: { recipients: [RECIPIENT] } }
const REPLICA = { topology: 'replica' }
const NETWORK = ['Wants=network-online.target', 'After=network-online.target', 'StartLimitIntervalSec=0']

describe('units have their settings besides their sandbox', () => {
  const sandboxed = new Set(Object.keys(sandbox()))
  /** Lines by section; of a command, the rest of a long line is left out. */
  const sectionsOf = (name: string, unit: string, written: object): Record<string, readonly string[]> =>
    Object.fromEntries(
      textOf(name, `unit:${unit}`, written)
        .replaceAll(/^(#.*|Description=.+)\n/gm, '')
        .split(/^\[(\w+)\]\n/m)
        .slice(1)
        .flatMap((section, i, all) =>
          i % 2 === 1
            ? []
            : [
                [
                  section,
                  (all[i + 1] ?? '')
                    .split('\n')
                    .filter(
                      (line) =>
                        line !== '' && !sandboxed.has(line.split('=')[0] ?? '') && !/^Exec(Reload|Start)=\S+(mariadb|socat) /.test(line),
                    ),
                ] as const,
              ],
        ),
    )
  const SERVER = ['Restart=on-failure', 'RestartSec=3s', 'TimeoutStartSec=3h', 'ExecStartPost=']
  const PATHS = [
    ...['/var/lib/mariadb', '/var/lib/mysql', '/run/mysqld', '/var/log/mysql'].map((path) => `ReadWritePaths=-${path}`),
    'Slice=database.slice',
  ]
  const REMOVE = '+/bin/rm -f /run/mariadb-wsrep-new-cluster'

  it.each<[string, string, object, Record<string, readonly string[]>]>([
    [
      'web-01',
      'mariadb.service.d/provision.conf',
      {},
      {
        Unit: NETWORK,
        Service: [
          ...[...SERVER, `ExecStartPost=${REMOVE}`, 'ExecStartPost=-/usr/local/lib/provision/database-upgrade'],
          ...['EnvironmentFile=-/run/mariadb-wsrep-new-cluster', `ExecStopPost=${REMOVE}`, ...PATHS],
        ],
      },
    ],
    [
      'web-01',
      'mariadb.service.d/provision.conf',
      REPLICA,
      {
        Unit: ['Wants=network-online.target provision-database-primary.service', ...NETWORK.slice(1)],
        Service: [...SERVER, 'ExecStartPost=-/usr/local/lib/provision/database-upgrade', ...PATHS],
      },
    ],
    [
      'web-01',
      'mariadb.service.d/provision.conf',
      { topology: 'single' },
      { Unit: NETWORK, Service: [...SERVER, 'ExecStartPost=-/usr/local/lib/provision/database-upgrade', ...PATHS] },
    ],
    ['web-01', 'database.slice', { cpu_weight: 50 }, { Unit: [], Slice: ['CPUWeight=50', 'IOWeight=100', 'MemoryMax=80%'] }],
    [
      'lb-01',
      'garb.service.d/provision.conf',
      {},
      {
        Unit: NETWORK,
        Service: [
          'User=garbd',
          'Group=garbd',
          'StateDirectory=garbd',
          'WorkingDirectory=/var/lib/garbd',
          'Restart=always',
          'RestartSec=3s',
        ],
      },
    ],
    [
      'web-01',
      'provision-database-health.service',
      {},
      {
        Unit: ['Requires=provision-database-health.socket'],
        Service: ['ExecStart=/usr/local/lib/provision/database-health', 'User=provision-health', 'Restart=always', 'RestartSec=1s'],
        Install: ['WantedBy=multi-user.target'],
      },
    ],
    [
      'web-01',
      'provision-database-health.socket',
      {},
      { Unit: NETWORK.slice(0, 2), Socket: ['ListenStream=127.0.0.12:9200', 'FreeBind=yes'], Install: ['WantedBy=sockets.target'] },
    ],
    [
      'web-02',
      'provision-database-backup.service',
      BACKUPS,
      {
        Unit: ['After=mariadb.service'],
        Service: [
          ...['Type=oneshot', 'ExecStart=/usr/local/lib/provision/database-backup', 'SuccessExitStatus=3'],
          ...['ExecStopPost=!/usr/local/lib/provision/database-backup-result', 'User=provision-backup', 'Group=provision-backup'],
          ...['StateDirectory=provision-database-backup', 'StateDirectoryMode=0700', 'Nice=10', 'IOSchedulingClass=idle', 'CPUWeight=20'],
          ...['TimeoutStartSec=12h', 'ReadWritePaths=/var/lib/provision-metrics/database-backup'],
        ],
      },
    ],
    [
      'web-02',
      'provision-database-backup.timer',
      BACKUPS,
      { Unit: [], Timer: ['OnCalendar=daily', 'RandomizedDelaySec=10min', 'Persistent=yes'], Install: ['WantedBy=timers.target'] },
    ],
    [
      'lb-01',
      'provision-database-store.service',
      BACKUPS,
      {
        Unit: NETWORK,
        Service: [
          ...['User=provision-backup', 'Group=provision-backup', 'StateDirectory=provision-database-store', 'StateDirectoryMode=0700'],
          ...['SuccessExitStatus=143', 'Restart=always', 'RestartSec=1s', 'MemoryMax=256M'],
        ],
        Install: ['WantedBy=multi-user.target'],
      },
    ],
    [
      'web-01',
      'provision-database-primary.service',
      REPLICA,
      {
        Unit: ['After=mariadb.service', 'PartOf=mariadb.service', 'StartLimitIntervalSec=0'],
        Service: [
          ...[
            'ExecStart=/usr/local/lib/provision/database-primary',
            'Restart=on-failure',
            'RestartSec=5s',
            'NotifyAccess=all',
            'User=mysql',
            'Group=mysql',
          ],
        ],
      },
    ],
    [
      'web-01',
      'provision-database-proxy.service',
      {},
      {
        Unit: NETWORK,
        Service: [
          ...['Type=notify', 'ExecStartPre=/usr/sbin/haproxy -c -q -f /etc/provision/database-proxy.cfg'],
          'ExecStart=/usr/sbin/haproxy -Ws -f /etc/provision/database-proxy.cfg',
          'ExecReload=/usr/sbin/haproxy -c -q -f /etc/provision/database-proxy.cfg',
          ...['ExecReload=/bin/kill -USR2 $MAINPID', 'User=haproxy', 'Group=haproxy', 'KillMode=mixed', 'SuccessExitStatus=143'],
          ...['Restart=always', 'RestartSec=1s', 'LimitNOFILE=16384'],
        ],
        Install: ['WantedBy=multi-user.target'],
      },
    ],
  ])('%s %s %j', (name, unit, written, sections) => expect(sectionsOf(name, unit, written)).toEqual(sections))

  it('have a reload of the server that waits for no lock and reads no settings of root', () => {
    const reload = /^ExecReload=(.*)$/m.exec(textOf('web-01', 'unit:mariadb.service.d/provision.conf', REPLICA))?.[1]
    expect(reload).toBe(
      '/usr/bin/mariadb --no-defaults --socket=/run/mysqld/mysqld.sock --local-infile=0 --connect-timeout=10 -e "SET lock_wait_timeout=10; FLUSH LOCAL SSL"',
    )
  })

  it('have a store that takes four backups at a time, from holders of a certificate only', () => {
    const start = /^ExecStart=(.*)$/m.exec(textOf('lb-01', 'unit:provision-database-store.service', BACKUPS))?.[1]
    expect(start).toBe(
      '/usr/bin/socat OPENSSL-LISTEN:4569,bind=127.0.0.11,pf=ip4,reuseaddr,fork,max-children=4,cert=/etc/provision-backup/host.pem,key=/etc/provision-backup/host.pem.key,cafile=/etc/provision-backup/authority.pem,verify=1 EXEC:/usr/local/lib/provision/database-receive',
    )
  })

  it('have the permissions that the server, its arbitrator and nothing else needs', () => {
    const lines = (name: string, unit: string): readonly string[] => textOf(name, `unit:${unit}`, BACKUPS).split('\n')
    const server = lines('web-01', 'mariadb.service.d/provision.conf')
    for (const line of [
      ...['SystemCallFilter=sched_setscheduler', 'SystemCallFilter=@chown', 'AmbientCapabilities=CAP_IPC_LOCK', 'ProcSubset=all'],
      ...['CapabilityBoundingSet=CAP_DAC_OVERRIDE CAP_IPC_LOCK', 'RestrictAddressFamilies=AF_UNIX AF_NETLINK AF_INET AF_INET6'],
    ])
      expect(server).toContain(line)
    const arbitrator = lines('lb-01', 'garb.service.d/provision.conf')
    expect(arbitrator).toContain('SystemCallFilter=sched_setscheduler')
    expect(arbitrator).toContain('RestrictAddressFamilies=AF_UNIX AF_NETLINK AF_INET AF_INET6')
    for (const line of ['SystemCallFilter=@chown', 'CapabilityBoundingSet=CAP_DAC_OVERRIDE CAP_IPC_LOCK'])
      expect(arbitrator).not.toContain(line)
    for (const [name, unit] of [
      ['web-02', 'provision-database-backup.service'],
      ['lb-01', 'provision-database-store.service'],
      ['web-01', 'provision-database-proxy.service'],
    ] as const)
      expect(lines(name, unit)).toContain('RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6')
  })
})

it('flows have a protocol, encryption and peers', () => {
  const database = { group: 'database' }
  const tcp = { protocol: 'tcp', encrypted: true }
  expect(mysql.listens?.(contextOf('web-01'))).toEqual([
    { service: 'database', port: 3306, ...tcp, from: [{ group: 'web' }, database] },
    { service: 'database-health', port: 9200, protocol: 'tcp', from: [{ group: 'web' }] },
    { service: 'database-cluster', port: 4567, ...tcp, from: [database, { group: 'database_arbitrators' }] },
    { service: 'database-incremental', port: 4568, ...tcp, from: [database] },
    { service: 'database-copy', port: 4444, ...tcp, from: [database] },
  ])
  expect(mysql.listens?.(contextOf('web-01', REPLICA))?.at(-1)).toEqual({ service: 'database-copy', port: 4444, ...tcp, from: [database] })
  expect(mysql.listens?.(contextOf('lb-01', BACKUPS))).toEqual([
    { service: 'database-cluster', port: 4567, ...tcp, from: [database] },
    { service: 'database-store', port: 4569, ...tcp, from: [database] },
  ])
})

describe('the proxy', () => {
  const targets = ['one', 'two', 'three'].map((name, i) => ({ name, address: `10.0.0.${i + 1}` }))
  const sectionsOf = (written: object, primary?: string): Record<string, readonly string[]> => {
    const text = proxyConfig(mysql.options.parse(written), targets, primary)
    const sections: Record<string, string[]> = {}
    let section: string[] = []
    for (const line of text.split('\n').filter((one) => !/^\s*(#|$)/.test(one))) {
      if (line.startsWith(' ')) section.push(line.trim())
      else sections[line] = section = []
    }
    return sections
  }
  const HEALTH = ['option httpchk GET /']

  it('leads to one server that accepts writes, and to all for reading', () => {
    expect(sectionsOf({ writer_port: 4001, reader_port: 4002, health_port: 4003, connections: 50 })).toEqual({
      global: ['log /dev/log local0', 'maxconn 200'],
      defaults: [
        ...['mode tcp', 'log global', 'option dontlog-normal', 'timeout connect 1s', 'timeout client 8h', 'timeout server 8h'],
        ...['timeout check 5s', 'retries 1', 'option redispatch'],
        'default-server port 4003 check inter 1s fastinter 500ms fall 3 rise 2 on-marked-down shutdown-sessions',
      ],
      'listen writer': [
        ...['bind 127.0.0.1:4001', ...HEALTH, 'http-check expect status 200,206'],
        'server one 10.0.0.1:3306 on-marked-up shutdown-backup-sessions',
        'server two 10.0.0.2:3306 on-marked-up shutdown-backup-sessions backup',
        'server three 10.0.0.3:3306 on-marked-up shutdown-backup-sessions backup',
      ],
      'listen reader': [
        ...['bind 127.0.0.1:4002', 'balance leastconn', ...HEALTH, 'http-check expect status 200,203'],
        ...['server one 10.0.0.1:3306 inter 2s', 'server two 10.0.0.2:3306 inter 2s', 'server three 10.0.0.3:3306 inter 2s'],
        ...['one', 'two', 'three'].map((name, i) => `server ${name}-busy 10.0.0.${i + 1}:3306 no-check track writer/${name} backup`),
      ],
    })
  })

  it('asks the servers who accepts writes, if only the primary does', () => {
    expect(sectionsOf({}, 'two')['listen writer']?.slice(3)).toEqual(targets.map(({ name, address }) => `server ${name} ${address}:3306`))
  })

  it.runIf(spawnSync('haproxy', ['-v']).status === 0)('is accepted by HAProxy', () => {
    const there = place()
    there.write('proxy.cfg', proxyConfig(mysql.options.parse({}), targets, undefined))
    const { status, stderr } = spawnSync('haproxy', ['-c', '-q', '-f', `${there.path}/proxy.cfg`], { encoding: 'utf8' })
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  })
})
