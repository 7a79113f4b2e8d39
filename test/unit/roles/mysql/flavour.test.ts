import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { backupScript } from '../../../../roles/mysql/backup-script.ts'
import mysql from '../../../../roles/mysql/role.ts'
import { configCheck } from '../../../../roles/mysql/validation.ts'
import { shownText } from '../../../../src/resource/kind/content.ts'
import { keyOf, type Resource } from '../../../../src/resource/kind/kind.ts'
import type { Facts } from '../../../../src/role/role.ts'
import { Secret } from '../../../../src/secret/secret.ts'
import { answersOf } from '../../resource/database/sqlite.ts'
import { checkOf, contextOf, hostOf, RECIPIENT } from './context.ts'
import { place } from './stand-ins.ts'

// MySQL 8.4.13-0ubuntu0.26.04.2.
const HOSTS = [
  hostOf('lb-01', ['database_arbitrators'], '127.0.0.11'),
  hostOf('web-01', ['database'], '127.0.0.12', 'fd00::12'),
  hostOf('app-01', ['web'], '127.0.0.14'),
]
const declared = (written: object = {}, facts: Partial<Facts> = { distribution: 'ubuntu', release: '26.04' }): readonly Resource[] => {
  const context = contextOf('web-01', { flavour: 'mysql', ...written }, HOSTS)
  return mysql.resources({ ...context, facts: { ...context.facts, ...facts } as Facts, warn: () => {} } as never)
}
const specOf = (resources: readonly Resource[], key: string) => resources.find((one) => keyOf(one) === key)?.spec as never
const textOf = (key: string, written: object = {}): string => {
  const spec = specOf(declared(written), key) as { content?: never; file?: { content: never } } | undefined
  const content = spec?.content ?? spec?.file?.content
  if (content === undefined) throw new Error(`no ${key}`)
  return shownText(content) ?? ''
}
const BACKUPS = { backups: { recipients: [RECIPIENT], store: 'here' } }

