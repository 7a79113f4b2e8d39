import { spawn } from 'node:child_process'
import { mkdirSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import mysql from '../../../../roles/mysql/role.ts'
import { quote } from '../../../../src/shell/quote.ts'
import { answersOf } from '../../resource/database/sqlite.ts'
import { checkOf, contextOf, RECIPIENT, textOf } from './context.ts'
import { type Place, place } from './stand-ins.ts'

const BACKUPS = { backups: { recipients: [RECIPIENT] } }

/** Listens on an address of this machine, and answers each connection with this text. */
const listen = async (address: string, text = ''): Promise<number> => {
  const server = createServer((socket) => socket.on('error', () => {}).end(text))
  await new Promise<void>((resolve) => server.listen(0, address, resolve))
  onTestFinished(() => void server.close())
  return (server.address() as { port: number }).port
}

const run = (script: string, there = place()): Promise<{ status: number | null; stdout: string }> =>
  new Promise((resolve) => {
    const child = spawn('sh', ['-c', script], { env: { ...there.env }, stdio: ['ignore', 'pipe', 'ignore'] })
    let stdout = ''
    child.stdout.on('data', (data) => {
      stdout += data
    })
    child.on('close', (status) => resolve({ status, stdout }))
  })

describe('verify, for backups', () => {
  it('reaches the store from the server that makes them, at its address and port', async () => {
    const port = await listen('127.0.0.11')
    const check = (written: object) =>
      checkOf('web-02', 'the backup store accepts connections', { backups: { ...BACKUPS.backups, ...written } })
    expect(await run(check({ port }))).toEqual({ status: 0, stdout: '' })
    expect(await run(check({ port: port === 65_535 ? 65_534 : port + 1 }))).toEqual({
      status: 1,
      stdout: 'lb-01 does not accept backups: run systemctl status provision-database-store there\n',
    })
  })

  it('asks nothing about a store if there is none, nor on a server that makes no backups', () => {
    const title = 'the backup store accepts connections'
    expect(() => checkOf('web-02', title, { backups: { ...BACKUPS.backups, store: 'here' } })).toThrow('no check')
    expect(() => checkOf('web-01', title, BACKUPS)).toThrow('no check')
  })

  const title = 'the last backup passed its restore test and is recent'
  const last = (units: { timer: string; service: string }, hoursAgo: number | undefined, timerHours = 100) => {
    const there = place()
    const old = Date.now() / 1000
    there.program('systemctl', `case "$1 $*" in is-active*) ${units.timer} ;; is-failed*) ${units.service} ;; esac`)
    there.program('journalctl', 'echo "the restored tables differ"')
    mkdirSync(join(there.path, 'metrics'))
    if (hoursAgo !== undefined)
      writeFileSync(join(there.path, 'metrics/r.prom'), `provision_backup_done_seconds ${Math.floor(old - hoursAgo * 3600)}\n`)
    writeFileSync(join(there.path, 'timer'), '')
    utimesSync(join(there.path, 'timer'), old - timerHours * 3600, old - timerHours * 3600)
    const script = checkOf('web-02', title, BACKUPS)
      .replaceAll(/\S+\/database-backup\.prom/g, join(there.path, 'metrics/r.prom'))
      .replaceAll('/etc/systemd/system/provision-database-backup.timer', join(there.path, 'timer'))
    return run(script, there)
  }
  const well = { timer: 'exit 0', service: 'exit 1' }

  it.each([
    ['a recent backup', last.bind(undefined, well, 35), 0, ''],
    ['an old backup', last.bind(undefined, well, 37), 1, 'no good backup was made in the last 36 hours\n'],
    ['no backup yet, by a timer that is new', last.bind(undefined, well, undefined, 35), 0, ''],
    ['no backup, by an old timer', last.bind(undefined, well, undefined, 37), 1, 'no good backup was made in the last 36 hours\n'],
    ['a failed one', last.bind(undefined, { ...well, service: 'exit 0' }, 1), 1, 'the restored tables differ\n'],
    ['a stopped timer', last.bind(undefined, { ...well, timer: 'exit 3' }, 1), 1, 'provision-database-backup.timer is not active\n'],
  ])('judges %s', async (_, check, status, stdout) => {
    expect(await check()).toEqual({ status, stdout })
  })
})

it('verify waits for the greeting of a server at the ports of the proxy', async () => {
  const [writer, reader] = [await listen('127.0.0.1', 'x'.repeat(60)), await listen('127.0.0.1', 'short')]
  const check = (title: string) => checkOf('web-01', title, { writer_port: writer, reader_port: reader }).replaceAll('sleep 1', ':')
  expect(await run(check('an application here reaches the server that accepts writes'))).toEqual({ status: 0, stdout: '' })
  expect(await run(check('an application here reaches a server for reading'))).toEqual({
    status: 1,
    stdout: `no database server answers at 127.0.0.1:${reader}\n`,
  })
})

/** A server whose client prints these answers, each for queries that contain the word. */
const server = (answers: Record<string, string>): Place => {
  const there = place()
  const cases = Object.keys(answers).map((word, i) => {
    there.write(`answer${i}`, answers[word] ?? '')
    return `*${quote(word)}*) cat "$PLACE/answer${i}" ;;`
  })
  there.program('timeout', 'echo "$1" >>"$PLACE/limits"; shift; exec "$@"')
  there.program(
    'mariadb',
    `printf '%s\\n' "$*" >>"$PLACE/clients"; query="$*"; case $query in *' -e '*) ;; *) query="$(cat)" ;; esac; case $query in ${cases.join('\n')} esac`,
  )
  return there
}

describe('verify finds', () => {
  const found = (title: string, tables: Parameters<typeof answersOf>[0]) =>
    answersOf(tables, /<<'SQL'\n([\s\S]*)\nSQL\n/.exec(checkOf('web-01', title))?.[1] ?? '').map(([line]) => line)
  const account = (User: string, Host: string, priv: object = {}) => ({ User, Host, Priv: JSON.stringify(priv) })

  it('accounts without a name, and administrators with a password or another host', () => {
    const accounts = [
      ...[account('', 'localhost'), account('root', '%'), account('mysql', 'web-01'), account('shop', '%', { authentication_string: 'x' })],
      ...[account('root', 'localhost', { authentication_string: 'invalid' }), account('mysql', 'localhost', { authentication_string: '' })],
    ]
    const title = 'no anonymous account exists, and root logs in only through the socket'
    expect(found(title, { 'mysql.global_priv': accounts })).toEqual(["''@localhost", "'root'@%", "'mysql'@web-01"])
    const withPassword = [account('root', 'localhost', { authentication_string: '*HASH' })]
    expect(found(title, { 'mysql.global_priv': withPassword })).toEqual(["'root'@localhost"])
  })

  it('network accounts that need no TLS, and no roles', () => {
    const accounts = [
      ...[account('a', '%'), account('b', '%', { ssl_type: 0 }), account('c', '10.0.0.%', { ssl_type: 1 })],
      ...[account('d', 'localhost'), account('e', ''), account('f', '%', { is_role: 1 })],
    ]
    expect(found('every network account requires TLS', { 'mysql.global_priv': accounts })).toEqual(["'a'@%", "'b'@%"])
  })

  it('the database `test`', () => {
    const schemata = (...names: string[]) => ({ 'information_schema.SCHEMATA': names.map((name) => ({ SCHEMA_NAME: name })) })
    expect(found('no database `test` exists', schemata('shop', 'test'))).toEqual(['test'])
    expect(found('no database `test` exists', schemata('shop', 'test2'))).toEqual([])
  })

  it('tables that cannot be replicated', () => {
    const table = (schema: string, name: string, engine = 'InnoDB', type = 'BASE TABLE') => ({
      ...{ TABLE_SCHEMA: schema, TABLE_NAME: name, ENGINE: engine, TABLE_TYPE: type },
    })
    const key = (schema: string, name: string, type = 'PRIMARY KEY') => ({ TABLE_SCHEMA: schema, TABLE_NAME: name, CONSTRAINT_TYPE: type })
    const tables = [
      ...[
        table('shop', 'good'),
        table('shop', 'isam', 'MyISAM'),
        table('shop', 'unique'),
        table('shop', 'bare'),
        table('shop', 'v', 'x', 'VIEW'),
      ],
      ...['mysql', 'sys', 'information_schema', 'performance_schema'].map((name) => table(name, 'own', 'Aria')),
    ]
    const constraints = [key('shop', 'good'), key('shop', 'isam'), key('shop', 'unique', 'UNIQUE'), key('other', 'bare')]
    expect(
      found('every table can be replicated (InnoDB, with a primary key)', {
        'information_schema.TABLES': tables,
        'information_schema.TABLE_CONSTRAINTS': constraints,
      }),
    ).toEqual(['shop.isam is MyISAM', 'shop.unique has no primary key', 'shop.bare has no primary key'])
  })
})

it.each<[string, object, readonly [string, string | undefined][]]>([
  [
    'web-01',
    {},
    [
      ...[
        'no anonymous account exists, and root logs in only through the socket',
        'every network account requires TLS',
        'the server presents a certificate of the database authority',
        'no database `test` exists',
        'the cluster is complete, and this server is synced',
        'writes of the other servers are applied here',
        'every table can be replicated (InnoDB, with a primary key)',
      ].map((name): [string, string] => [name, 'mariadb.service']),
      ['an application here reaches the server that accepts writes', 'provision-database-proxy.service'],
      ['an application here reaches a server for reading', 'provision-database-proxy.service'],
    ],
  ],
  [
    'web-02',
    { topology: 'single', clients: [], backups: { recipients: [RECIPIENT], store: 'here' } },
    [
      ...[
        'no anonymous account exists, and root logs in only through the socket',
        'every network account requires TLS',
        'the server presents a certificate of the database authority',
        'no database `test` exists',
      ].map((name): [string, string] => [name, 'mariadb.service']),
      ['the last backup passed its restore test and is recent', undefined],
    ],
  ],
  ['lb-01', {}, [['the arbitrator runs', undefined]]],
  ['lb-01', { topology: 'replica' }, []],
])('verify on %s with %j has its checks, each with the unit that must run', (name, written, checks) => {
  const found = mysql.verify?.(contextOf(name, written)) ?? []
  expect(found.map((check) => [check.name, check.units?.join()])).toEqual(checks)
})

describe('verify, on a server', () => {
  it.each([
    ['no anonymous account exists, and root logs in only through the socket', 'global_priv'],
    ['every network account requires TLS', 'ssl_type'],
    ['no database `test` exists', 'SCHEMATA'],
    ['every table can be replicated (InnoDB, with a primary key)', 'TABLE_CONSTRAINTS'],
  ])('fails and prints what is found: %s', async (title, word) => {
    const script = checkOf('web-01', title)
    expect(await run(script, server({ [word]: 'x@y\n' }))).toEqual({ status: 1, stdout: 'x@y\n' })
    expect(await run(script, server({}))).toEqual({ status: 0, stdout: '' })
  })

  it.each([
    ['3\nPrimary\nSynced', 0, ''],
    ['2\nPrimary\nSynced', 1, 'of 3 members: 2 Primary Synced \n'],
    ['3\nnon-Primary\nInitialized', 1, 'of 3 members: 3 Initialized non-Primary \n'],
  ])('expects all members in the cluster: %j', async (values, status, stdout) => {
    const [size, cluster, state] = values.split('\n')
    const rows = `wsrep_cluster_size\t${size}\nwsrep_cluster_status\t${cluster}\nwsrep_local_state_comment\t${state}\n`
    const answer = await run(checkOf('web-01', 'the cluster is complete, and this server is synced'), server({ wsrep_cluster_size: rows }))
    expect(answer.status).toBe(status)
    if (cluster === 'Primary') expect(answer.stdout).toBe(stdout)
  })

  it.each([
    ['Yes', 'Yes', '1', 0, ''],
    ['Connecting', 'Yes', '1', 1, 'Slave_IO_Running: Connecting\nSlave_SQL_Running: Yes\nLast_IO_Error: no route\n'],
    ['Yes', 'No', '1', 1, 'Slave_IO_Running: Yes\nSlave_SQL_Running: No\nLast_IO_Error: no route\n'],
    ['Yes', 'Yes', '0', 1, 'it accepts writes\n'],
  ])('expects a replica that receives (%s), applies (%s) and is read-only (%s)', async (io, sql, readOnly, status, stdout) => {
    const slave = `Slave_IO_Running: ${io}\nSlave_SQL_Running: ${sql}\nLast_SQL_Error: \nLast_IO_Error: no route\n`
    const title = 'this server replicates from web-01 and is read-only'
    const script = checkOf('web-02', title, { topology: 'replica', primary: 'web-01' })
    expect(await run(script, server({ 'SLAVE STATUS': slave, read_only: `${readOnly}\n` }))).toEqual({ status, stdout })
  })

  it.each([
    ['0', 0, ''],
    ['1', 1, 'it is read-only\nlast of -u provision-database-primary.service --no-pager -o cat -n 1\n'],
  ])('expects a primary that accepts writes (read_only %s), and otherwise quotes the opener', async (readOnly, status, stdout) => {
    const there = server({ read_only: `${readOnly}\n` })
    there.program('journalctl', 'echo "last of $*"')
    const script = checkOf('web-01', 'this server accepts writes', { topology: 'replica', primary: 'web-01' })
    expect(await run(script, there)).toEqual({ status, stdout })
  })

  it('verifies the certificate of the server by the database authority', async () => {
    const there = place()
    there.program('openssl', 'echo "$*" >"$PLACE/openssl"; echo "Verify return code: $CODE"')
    const script = checkOf('web-01', 'the server presents a certificate of the database authority')
    expect(await run(`CODE='0 (ok)'; export CODE; ${script}`, there)).toEqual({ status: 0, stdout: '' })
    expect(there.read('openssl')).toBe(
      's_client -starttls mysql -connect 127.0.0.12:3306 -verify_return_error -verify_hostname web-01.database.provision.internal -verify_ip 127.0.0.12 -CAfile /etc/mysql/provision/authority.pem\n',
    )
    expect(await run(`CODE='20 (unable to get local issuer)'; export CODE; ${script}`, there)).toMatchObject({ status: 1 })
  })

  it('names a table lock that stops the writes of the others, and flow control that stops all', async () => {
    const script = checkOf('web-01', 'writes of the other servers are applied here').replaceAll('sleep 5', ':')
    const answers = (more: Record<string, string>) => server({ 'it has waited': '', GROUP_CONCAT: '100 false 7\n', ...more })
    expect(await run(script, answers({}))).toEqual({ status: 0, stdout: '' })
    expect(await run(script, answers({ 'it has waited': 'it has waited for 9 s: Waiting for table lock\n' }))).toMatchObject({
      status: 1,
      stdout: expect.stringMatching(/^it has waited for 9 s: Waiting for table lock\n/),
    })
    expect(await run(script, answers({ GROUP_CONCAT: '100 true 7\n' }))).toMatchObject({
      status: 1,
      stdout: expect.stringMatching(/^flow control has stopped all writes for 5 s\n/),
    })
  })

  it('finds a write that waits for a lock for five seconds, and what all writes wait for', async () => {
    const there = server({ GROUP_CONCAT: '100 false 7\n' })
    const title = 'writes of the other servers are applied here'
    await run(checkOf('web-01', title), there)
    const [waits = '', look = ''] = there
      .read('clients')
      .split('\n')
      .map((line) => line.replace(/^.*? -e /, ''))
    const thread = (user: string, state: string, time: number) => ({ USER: user, STATE: state, TIME: time })
    const threads = [
      ...[thread('system user', 'Waiting for table metadata lock', 5), thread('system user', 'Waiting for table level lock', 4)],
      ...[thread('app', 'Waiting for table metadata lock', 9), thread('system user', 'Waiting for prior transaction', 9)],
    ]
    expect(answersOf({ 'information_schema.PROCESSLIST': threads }, waits)).toEqual([
      ['it has waited for 5 s: Waiting for table metadata lock'],
    ])
    const variables = ['WSREP_LAST_COMMITTED', 'INNODB_LSN_CURRENT', 'OTHER', 'WSREP_FLOW_CONTROL_ACTIVE'].map((name, i) => ({
      VARIABLE_NAME: name,
      VARIABLE_VALUE: `${i}`,
    }))
    expect(answersOf({ 'information_schema.GLOBAL_STATUS': variables }, look.replace(" SEPARATOR ' '", ''))).toEqual([['1,3,0']])
    for (const broken of ['PROCESSLIST', 'GROUP_CONCAT']) {
      const failing = place()
      failing.program('mariadb', `case "$*" in *${broken}*) exit 1 ;; esac`)
      expect((await run(checkOf('web-01', title), failing)).status).toBe(1)
    }
  })

  it('asks the arbitrator whether it runs', async () => {
    const there = (code: number): Place => {
      const made = place()
      made.program('systemctl', `[ "$*" = 'is-active -q garb.service' ] && exit ${code}`)
      return made
    }
    expect(await run(checkOf('lb-01', 'the arbitrator runs'), there(0))).toEqual({ status: 0, stdout: '' })
    expect(await run(checkOf('lb-01', 'the arbitrator runs'), there(3))).toEqual({ status: 1, stdout: 'garb.service is not active\n' })
  })

  it('names a write that does not arrive on a replica', async () => {
    const script = checkOf('web-01', 'writes on this server reach every replica within a second', {
      topology: 'replica',
      primary: 'web-01',
    })
    const answers = (reached: string) => server({ ANALYZE: 'ok\n', gtid_binlog_pos: '0-1-9\n', "MASTER_GTID_WAIT('0-1-9'": reached })
    expect(await run(script, answers('0\n'))).toEqual({ status: 0, stdout: '' })
    const there = answers('-1\n')
    expect(await run(script, there)).toEqual({ status: 1, stdout: 'not on web-02: -1\n' })
    // It asks three times, as the replica that the other server knows, and each time for a second.
    const asked = there
      .read('clients')
      .split('\n')
      .filter((line) => line.includes('MASTER_GTID_WAIT'))
    expect(asked).toEqual(
      Array.from(
        { length: 3 },
        () =>
          "--no-defaults --local-infile=0 -NB -h 127.0.0.13 -u provision-replica-web-01 --ssl-ca=/etc/mysql/provision/authority.pem --ssl-cert=/etc/mysql/provision/host.pem --ssl-key=/etc/mysql/provision/host.pem.key --ssl-verify-server-cert -e SELECT MASTER_GTID_WAIT('0-1-9', 1)",
      ),
    )
    expect(there.read('limits')).toBe('5\n5\n5\n')
    expect((await run(script, server({}))).status).toBe(1)
  })
})

it.each([
  ['success', '0', '1', /provision_backup_done_seconds 1[0-9]{9}\n/],
  ['success', '3', '1', /provision_backup_done_seconds 77\n/],
  ['exit-code', '1', '0', /provision_backup_done_seconds 77\n/],
])('a backup that ends with %s %s is recorded: good %s', (result, exit, good, done) => {
  const there = place()
  there.write('r.prom', 'provision_restore_test_ok 1\nprovision_backup_done_seconds 77\n')
  const script = textOf('web-02', 'file:/usr/local/lib/provision/database-backup-result', BACKUPS)
  const outcome = there.run(
    script.replaceAll(/\S+\/database-backup\.prom/g, (path) => path.replace(/\/.*/, join(there.path, 'r.prom'))),
    {
      env: { SERVICE_RESULT: result, EXIT_STATUS: exit },
    },
  )
  expect(outcome).toMatchObject({ status: 0, stderr: '' })
  expect(there.read('r.prom')).toMatch(done)
  expect(
    there
      .read('r.prom')
      .replace(/\d+\n$/, 'TIME\n')
      .split('\n'),
  ).toEqual([
    '# HELP provision_restore_test_ok Whether the last backup passed its restore test.',
    '# TYPE provision_restore_test_ok gauge',
    `provision_restore_test_ok ${good}`,
    '# HELP provision_backup_done_seconds Time of the last good backup.',
    '# TYPE provision_backup_done_seconds gauge',
    'provision_backup_done_seconds TIME',
    '',
  ])
  // The exporter of metrics is another account.
  expect([(statSync(join(there.path, 'r.prom')).mode & 0o777).toString(8), there.has('r.prom.new')]).toEqual(['644', false])
})

it('the first backup that fails is recorded as none', () => {
  const there = place()
  const script = textOf('web-02', 'file:/usr/local/lib/provision/database-backup-result', BACKUPS)
  const text = script.replaceAll(/\S+\/database-backup\.prom/g, (path) => path.replace(/\/.*/, join(there.path, 'r.prom')))
  expect(there.run(text, { env: { SERVICE_RESULT: 'exit-code', EXIT_STATUS: '1' } })).toMatchObject({ status: 0, stderr: '' })
  expect(there.read('r.prom')).toMatch(/\nprovision_restore_test_ok 0\n[\s\S]*\nprovision_backup_done_seconds 0\n$/)
})
