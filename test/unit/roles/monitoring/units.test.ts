import { describe, expect, it } from 'vitest'
import { daemon } from '../../../../roles/monitoring/unit.ts'
import { keyOf, type Resource } from '../../../../src/resource/kind/kind.ts'
import type { Exposed, HostView } from '../../../../src/role/role.ts'
import { contextOf, declared, exposedBy, LB, textOf, WEB } from './context.ts'

const [WEB_1, WEB_2] = WEB as [HostView, HostView]
const onLb = { host: 'lb-01', role: 'x', type: 'metrics' } as const
const exposed: readonly Exposed[] = [
  ...exposedBy([LB]),
  { ...onLb, job: 'nginx', format: 'nginx-status', at: 'http://127.0.0.1:8081/status' },
  { ...onLb, job: 'mysql', format: 'mysqld', at: '/run/mysqld/mysqld.sock' },
]
const dashboard = { users: { ann: 'sesame' } }
const own = { name: 'phone', type: 'webhook', url: 'https://hook.test/', ca_file: 'authorities/own.pem' }
/** One of two monitoring servers, which runs everything. */
const server = declared(LB, { dashboard, receivers: [own] }, { servers: [LB, WEB_2], exposed })
const alone = declared(LB)

const linesOf = (resources: readonly Resource[], unit: string): readonly string[] => textOf(resources, `unit:${unit}`).split('\n')
const dropinOf = (name: string, resources = server) => linesOf(resources, `${name}.service.d/provision.conf`)
const commandOf = (name: string, resources = server) =>
  dropinOf(name, resources).flatMap((line) => /^ExecStart=(.+)$/.exec(line)?.[1] ?? [])
const DAEMONS = [
  ...['prometheus-node-exporter', 'prometheus-exporter-exporter', 'prometheus-nginx-exporter', 'prometheus-mysqld-exporter'],
  ...['prometheus-blackbox-exporter', 'prometheus-alertmanager', 'prometheus'],
]
// biome-ignore lint/suspicious/noExplicitAny: specs of different kinds
const specOf = (resources: readonly Resource[], key: string): any => {
  const found = resources.find((one) => keyOf(one) === key)
  if (found === undefined) throw new Error(`${key} is not declared`)
  return found.spec
}
const idsOf = (resources: readonly Resource[], kind: string) => resources.filter((one) => one.kind.name === kind).map(({ id }) => id)