describe('a server with MySQL', () => {
  it('has the packages, the unit and the accounts of MySQL, and nothing of MariaDB', () => {
    const keys = declared({ ...BACKUPS, databases: [{ name: 'shop' }], users: [{ name: 'shop', password: new Secret('x') }] }).map(keyOf)
    const of = (kind: string) => keys.filter((key) => key.startsWith(`${kind}:`)).map((key) => key.slice(kind.length + 1))
    expect(of('package')).toEqual(['mysql-server', 'openssl', 'openssl', 'socat', 'age'])
    expect(of('service')).toContain('mysql.service')
    expect(of('database')).toEqual(['test', 'shop'])
    expect(of('database-account')).toEqual([
      ...['@localhost', '@web-01', 'prometheus@localhost', 'mysql@localhost', 'provision-health@localhost', 'provision-backup@localhost'],
      'shop@%',
    ])
    expect(keys.join(' ')).not.toMatch(/mariadb|database-upgrade/)
    const all = declared({ ...BACKUPS, databases: [{ name: 'shop' }] }).flatMap((one) =>
      one.kind.name.startsWith('database') ? [one.spec as { flavour: string }] : [],
    )
    expect(new Set(all.map(({ flavour }) => flavour))).toEqual(new Set(['mysql']))
  })

  it('lets each account see what it needs', () => {
    const grants = (user: string) => (specOf(declared(BACKUPS), `database-account:${user}@localhost`) as { grants: unknown[] }).grants
    expect(grants('prometheus')).toEqual([{ on: '*.*', privileges: ['PROCESS', 'REPLICATION CLIENT'] }])
    expect(grants('mysql')).toEqual([{ on: '*.*', privileges: ['CONNECTION_ADMIN', 'REPLICATION CLIENT', 'SYSTEM_VARIABLES_ADMIN'] }])
    expect(grants('provision-health')).toEqual([{ on: 'performance_schema.replication_connection_status', privileges: ['SELECT'] }])
    expect(grants('provision-backup')).toEqual([
      { on: '*.*', privileges: ['EVENT', 'LOCK TABLES', 'PROCESS', 'RELOAD', 'SELECT', 'SHOW VIEW', 'SHOW_ROUTINE', 'TRIGGER'] },
    ])
  })

  it('has a configuration of MySQL, which `settings` completes', () => {
    const config = textOf('file:/etc/mysql/mysql.cnf', {
      binlog_days: 2,
      durable: false,
      settings: { max_allowed_packet: '32M', performance_schema: true },
    })
    const values = Object.fromEntries([...config.matchAll(/^(\w+) = (.*)$/gm)].map(([, name = '', value]) => [name, value]))
    expect(values).toMatchObject({
      ...{
        bind_address: '127.0.0.12,fd00::12',
        mysqlx: 'OFF',
        skip_name_resolve: 'ON',
        local_infile: 'OFF',
        require_secure_transport: 'ON',
      },
      ...{
        ssl_ca: '/etc/mysql/provision/authority.pem',
        ssl_cert: '/etc/mysql/provision/host.pem',
        ssl_key: '/etc/mysql/provision/host.pem.key',
      },
      ...{
        tls_version: 'TLSv1.2,TLSv1.3',
        gtid_mode: 'ON',
        enforce_gtid_consistency: 'ON',
        server_id: '1',
        log_bin: 'mysql-bin',
        sync_binlog: '0',
      },
      ...{
        innodb_flush_log_at_trx_commit: '2',
        innodb_buffer_pool_size: '1024M',
        binlog_expire_logs_seconds: '172800',
        max_connections: '151',
      },
      ...{ collation_server: 'utf8mb4_0900_ai_ci', character_set_server: 'utf8mb4', max_allowed_packet: '32M', performance_schema: 'ON' },
      ...{ slow_query_log_file: '/var/log/mysql/mysql-slow.log', long_query_time: '1' },
    })
    expect(config).not.toMatch(/wsrep|mariadb|include|log_slave|^user|read_only|semi_sync/m)
    // The scripts of the package start servers with the first part only: without network, and without a binary log.
    const [packages = '', unit = ''] = config.split('[mysqld_provision]\n')
    expect(packages).toMatch(/\[mysqld\]\n[\s\S]*^skip_networking = ON\nskip_log_bin\n/m)
    expect(packages).not.toMatch(/^(log_bin|bind_address)/m)
    expect(unit).toBe('skip_networking = OFF\nbind_address = 127.0.0.12,fd00::12\nlog_bin = mysql-bin\n')
    expect(textOf('file:/etc/mysql/mysql.cnf', { settings: { character_set_server: 'latin1' } })).not.toContain('collation_server')
    // The server asks clients for TLS, and settings cannot change that.
    expect(() => declared({ settings: { require_secure_transport: false } })).toThrow()
  })

  it('has a unit that loads certificates, and starts nothing as root but the profile', () => {
    const unit = textOf('unit:mysql.service.d/provision.conf', { settings: { tmpdir: '/srv/t' } })
    expect(
      unit.split('\n').filter((line) => /^(Exec|Assert|ReadWrite|Ambient|CapabilityB|Slice|TimeoutStart|Environment)/.test(line)),
    ).toEqual([
      'AssertPathExists=!/etc/mysql/FROZEN',
      'TimeoutStartSec=3h',
      'ExecReload=/usr/bin/mysql --no-defaults --socket=/run/mysqld/mysqld.sock --local-infile=0 --connect-timeout=10 -e "ALTER INSTANCE RELOAD TLS"',
      'ExecStartPre=',
      'ExecStartPre=+-/bin/sh -c "! aa-enabled --quiet 2>/dev/null || exec apparmor_parser -r -W /etc/apparmor.d/usr.sbin.mysqld"',
      'Environment=MYSQL_GROUP_SUFFIX=_provision',
      'CapabilityBoundingSet=',
      'CapabilityBoundingSet=CAP_IPC_LOCK',
      'AmbientCapabilities=',
      'AmbientCapabilities=CAP_IPC_LOCK',
      ...['/var/lib/mysql', '/var/lib/mysql-files', '/var/lib/mysql-keyring', '/run/mysqld', '/var/log/mysql', '/srv/t', '/srv'].map(
        (path) => `ReadWritePaths=-${path}`,
      ),
      'Slice=database.slice',
    ])
    expect(unit).toMatch(/^SystemCallFilter=mbind\nSystemCallFilter=set_mempolicy$/m)
  })

  const PARSER = '/usr/sbin/apparmor_parser'
  it('may write to the directory of the restore test, under the profile of its package', () => {
    const rules = textOf('file:/etc/apparmor.d/local/usr.sbin.mysqld', { settings: { tmpdir: '/srv/t' } })
    expect(rules.split('\n').filter((line) => line.startsWith('/'))).toEqual(
      ['/var/lib/provision-database-backup', '/srv/t', '/srv'].flatMap((path) => [`${path} rwk,`, `${path}/ r,`, `${path}/** rwkl,`]),
    )
    if (existsSync(PARSER))
      expect(spawnSync(PARSER, ['-Q', '-K'], { input: `profile mysqld /usr/sbin/mysqld {\n${rules}}\n` }).status).toBe(0)
  })

  it.each<[Partial<Facts>, RegExp]>([
    [
      { distribution: 'debian', release: '13' },
      /^flavour mysql needs Ubuntu 26\.04 or later, and web-01 runs Debian 13 — Debian has no package mysql-server/,
    ],
    [{ distribution: 'debian', release: '' }, /web-01 runs Debian unstable — Debian has no/],
    [{ distribution: 'ubuntu', release: '24.04' }, /web-01 runs Ubuntu 24\.04 — its archive has MySQL 8\.0/],
  ])('is refused on a release without MySQL 8.4: %j', (facts, words) => {
    try {
      declared({}, facts)
      expect.fail('accepted')
    } catch (error) {
      const { what, why, fix, class: sort } = error as Record<string, string>
      expect(`${what} — ${why}`).toMatch(words)
      expect([sort, fix]).toEqual(['input', 'remove `flavour`, so that the host gets MariaDB, or use a host with Ubuntu 26.04'])
    }
    expect(declared({ flavour: 'mariadb' }, facts).length).toBeGreaterThan(10)
  })

  it('is accepted on later releases of Ubuntu', () => {
    expect(declared({}, { distribution: 'ubuntu', release: '28.04' }).map(keyOf)).toContain('package:mysql-server')
  })
})

describe('options of MySQL', () => {
  const faults = (written: object, hosts = HOSTS) =>
    (mysql.check?.(contextOf('web-01', { flavour: 'mysql', ...written }, hosts)) ?? []).map(({ path, what, fix }) => [
      path.join('.'),
      what,
      fix,
    ])
  const user = (more: object) => ({ users: [{ name: 'shop', password: new Secret('x'), ...more }] })
  const more = [...HOSTS, hostOf('web-02', ['database'], '127.0.0.13')]

  it('are accepted for one server', () => {
    expect(
      faults({
        ...BACKUPS,
        databases: [{ name: 'a', collation: 'utf8mb4_0900_as_cs' }],
        ...user({ grants: [{ on: 'a.*', privileges: ['ALL'] }] }),
      }),
    ).toEqual([])
  })

  it.each<[string, object, typeof HOSTS, string, RegExp, RegExp]>([
    ['a cluster', { topology: 'cluster' }, more, 'topology', /^the flavour mysql has no topology cluster$/, /a cluster is Galera/],
    ['two servers', {}, more, 'flavour', /no topology cluster/, /^set `topology: replica`/],
    [
      'a privilege of MariaDB',
      user({ grants: [{ on: 'a.*' }, { on: 'a.t', privileges: ['SELECT', 'DELETE HISTORY'] }] }),
      HOSTS,
      'users.0.grants.1.privileges.1',
      /^the user shop: DELETE HISTORY is not a privilege$/,
      /^write privileges of a table/,
    ],
    ['a long name', user({ name: 'a'.repeat(33) }), HOSTS, 'users.0.name', /has a name of 33 characters/, /^shorten/],
    [
      'a collation of MariaDB',
      { databases: [{ name: 'a' }, { name: 'b', collation: 'uca1400_ai_ci' }] },
      HOSTS,
      'databases.1.collation',
      /^uca1400_ai_ci is a collation of MariaDB/,
      /^remove it/,
    ],
  ])('with %s are refused at their place', (_, written, hosts, path, what, fix) => {
    const found = faults(written, hosts)
    expect(found.map(([at]) => at)).toEqual([path])
    expect(found[0]?.[1]).toMatch(what)
    expect(found[0]?.[2]).toMatch(fix)
    expect(
      faults({ ...written, flavour: 'mariadb' }, hosts).filter(
        ([at]) => at === path && /flavour|privilege|characters|collation/.test(at ?? ''),
      ),
    ).toEqual([])
  })

  it.each(['debian-sys-maint', 'mysql.session', 'mysql.sys', 'mysql.infoschema'])('cannot change the account %s of the server', (name) => {
    expect(() => faults(user({ name }))).toThrow('is an account of the server')
  })
})