describe('the daemons of the monitoring', () => {
  it.each(DAEMONS)('%s outlives a host that runs out of CPU or memory, in a closed sandbox', (name) => {
    const lines = dropinOf(name)
    expect(lines).toEqual(
      expect.arrayContaining([
        ...['StartLimitIntervalSec=0', 'Restart=always', 'RestartSec=2s', 'CPUWeight=400', 'IOWeight=400', 'OOMScoreAdjust=-500'],
        ...['ProtectSystem=strict', 'NoNewPrivileges=yes', 'MemoryDenyWriteExecute=yes'],
      ]),
    )
    // The command of the package is removed first, and the setting of the unit stands in its section.
    expect(lines.filter((line) => line.startsWith('ExecStart='))[0]).toBe('ExecStart=')
    expect(lines.indexOf('[Unit]')).toBeLessThan(lines.indexOf('StartLimitIntervalSec=0'))
    expect(lines.indexOf('StartLimitIntervalSec=0')).toBeLessThan(lines.indexOf('[Service]'))
  })

  it('listen on loopback only, except the proxy, which verifies its clients, and the cluster of Alertmanagers', () => {
    const listens = (name: string) =>
      commandOf(name).flatMap((line) => line.match(/--?(?:web|cluster)[a-z.]*listen-address=[^ '"]*/g) ?? [])
    expect(DAEMONS.map((name) => listens(name).map((word) => word.replace(/.*=/, '')))).toEqual([
      ...[['127.0.0.1:9100'], ['', ':9998'], ['127.0.0.1:9113'], ['127.0.0.1:9104'], ['127.0.0.1:9115']],
      ...[['127.0.0.1:9093', '10.0.0.11:9094'], ['127.0.0.1:9090']],
    ])
    expect(commandOf('prometheus-exporter-exporter')).toEqual([
      '/usr/bin/prometheus-exporter-exporter -config.file=/etc/prometheus/exporter-exporter.yml -web.listen-address= -web.tls.listen-address=:9998 -web.tls.cert=/etc/ssl/metrics/agent.pem -web.tls.key=/etc/ssl/metrics/agent.pem.key -web.tls.ca=/etc/ssl/metrics/authority.pem -web.tls.verify',
    ])
    // Exporters of one host never talk to another one.
    for (const name of ['prometheus-node-exporter', 'prometheus-nginx-exporter', 'prometheus-mysqld-exporter'])
      expect(dropinOf(name)).toEqual(expect.arrayContaining(['IPAddressDeny=any', 'IPAddressAllow=localhost']))
    for (const name of ['prometheus-exporter-exporter', 'prometheus-blackbox-exporter', 'prometheus-alertmanager', 'prometheus'])
      expect(dropinOf(name)).not.toContain('IPAddressDeny=any')
  })

  it('measure the whole host, what its roles leave in files, and each of its services', () => {
    const [command = ''] = commandOf('prometheus-node-exporter')
    const words = command.split(' ').map((word) => word.replaceAll('"', '').replaceAll('\\\\', '\\').replaceAll('$$', '$'))
    const option = (name: string) => words.find((word) => word.startsWith(`--collector.${name}=`))?.replace(/^[^=]*=/, '') ?? ''
    expect(words.slice(0, 3)).toEqual([
      '/usr/bin/prometheus-node-exporter',
      '--web.listen-address=127.0.0.1:9100',
      '--collector.disable-defaults',
    ])
    const collectors = words.flatMap((word) => /^--collector\.([a-z]+)$/.exec(word)?.[1] ?? [])
    expect(collectors).toEqual(expect.arrayContaining(['cpu', 'filesystem', 'meminfo', 'systemd', 'textfile', 'time', 'vmstat', 'netdev']))
    expect(words).toContain('--collector.systemd.enable-restarts-metrics')
    expect(option('textfile.directory')).toBe('/var/lib/provision-metrics/*')
    const matches = (name: string, ...values: readonly string[]) => values.map((value) => new RegExp(`^(?:${option(name)})$`).test(value))
    expect(matches('systemd.unit-include', 'nginx.service', 'backup.timer', 'dev-sda.device', 'xservice')).toEqual([
      true,
      true,
      false,
      false,
    ])
    // These two patterns are not anchored by the exporter.
    const excludes = (name: string, ...values: readonly string[]) => values.map((value) => new RegExp(option(name)).test(value))
    expect(excludes('filesystem.fs-types-exclude', 'ext4', 'overlay', 'xfs', 'tmpfs', 'proc', 'cgroup2')).toEqual([
      ...[false, false, false, true, true, true],
    ])
    expect(excludes('filesystem.mount-points-exclude', '/', '/var', '/srv/dev', '/dev', '/run/lock', '/var/lib/docker/x')).toEqual([
      ...[false, false, false, true, true, true],
    ])
    expect(excludes('netdev.device-exclude', 'eth0', 'vethernet', 'lo', 'veth12ab')).toEqual([false, true, true, true])
    expect(dropinOf('prometheus-node-exporter')).toEqual(
      expect.arrayContaining([
        ...['ProtectProc=default', 'ProcSubset=all', 'ProtectHome=read-only', 'ProtectClock=no'],
        ...['RestrictAddressFamilies=AF_UNIX AF_NETLINK AF_INET AF_INET6', 'SystemCallFilter=adjtimex', 'SystemCallFilter=clock_adjtime'],
      ]),
    )
  })

  it('ask nginx for its status and the database by its socket', () => {
    expect(commandOf('prometheus-nginx-exporter')).toEqual([
      '/usr/bin/prometheus-nginx-exporter --nginx.scrape-uri=http://127.0.0.1:8081/status --web.listen-address=127.0.0.1:9113',
    ])
    expect(commandOf('prometheus-mysqld-exporter')).toEqual([
      '/usr/bin/prometheus-mysqld-exporter --config.my-cnf=/etc/prometheus/mysqld-exporter.cnf --web.listen-address=127.0.0.1:9104 --no-collect.info_schema.innodb_cmpmem',
    ])
    expect(dropinOf('prometheus-mysqld-exporter')).toContain('Environment="DATA_SOURCE_NAME=prometheus@unix(/run/mysqld/mysqld.sock)/"')
  })

  it('ping with the one capability that this needs, and no other daemon has any', () => {
    const capabilities = (name: string) => dropinOf(name).filter((line) => /^(Capability|Ambient)\w+=./.test(line))
    expect(capabilities('prometheus-blackbox-exporter')).toEqual(['CapabilityBoundingSet=CAP_NET_RAW', 'AmbientCapabilities=CAP_NET_RAW'])
    for (const name of DAEMONS) if (name !== 'prometheus-blackbox-exporter') expect(capabilities(name)).toEqual([])
    expect(commandOf('prometheus-blackbox-exporter')).toEqual([
      '/usr/bin/prometheus-blackbox-exporter --config.file=/etc/prometheus/blackbox.yml --web.listen-address=127.0.0.1:9115',
    ])
  })

  it('store alerts and measurements in the directories that they may write, within the limits of the options', () => {
    const small = declared(LB, { retention_days: 3, retention_mb: 256, memory_mb: 200, interval_seconds: 20 })
    expect(commandOf('prometheus', small)).toEqual([
      '/usr/bin/prometheus --config.file=/etc/prometheus/prometheus.yml --storage.tsdb.path=/var/lib/prometheus/metrics2 --storage.tsdb.retention.time=3d --storage.tsdb.retention.size=256MB --query.lookback-delta=65s --web.listen-address=127.0.0.1:9090 --web.external-url=http://127.0.0.1:9090/ --web.route-prefix=/ --web.console.templates=/etc/prometheus/provision/consoles --web.console.libraries=/etc/prometheus/console_libraries',
    ])
    expect(commandOf('prometheus')[0]).toContain(' --web.external-url=https://10.0.0.11:9443/ ')
    expect(commandOf('prometheus-alertmanager')[0]).toContain(' --web.external-url=https://10.0.0.11:9443/ ')
    expect(commandOf('prometheus-alertmanager', small)[0]).not.toContain('external-url')
    const named = declared(LB, { dashboard: { ...dashboard, name: 'mon.example.test', port: 443 } })
    expect(commandOf('prometheus', named)[0]).toContain(' --web.external-url=https://mon.example.test:443/ ')
    expect(dropinOf('prometheus', small)).toEqual(expect.arrayContaining(['ReadWritePaths=/var/lib/prometheus/metrics2', 'MemoryMax=200M']))
    expect(dropinOf('prometheus-alertmanager')).toEqual(
      expect.arrayContaining([
        ...[
          'ReadWritePaths=/var/lib/prometheus/alertmanager',
          'SyslogIdentifier=prometheus-alertmanager',
          'KillMode=mixed',
          'SendSIGKILL=yes',
        ],
      ]),
    )
  })

  it('deliver alerts together with the other monitoring servers, and alone without a port of the cluster', () => {
    const alertmanager = (resources: readonly Resource[]) => commandOf('prometheus-alertmanager', resources)[0]?.replaceAll("'", '')
    const common =
      '/usr/bin/prometheus-alertmanager --config.file=/etc/prometheus/alertmanager.yml --storage.path=/var/lib/prometheus/alertmanager --web.listen-address=127.0.0.1:9093 --log.level=debug'
    expect(alertmanager(alone)).toContain(`exec ${common} --cluster.listen-address= 2> `)
    expect(alertmanager(server)).toContain(
      `exec ${common.replace(' --log', ' --web.external-url=https://10.0.0.11:9443/ --web.route-prefix=/ --log')} --cluster.listen-address=10.0.0.11:9094 --cluster.advertise-address=10.0.0.11:9094 --cluster.tls-config=/etc/prometheus/provision/alertmanager-cluster.yml --cluster.peer=[fd00::13]:9094 2> `,
    )
    expect(idsOf(alone, 'file')).not.toContain('/etc/prometheus/provision/alertmanager-cluster.yml')
  })

  it('quote what systemd would read otherwise', () => {
    const command = (...words: readonly string[]) =>
      linesOf([daemon('x.service', words, {})], 'x.service.d/provision.conf').find((line) => line.startsWith('ExecStart=/'))
    expect(command('/bin/x', '--a=b:c,d@[e]+f_g-h.i', '')).toBe('ExecStart=/bin/x --a=b:c,d@[e]+f_g-h.i ')
    expect(command('/bin/x', 'a b', '$HOME 100%', '"q"\\')).toBe('ExecStart=/bin/x "a b" "$$HOME 100%%" "\\"q\\"\\\\"')
    expect(command('/bin/x', 'a;', 'b*')).toBe('ExecStart=/bin/x "a;" "b*"')
  })
})

describe('the services of the monitoring', () => {
  const services = (resources: readonly Resource[]) =>
    Object.fromEntries(
      idsOf(resources, 'service').map((id) => {
        const { loads, restarts, set, reload } = specOf(resources, `service:${id}`)
        const paths = (all: readonly { path: string }[]) => all.map(({ path }) => path.replace(/^.*\/(?=[^/]+\/[^/]+$)/, ''))
        return [id.replace('.service', ''), [paths(loads), paths(restarts), set, reload]]
      }),
    )

  it('load their configuration and certificates, and restart with their units', () => {
    const dropin = (name: string) => [`${name}.service.d/provision.conf`]
    expect(services(server)).toEqual({
      'prometheus-node-exporter': [[], dropin('prometheus-node-exporter'), undefined, 'reload'],
      'prometheus-nginx-exporter': [[], dropin('prometheus-nginx-exporter'), undefined, 'reload'],
      'prometheus-mysqld-exporter': [
        [],
        ['prometheus/mysqld-exporter.cnf', ...dropin('prometheus-mysqld-exporter')],
        ...[undefined, 'reload'],
      ],
      'prometheus-exporter-exporter': [
        ['prometheus/exporter-exporter.yml', 'metrics/agent.pem', 'metrics/agent.pem.key', 'metrics/authority.pem'],
        ...[dropin('prometheus-exporter-exporter'), undefined, 'restart'],
      ],
      'provision-checks.timer': [[], ['system/provision-checks.timer'], undefined, 'restart'],
      'prometheus-blackbox-exporter': [['prometheus/blackbox.yml'], dropin('prometheus-blackbox-exporter'), 'blackbox', 'reload'],
      'prometheus-alertmanager': [
        ['prometheus/alertmanager.yml', 'provision/receiver-phone.pem'],
        [
          ...dropin('prometheus-alertmanager'),
          'metrics/alertmanager.pem',
          'metrics/alertmanager.pem.key',
          'provision/alertmanager-cluster.yml',
        ],
        ...['alertmanager', 'reload'],
      ],
      prometheus: [['provision/rules.yml', 'prometheus/prometheus.yml'], dropin('prometheus'), 'prometheus', 'reload'],
      'provision-dashboard': [
        ['dashboard/nginx.conf', 'metrics/dashboard.pem', 'metrics/dashboard.pem.key'],
        ...[['system/provision-dashboard.service'], 'dashboard', 'reload'],
      ],
    })
    expect(Object.keys(services(declared(WEB_1)))).toEqual([
      ...['prometheus-node-exporter', 'prometheus-nginx-exporter', 'prometheus-exporter-exporter', 'provision-checks.timer'],
    ])
  })

  it('count as started when they answer at their port, or confirm their configuration', () => {
    const ports = Object.fromEntries(
      idsOf(server, 'service').map((id) => {
        const took = String(specOf(server, `service:${id}`).took ?? '')
        return [
          id.replace('.service', ''),
          `${/127\.0\.0\.1\/(\d+)/.exec(took)?.[1]} ${/(\w+)_successful/.exec(took)?.[1] ?? /GET|new_worker/.exec(took)?.[0] ?? ''}`.trim(),
        ]
      }),
    )
    expect(ports).toEqual({
      'prometheus-node-exporter': '9100 GET',
      'prometheus-nginx-exporter': '9113',
      'prometheus-mysqld-exporter': '9104',
      'prometheus-exporter-exporter': '9998',
      'provision-checks.timer': 'undefined',
      'prometheus-blackbox-exporter': '9115 blackbox_exporter_config_last_reload',
      'prometheus-alertmanager': '9093 alertmanager_config_last_reload',
      prometheus: '9090 prometheus_config_last_reload',
      'provision-dashboard': 'undefined new_worker',
    })
  })

  it('are checked by their own programs before a configuration goes live', () => {
    const checked = idsOf(server, 'file').flatMap((id) => {
      const { set } = specOf(server, `file:${id}`)
      return set === undefined ? [] : [[id, set.name, set.root, set.check.join(' ')]]
    })
    expect(checked).toEqual([
      [
        ...['/etc/prometheus/blackbox.yml', 'blackbox', '/etc/prometheus'],
        'prometheus-blackbox-exporter --config.check --config.file=/etc/prometheus/blackbox.yml',
      ],
      ['/etc/prometheus/alertmanager.yml', 'alertmanager', '/etc/prometheus', 'amtool check-config /etc/prometheus/alertmanager.yml'],
      ['/etc/prometheus/provision/rules.yml', 'prometheus', '/etc/prometheus', 'promtool check config /etc/prometheus/prometheus.yml'],
      ['/etc/prometheus/prometheus.yml', 'prometheus', '/etc/prometheus', 'promtool check config /etc/prometheus/prometheus.yml'],
      [
        ...['/etc/provision/dashboard/nginx.conf', 'dashboard', '/etc/provision/dashboard'],
        'nginx -t -q -c /etc/provision/dashboard/nginx.conf',
      ],
    ])
  })
})

describe('the files of the monitoring', () => {
  it('give the daemons the certificates that they use, by the names at which they are asked', () => {
    const certificates = idsOf(server, 'certificate').map((id) => {
      const { names, usages, group, authority } = specOf(server, `certificate:${id}`)
      return [id.replace('/etc/ssl/metrics/', ''), names.join(' '), usages.join(' '), group, authority.key].join(' | ')
    })
    expect(certificates).toEqual([
      'agent.pem | lb-01.metrics.provision.internal | server | prometheus | authority:metrics',
      'ask.pem | lb-01.metrics.provision.internal | client | prometheus | authority:metrics',
      'ask-edge.pem | lb-01.edge.provision.internal | client | prometheus | authority:edge',
      'alertmanager.pem | alertmanager.metrics.provision.internal | client server | prometheus | authority:metrics',
      // The main process of nginx reads the key as root.
      'dashboard.pem | lb-01.metrics.provision.internal | server | root | authority:metrics',
    ])
    for (const [file, domain] of [
      ['authority', 'metrics'],
      ['ask-edge-authority', 'edge'],
    ])
      expect(JSON.stringify(specOf(server, `file:/etc/ssl/metrics/${file}.pem`).content)).toContain(
        `the certificate of authority:${domain}`,
      )
    expect(specOf(server, 'file:/etc/prometheus/provision/receiver-phone.pem').content.size).toBe('PEM of own'.length)
  })

  it('hide receivers and passwords from other accounts than the daemons', () => {
    const secret = (path: string) => {
      const { mode, owner, group } = specOf(server, `file:${path}`)
      return `${mode} ${owner} ${group}`
    }
    expect(secret('/etc/prometheus/alertmanager.yml')).toBe('640 root prometheus')
    expect(secret('/etc/provision/dashboard/users')).toBe('640 root prometheus')
    expect(secret('/etc/provision/dashboard/silencers')).toBe('640 root prometheus')
    expect(textOf(server, 'file:/etc/provision/dashboard/users')).toBe('ann:•••\n')
    expect(textOf(server, 'file:/etc/provision/dashboard/silencers')).toBe('')
    const two = declared(LB, { dashboard: { users: { ann: 'sesame', bob: 'open' }, may_silence: ['bob'] } })
    expect(textOf(two, 'file:/etc/provision/dashboard/silencers')).toBe('bob:•••\n')
  })

  it('need these packages and directories', () => {
    const agent = ['openssl', 'prometheus-node-exporter', 'prometheus-exporter-exporter', 'prometheus-nginx-exporter']
    expect(idsOf(declared(WEB_1), 'package')).toEqual([...agent, 'iproute2'])
    expect(idsOf(server, 'package').toSorted()).toEqual(
      [
        ...[...agent, 'prometheus-mysqld-exporter', 'iproute2', 'prometheus', 'prometheus-alertmanager'],
        ...['prometheus-blackbox-exporter', 'nginx'],
      ].toSorted(),
    )
    expect(idsOf(server, 'directory')).toEqual([
      ...['/etc/ssl/metrics', '/var/lib/provision-metrics', '/var/lib/provision-metrics/checks', '/usr/local/lib/provision'],
      ...['/etc/prometheus/provision', '/etc/prometheus/provision/consoles', '/var/lib/provision-dashboard'],
      ...['/etc/provision', '/etc/provision/dashboard', '/etc/provision/dashboard/static'],
    ])
    expect(idsOf(alone, 'directory')).not.toContain('/etc/provision/dashboard')
    expect(idsOf(alone, 'package')).not.toContain('nginx')
  })
})

describe('the units of the monitoring itself', () => {
  it('check a host without rights to change it', () => {
    const lines = linesOf(server, 'provision-checks.service')
    const found = '/var/lib/provision-metrics/checks/provision'
    expect(lines).toEqual(
      expect.arrayContaining([
        ...['StartLimitIntervalSec=0', 'Type=oneshot', 'ExecStart=/usr/local/sbin/provision-checks', 'DynamicUser=yes'],
        ...[`ExecStartPre=!/bin/rm -f ${found}.new`, `ExecStartPost=!/bin/mv -f ${found}.new ${found}.prom`],
        ...[`StandardOutput=append:${found}.new`, 'StandardError=journal', 'StateDirectory=provision-checks', 'StateDirectoryMode=0700'],
        ...['TimeoutStartSec=10min', 'Nice=10', 'CPUWeight=50', 'IOWeight=50', 'OOMScoreAdjust=-300'],
        // It needs no network, and reads files of others, counters of the firewall, and the programs behind ports.
        ...['RestrictAddressFamilies=AF_UNIX AF_NETLINK', 'IPAddressDeny=any'],
        ...['CapabilityBoundingSet=', 'AmbientCapabilities='].map((key) => `${key}CAP_DAC_READ_SEARCH CAP_NET_ADMIN CAP_SYS_PTRACE`),
        ...['SystemCallFilter=capset', 'ReadWritePaths=/var/lib/provision-metrics/checks', 'ProtectHome=read-only', 'ProcSubset=all'],
        // The account of the node exporter reads the results.
        'UMask=0022',
      ]),
    )
    for (const path of ['/usr/local/sbin/provision-checks', '/usr/local/lib/provision/checks-read'])
      expect(specOf(server, `file:${path}`)).toMatchObject({ mode: '755', owner: 'root' })
    expect(textOf(server, 'file:/usr/local/sbin/provision-checks')).toContain(' READ=/usr/local/lib/provision/checks-read\n')
  })

  it('repeat the checks after the given seconds, also after a reboot', () => {
    const timer = linesOf(declared(WEB_1, { checks_seconds: 45 }), 'provision-checks.timer')
    expect(timer).toEqual(expect.arrayContaining(['OnActiveSec=1s', 'OnUnitInactiveSec=45s', 'AccuracySec=1s', 'WantedBy=timers.target']))
  })

  it('serve the dashboard from a process that may write its own directory only', () => {
    const unit = (options: object) => linesOf(declared(LB, { dashboard: { ...dashboard, ...options } }), 'provision-dashboard.service')
    expect(unit({})).toEqual(
      expect.arrayContaining([
        ...[
          'After=network.target prometheus.service',
          'StartLimitIntervalSec=0',
          'ExecStart=/usr/sbin/nginx -c /etc/provision/dashboard/nginx.conf',
        ],
        ...['ExecReload=/bin/kill -HUP $MAINPID', 'Restart=always', 'RestartSec=2s', 'ReadWritePaths=/var/lib/provision-dashboard'],
        ...['CapabilityBoundingSet=CAP_SETUID CAP_SETGID CAP_CHOWN CAP_KILL', 'WantedBy=multi-user.target'],
      ]),
    )
    expect(unit({}).filter((line) => /^(RuntimeMaxSec|AmbientCapabilities|IPAddressDeny)=./.test(line))).toEqual([])
    expect(unit({ port: 443 })).toContain('CapabilityBoundingSet=CAP_NET_BIND_SERVICE CAP_SETUID CAP_SETGID CAP_CHOWN CAP_KILL')
    expect(unit({ port: 1024 })).toContain('CapabilityBoundingSet=CAP_SETUID CAP_SETGID CAP_CHOWN CAP_KILL')
    // Another role renews this certificate, and no change of it reaches this service.
    const foreign = declared(LB, { dashboard: { ...dashboard, certificate: '/etc/ssl/haproxy/www.pem' } })
    expect(linesOf(foreign, 'provision-dashboard.service')).toContain('RuntimeMaxSec=1d')
    expect(idsOf(foreign, 'certificate')).not.toContain('/etc/ssl/metrics/dashboard.pem')
    expect(specOf(foreign, 'service:provision-dashboard.service').loads.map(({ path }: { path: string }) => path)).toEqual([
      '/etc/provision/dashboard/nginx.conf',
    ])
    expect(textOf(foreign, 'file:/etc/provision/dashboard/nginx.conf')).toMatch(
      /^ +ssl_certificate \/etc\/ssl\/haproxy\/www\.pem;\n +ssl_certificate_key \/etc\/ssl\/haproxy\/www\.pem\.key;$/m,
    )
  })
})

describe('a monitoring server without receivers', () => {
  it('warns that no receiver is configured', () => {
    const warnings = (of: HostView, options: object) => {
      const all: string[] = []
      declared(of, options, { warn: (text) => all.push(text) })
      return all
    }
    expect(warnings(LB, {})).toEqual(['no alert receivers are configured; add one under monitoring.receivers'])
    expect(warnings(LB, { receivers: [own] })).toEqual([])
    expect(warnings(WEB_1, {})).toEqual([])
    expect(contextOf(LB).options.receivers).toEqual([])
  })
})