describe('the scripts of MySQL', () => {
  it('check a configuration by its own server, which starts in an empty directory', () => {
    const check = (settings: Record<string, string>) => {
      const there = place()
      there.program('setpriv', 'while [ "$1" != sh ]; do shift; done; exec "$@"')
      there.program(
        'mysqld',
        'echo "$*" >>"$PLACE/calls"; case $* in *--init*7777*) exit 1 ;; *nope*) echo "0 [ERROR] [MY-000067] [Server] unknown variable" >&2; exit 1 ;; esac',
      )
      const [command = '', ...words] = configCheck(settings, 'mysql')
      const { status, stderr } = spawnSync(command, words, { env: { ...there.env }, encoding: 'utf8' })
      return { status, stderr, calls: there.read('calls').trim().split('\n') }
    }
    const { status, calls } = check({})
    expect([status, calls[0]]).toEqual([0, '--validate-config'])
    expect(calls[1]).toMatch(/^--initialize-insecure --datadir=\S+\/data .*--skip-log-bin .*--innodb-redo-log-capacity=8M/)
    expect(calls.join()).not.toMatch(/wsrep|bootstrap/)
    expect(check({ tmpdir: '/srv' }).calls).toEqual(['--validate-config'])
  })

  it('report the health of a server without a cluster', () => {
    const script = textOf('file:/usr/local/lib/provision/database-health')
    expect(script).toMatch(
      /my \$question = "SELECT CONCAT\(IF\(\\@\\@read_only, 'ON ', 'OFF '\), IF\(.*replication_connection_status WHERE SERVICE_STATE = 'ON'\) > 0, 'follows', ''\)\), 0, '';/,
    )
    expect(script).toContain('qw(mysql --no-defaults --socket=/run/mysqld/mysqld.sock')
    const { status, stderr } = spawnSync('perl', ['-c', '-'], { input: script, encoding: 'utf8' })
    expect([status, stderr]).toEqual([0, '- syntax OK\n'])
  })

  it('make and test a backup by the programs of MySQL', () => {
    const there = place()
    const calls = (name: string, rest: string): void => there.program(name, `printf '%s\\n' "$*" >>"$PLACE/${name}.args"\n${rest}`)
    calls(
      'mysql',
      `case "$*" in
*work/socket*'DO 1'*) ;;
*work/socket*) if grep -q CHECKSUM; then printf 'shop.t\\t42\\n'; fi ;;
*--unbuffered*) while IFS= read -r line; do case $line in *"'locked'"*) echo locked ;; CHECKSUM*) printf 'shop.t\\t42\\n' ;; esac; done ;;
*'FROM information_schema.SCHEMATA'*) echo shop ;;
*INNODB_TRX*) echo 2 ;;
*'CHECKSUM TABLE'*) echo 'CHECKSUM TABLE shop.t;' ;;
esac`,
    )
    calls('mysqldump', "echo 'CREATE TABLE t;'")
    calls(
      'mysqld',
      'case "$*" in *--initialize-insecure*) mkdir -p work/test ;; *) trap "exit 0" TERM; while :; do sleep 0.1; done ;; esac',
    )
    there.program('timeout', 'shift; exec "$@"')
    there.program('sync', ':')
    there.program('age', 'while [ "$1" != -o ]; do shift; done; cat "$3" >"$2"')
    const script = backupScript({
      flavour: 'mysql',
      recipients: [RECIPIENT],
      store: undefined,
      keepDays: 3,
      pki: { pair: '', trusted: '' },
    })
    const { status, stdout, stderr } = there.run(script, { env: { STATE_DIRECTORY: there.path } })
    expect([status, stderr]).toEqual([0, ''])
    expect(stdout).toMatch(/^stored database-\w+\.sql\.gz\.age: 1 tables, restored and compared\n$/)
    expect(there.read('mysqldump.args')).toMatch(
      /--single-transaction .* --hex-blob --set-gtid-purged=OFF --no-tablespaces --databases shop\n$/,
    )
    const [install = '', server = ''] = there.read('mysqld.args').split('\n')
    expect(install).toBe(`--no-defaults --initialize-insecure --datadir=${join(there.path, 'work/test')} --secure-file-priv=NULL`)
    expect(server).toMatch(/ --skip-networking --skip-log-bin .* --secure-file-priv=NULL --mysqlx=OFF$/)
    expect(script).not.toContain('mariadb')
  })

  it('find unknown administrators and network accounts without TLS', () => {
    const row = (User: string, more: object = {}) => ({
      ...{ User, Host: 'localhost', plugin: 'auth_socket', authentication_string: '', ssl_type: '', account_locked: 'N', ...more },
    })
    const users = [
      ...[
        row('root'),
        row('mysql'),
        row('debian-sys-maint', { authentication_string: 'root' }),
        row('shop', { Host: '%', ssl_type: 'ANY' }),
      ],
      ...[row('role', { Host: '%', account_locked: 'Y' }), row('mysql.sys', { plugin: 'caching_sha2_password' })],
    ]
    const found = (name: string, ...more: ReturnType<typeof row>[]) => {
      const script = checkOf('web-01', name, { flavour: 'mysql' }, HOSTS)
      const sql = /<<'SQL'\n([\s\S]*?);\nSQL/.exec(script)?.[1] ?? ''
      expect(script).toContain(' mysql --no-defaults')
      return answersOf({ 'mysql.user': [...users, ...more] }, sql).map(([one]) => one)
    }
    const administrators = 'no anonymous account exists, and root logs in only through the socket'
    expect(found(administrators)).toEqual([])
    expect(
      found(
        administrators,
        ...[row('', {}), row('root', { Host: '%' }), row('root', { plugin: 'caching_sha2_password', Host: '::1' })],
        ...[row('mysql', { authentication_string: 'evil' }), row('debian-sys-maint', { plugin: 'caching_sha2_password' })],
      ),
    ).toEqual(["''@localhost", "'root'@%", "'root'@::1", "'mysql'@localhost", "'debian-sys-maint'@localhost"])
    expect(found('every network account requires TLS')).toEqual([])
    expect(found('every network account requires TLS', row('open', { Host: '10.%' }))).toEqual(["'open'@10.%"])
  })
})

describe('a primary with replicas', () => {
  const SERVERS = [hostOf('web-01', ['database'], '127.0.0.12'), hostOf('web-02', ['database'], '127.0.0.13')]
  const context = contextOf('web-01', { flavour: 'mysql', topology: 'replica' }, SERVERS)
  const resources = mysql.resources({
    ...context,
    facts: { ...context.facts, distribution: 'ubuntu', release: '26.04' } as Facts,
    warn: () => {},
  } as never)
  const text = (key: string): string => {
    const spec = specOf(resources, key) as { content?: never; file?: { content: never } }
    return shownText((spec.content ?? spec.file?.content) as never) ?? ''
  }

  it('starts read-only, with the plugins for copies and semi-synchronous replication', () => {
    const lines = text('file:/etc/mysql/mysql.cnf').split('\n')
    expect(lines.slice(lines.indexOf('super_read_only = ON'), lines.indexOf('[mysqld_provision]'))).toEqual([
      ...['super_read_only = ON', 'relay_log = relay-bin', 'relay_log_recovery = ON', 'replica_net_timeout = 10'],
      ...['mysql_clone.so', 'semisync_source.so', 'semisync_replica.so'].map((name) => `plugin_load_add = ${name}`),
      ...['loose_rpl_semi_sync_replica_enabled = ON', 'loose_rpl_semi_sync_source_enabled = ON'],
      ...['loose_rpl_semi_sync_source_wait_point = AFTER_SYNC', 'loose_rpl_semi_sync_source_timeout = 3000'],
      ...['loose_rpl_semi_sync_source_wait_no_replica = OFF', ''],
    ])
    expect((specOf(resources, 'replication:database') as { flavour: string }).flavour).toBe('mysql')
    expect(text('unit:provision-database-primary.service')).toContain('After=mysql.service\nPartOf=mysql.service\n')
  })

  const A = 'd6f7134f-ecb6-11f1-bf97-0282cf7f0efd'
  const replica = (source: string, received: string, done: string): string =>
    ` Source_Host: ${source}\nRetrieved_Gtid_Set: ${received}\n Done: ${done}\n`

  it.each<[string, string, string, boolean]>([
    ['all follow it, and have nothing else', replica('127.0.0.12', `${A}:1-7`, `${A}:1-7`), '1', true],
    ['a set in several lines is read as one', replica('127.0.0.12', `${A}:1-7,\n${A}:9`, `${A}:1-7`), '1', true],
    ['a replica has more', replica('127.0.0.12', `${A}:1-8`, `${A}:1-7`), '0', false],
    ['a replica follows another server', replica('127.0.0.99', `${A}:1-7`, `${A}:1-7`), '1', false],
    ['an answer is not a set', replica('127.0.0.12', "x') OR ('1", `${A}:1-7`), '1', false],
  ])('enables writes after a restart only if %s', (_, answer, subset, expected) => {
    const there = place()
    there.write('other', answer)
    there.program(
      'mysql',
      `echo "$*" >>"$PLACE/asked"; case "$*" in
*'-h 127.0.0.13 '*) cat "$PLACE/other" ;;
*'SET GLOBAL read_only = OFF'*) : >"$PLACE/opened" ;;
*GTID_SUBSET*) echo ${subset} ;;
*@@read_only*) echo 1 ;;
*gtid_executed*) echo '${A}:1-7' ;;
esac`,
    )
    there.program('sleep', 'kill -KILL "$PPID"')
    there.program('timeout', 'shift; exec "$@"')
    there.run(text('file:/usr/local/lib/provision/database-primary').replaceAll('/var/lib/mysql', there.path))
    expect(there.has('opened')).toBe(expected)
    const asked = there.read('asked')
    expect(asked).toMatch(/-h 127\.0\.0\.13 -u provision-replica-web-01 .*--ssl-mode=VERIFY_IDENTITY/)
    if (answer.includes(':9')) expect(asked).toContain(`GTID_SUBSET('${A}:1-7,${A}:9', @@gtid_executed)`)
    expect(asked).not.toContain("OR ('1")
  })
})
