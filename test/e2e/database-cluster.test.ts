import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { decrypt, generateIdentity, recipientOf } from '../../src/keystore/age.ts'
import { boot, end, labDown, labReset } from '../../src/lab/index.ts'
import { quote } from '../../src/shell/quote.ts'
import { lost, sql, startWriter, stopWriter, waitForCluster } from './support/database/database.ts'
import { inside } from './support/interrupt.ts'
import { referenceLab } from './support/lab.ts'
import { changes, referenceProject } from './support/project.ts'

const SUBNET = '10.79.51'
const project = referenceProject('t-mysql', SUBNET)
const spec = referenceLab(project, SUBNET)
const SERVERS = ['web-01', 'web-02']

/** A password of more than 200 characters: all printable ASCII characters, and others. */
const ODD = `${Array.from({ length: 95 }, (_, i) => String.fromCharCode(32 + i)).join('')}üß€😀${'x'.repeat(110)}`
project.env.ODD_PASSWORD = ODD
project.env.SHOP_PASSWORD = 'a long poison word'

/** The recipient of the backups. Its key is on no host. */
const reader = await generateIdentity()
const recipient = await recipientOf(reader)

const inventory = (users: string) => {
  const lab = `.provision/lab/${project.lab}`
  const host = (name: string, i: number) => `  ${name}: { address: ${SUBNET}.${i}, internal: [${SUBNET}.${i}, 'fd51::${i}'] }\n`
  project.write(
    'inventory/site.yaml',
    `vars:
  user: ops
  key: ${lab}/id_ed25519
  known_hosts: ${lab}/known_hosts
  firewall: { administrators: [${SUBNET}.1] }
  mysql:
    backups: { recipients: [${recipient}] }
    certificates: [{ user: sealed, group: www-data }]
    provider_options: { gcs.fc_limit: 64, evs.suspect_timeout: PT6S }
hosts:
${host('lb-01', 11)}${host('web-01', 12)}${host('web-02', 13)}groups:
  database_arbitrators: { hosts: [lb-01] }
  web: { hosts: [web-01, web-02] }
  database:
    hosts: [web-01, web-02]
    vars:
      mysql:
        buffer_pool: 96M
        databases: [{ name: shop }, { name: other_1 }]
        users: [${users}]
`,
  )
}
const fromEnv = (name: string) => `'\${env:${name}}'`
const SHOP = `{ name: shop, password: ${fromEnv('SHOP_PASSWORD')}, grants: [{ on: 'shop.*' }] }`
const ODDLY = `{ name: oddly, password: ${fromEnv('ODD_PASSWORD')}, grants: [{ on: 'other_1.*', privileges: [SELECT] }] }`
const SEALED = `{ name: sealed, password: ${fromEnv('SHOP_PASSWORD')}, certificate: true, limits: { connections: 1 } }`
const WATCH = `{ name: watch, password: ${fromEnv('SHOP_PASSWORD')}, grants: [{ on: '*.*', privileges: [PROCESS, REPLICATION CLIENT] }] }`
const LOCAL = "{ name: www-data, socket: true, grants: [{ on: 'shop.*', privileges: [SELECT] }] }"

beforeAll(async () => {
  project.write(
    'playbooks/site.yaml',
    '- hosts: all\n  roles: [firewall]\n- hosts: [database, database_arbitrators, web]\n  roles: [mysql]\n',
  )
  inventory(`${SHOP}, ${ODDLY}, ${SEALED}, ${WATCH}, ${LOCAL}`)
  await labReset(spec)
})
afterAll(async () => {
  await labDown(spec)
  project.remove()
})

const run = (...words: readonly string[]) => {
  const { status, lines, stderr } = project.json('run', ...words)
  return { status, stderr, applied: changes(lines, 'applied'), failed: changes(lines, 'failed') }
}
const planned = () => changes(project.json('run', '--dry-run').lines, 'planned')

/** The answer to a query through the proxy of the host. */
const asked = (
  query: string,
  { user = 'shop', password = 'a long poison word', more = '--ssl-ca=/etc/mysql/provision/authority.pem', port = 3306 } = {},
) =>
  inside(
    spec,
    'web-02',
    `MYSQL_PWD=${quote(password)} mariadb --no-defaults -h 127.0.0.1 -P ${port} -u ${user} ${more} -NB -e ${quote(query)} 2>&1 || true`,
  ).then((said) => said.trim())

const GRANTS = [
  // Accounts of Debian and MariaDB, which are authenticated by the system account of the same name.
  'GRANT ALL PRIVILEGES ON *.* TO mysql@localhost',
  'GRANT ALL PRIVILEGES ON *.* TO root@localhost',
  'GRANT PROXY ON @% TO mysql@localhost',
  'GRANT PROXY ON @% TO root@localhost',
  'GRANT SELECT, DELETE ON mysql.global_priv TO mariadb.sys@localhost',
  'GRANT USAGE ON *.* TO mariadb.sys@localhost',
  // Accounts of the role.
  'GRANT PROCESS, SLAVE MONITOR ON *.* TO prometheus@localhost',
  'GRANT SELECT, RELOAD, PROCESS, LOCK TABLES, REPLICATION SLAVE, BINLOG MONITOR, SHOW VIEW, EVENT, TRIGGER ON *.* TO provision-backup@localhost',
  'GRANT USAGE ON *.* TO provision-health@localhost',
  // Accounts of the inventory.
  'GRANT SELECT ON other\\\\_1.* TO oddly@%',
  'GRANT SELECT, INSERT, UPDATE, DELETE ON shop.* TO shop@%',
  'GRANT USAGE ON *.* TO oddly@%',
  'GRANT USAGE ON *.* TO shop@%',
  'GRANT USAGE ON *.* TO sealed@%',
  'GRANT PROCESS, BINLOG MONITOR ON *.* TO watch@%',
  'GRANT SELECT ON shop.* TO www-data@localhost',
  'GRANT USAGE ON *.* TO www-data@localhost',
].sort()

describe('a cluster of two servers and an arbitrator', () => {
  it('comes up as predicted, behaves, and then there is nothing to do', async () => {
    const predicted = planned()
    expect(predicted.filter((line) => line.includes('galera:database')).toSorted()).toEqual([
      expect.stringMatching(/^lb-01 (create|update) /),
      expect.stringMatching(/^web-01 (create|update) /),
      expect.stringMatching(/^web-02 (create|update) /),
    ])
    expect(predicted.filter((line) => line.includes('database:shop'))).toEqual([expect.stringMatching(/^web-01 /)])
    expect(run()).toEqual({ status: 0, stderr: '', applied: predicted, failed: [] })
    expect(run()).toMatchObject({ status: 0, applied: [] })
    const { status, stdout, stderr } = project.provision('verify')
    expect(`${status} ${stdout}${stderr}`).toMatch(/^0 /)
    expect(await waitForCluster(spec, SERVERS, 3)).toBeLessThan(5)
    const galera = await sql(spec, 'web-01', 'SELECT @@wsrep_provider_options')
    for (const option of ['gcs.fc_limit = 64;', 'evs.suspect_timeout = PT6S;']) expect(galera).toContain(option)
  })

  it('accepts clients with the password over TLS, and permits the granted databases', async () => {
    expect(await asked("SHOW STATUS LIKE 'Ssl_version'")).toBe('Ssl_version\tTLSv1.3')
    expect(await asked('SELECT CURRENT_USER()', { user: 'oddly', password: ODD })).toBe('oddly@%')
    expect(await asked('SELECT CURRENT_USER()', { user: 'oddly', password: `${ODD.slice(0, -1)}y` })).toContain('Access denied')
    expect(await asked('SELECT 1', { more: '--skip-ssl' })).toMatch(/Access denied|secure transport/)
    for (const database of ['other_1', 'otherx1', 'mysql'])
      expect(await asked(`CREATE TABLE ${database}.t (id INT)`)).toContain('command denied')
    expect(await asked('SELECT 1', { user: 'root', password: 'x' })).toContain('Access denied')
    expect(await asked('SELECT 1', { port: 3307 })).toBe('1')
  })

  it('has the accounts of its README, with the documented privileges only', async () => {
    const names = await sql(spec, 'web-01', "SELECT CONCAT(QUOTE(User), '@', QUOTE(Host)) FROM mysql.user WHERE is_role = 'N'")
    const shown = await sql(spec, 'web-01', names.replace(/^.*$/gm, 'SHOW GRANTS FOR $&;'))
    const grants = shown
      .replace(/ (IDENTIFIED|REQUIRE|WITH) .*$/gm, '')
      .replaceAll('`', '')
      .split('\n')
      .sort()
    expect(grants).toEqual(GRANTS)
    const readme = readFileSync(new URL('../../roles/mysql/README.md', import.meta.url), 'utf8')
    for (const account of grants.map((line) => line.split(' TO ')[1] ?? '').filter((one) => one.endsWith('@localhost')))
      if (account !== 'www-data@localhost') expect(readme).toContain(`\`${account}\``)
  })

  it('admits a user with its certificate only, through the socket without a password, and within its limits', async () => {
    const certified =
      '--ssl-ca=/etc/mysql/provision/authority.pem --ssl-cert=/etc/mysql/provision/users/sealed.pem --ssl-key=/etc/mysql/provision/users/sealed.pem.key'
    const ofServer = certified.replaceAll('users/sealed.pem', 'host.pem')
    expect(await asked('SELECT CURRENT_USER()', { user: 'sealed', more: certified })).toBe('sealed@%')
    expect(await asked('SELECT 1', { user: 'sealed' })).toContain('Access denied')
    expect(await asked('SELECT 1', { user: 'sealed', more: ofServer })).toContain('Access denied')
    expect(await asked('SELECT 1', { user: 'sealed', password: 'x', more: certified })).toContain('Access denied')
    const twice = await inside(
      spec,
      'web-02',
      `log_in() { MYSQL_PWD='a long poison word' mariadb --no-defaults -h 127.0.0.1 -u sealed ${certified} -NBe "$1" 2>&1 || true; }
      log_in 'SELECT SLEEP(4)' & sleep 2; log_in 'SELECT 2'; wait`,
    )
    expect(twice).toMatch(/max_user_connections.*\n0\n$/)
    expect(await asked('SHOW MASTER STATUS', { user: 'watch' })).toMatch(/^mysql-bin\./)
    expect(await asked('SELECT COUNT(*) FROM mysql.global_priv', { user: 'watch' })).toContain('command denied')
    const local = (account: string) =>
      inside(
        spec,
        'web-01',
        `setpriv --reuid=${account} --regid=${account} --clear-groups mariadb --no-defaults -u www-data -NBe 'SELECT CURRENT_USER()' 2>&1 || true`,
      )
    expect(await local('www-data')).toBe('www-data@localhost\n')
    expect(await local('daemon')).toContain('Access denied')
    expect(await asked('SELECT 1', { user: 'www-data', password: '' })).toContain('Access denied')
  })

  it('refuses members with a certificate of another authority', async () => {
    const comesWith = (pair: string) =>
      inside(
        spec,
        'web-02',
        `cd /root && [ -f c ] || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout c.key -out c -subj /CN=web-02.database.provision.internal 2>/dev/null
        sleep 2 | timeout 5 openssl s_client -connect ${SUBNET}.12:4567 -CAfile /etc/mysql/provision/authority.pem -cert ${pair} -key ${pair}.key 2>&1 || true`,
      )
    expect(await comesWith('c')).toContain('alert unknown ca')
    expect(await comesWith('/etc/mysql/provision/host.pem')).not.toContain('alert')
  })

  it('continues after a power cut of a server without losing acknowledged rows, and the server rejoins', async () => {
    await sql(spec, 'web-01', 'CREATE TABLE shop.t (id INT PRIMARY KEY, v TEXT)')
    await startWriter(spec, 'web-02', 'a long poison word', 0)
    await sleep(2000)
    await end(spec, 'web-01')
    await sleep(9000)
    await boot(spec, 'web-01')
    await waitForCluster(spec, SERVERS, 3)
    const { acked, gap } = await stopWriter(spec, 'web-02')
    expect(acked.length).toBeGreaterThan(20)
    expect(gap).toBeLessThan(10)
    for (const host of SERVERS) expect(await lost(spec, host, acked)).toEqual([])
  })

  it('recovers after a power cut of all servers', async () => {
    await startWriter(spec, 'web-01', 'a long poison word', 1_000_000)
    await sleep(2000)
    await Promise.all(['lb-01', ...SERVERS].map((host) => end(spec, host)))
    await Promise.all(['lb-01', ...SERVERS].map((host) => boot(spec, host)))
    await waitForCluster(spec, SERVERS, 3)
    const acked = (await inside(spec, 'web-01', 'cat /root/acked'))
      .trim()
      .split('\n')
      .map((line) => Number(line.split(' ')[0]))
    expect(acked.length).toBeGreaterThan(5)
    expect(await lost(spec, 'web-02', acked)).toEqual([])
    expect(run()).toMatchObject({ status: 0, applied: [] })
  })

  it('is bootstrapped from the most advanced server if all were stopped', async () => {
    await inside(spec, 'web-01', 'systemctl stop mariadb')
    await sql(spec, 'web-02', "INSERT INTO shop.t VALUES (-1, 'the last')")
    await inside(spec, 'web-02', 'systemctl stop mariadb')
    const predicted = planned()
    expect(predicted).toEqual(
      expect.arrayContaining(['web-01 update galera:database', 'web-02 update galera:database', 'lb-01 update galera:database']),
    )
    expect(run()).toEqual({ status: 0, stderr: '', applied: predicted, failed: [] })
    expect(await sql(spec, 'web-01', 'SELECT v FROM shop.t WHERE id = -1')).toBe('the last')
    expect(run()).toMatchObject({ status: 0, applied: [] })
  })

  it('gets a new password and other grants, and keeps no account that the inventory lacks', async () => {
    project.env.SHOP_PASSWORD = 'another long word'
    inventory(
      `${SHOP.replace("'shop.*'", "'shop.*', privileges: [ALL]")}, { name: oddly, state: absent }, ${SEALED.replace(/certificate.*/, '}')}, { name: www-data, socket: true, state: absent }`,
    )
    const predicted = planned()
    expect(predicted).toEqual(expect.arrayContaining(['web-01 delete database-account:oddly@%', 'web-01 update database-account:shop@%']))
    expect(run()).toMatchObject({ status: 0, applied: predicted })
    expect(await asked('SELECT 1')).toContain('Access denied')
    expect(await asked('CREATE TABLE shop.u (id INT); DROP TABLE shop.u; SELECT 2', { password: 'another long word' })).toBe('2')
    expect(await sql(spec, 'web-02', "SELECT COUNT(*) FROM mysql.global_priv WHERE User IN ('oddly', 'www-data')")).toBe('0')
    expect(await asked('SHOW VARIABLES LIKE "max_user_connections"', { user: 'sealed', password: 'another long word' })).toContain('\t0')
  })

  it('restores a dropped table from its last backup, and changes no other table', async () => {
    await inside(spec, 'web-02', 'systemctl start provision-database-backup')
    await sql(spec, 'web-01', 'DROP TABLE shop.t; CREATE TABLE shop.newer (id INT PRIMARY KEY); INSERT INTO shop.newer VALUES (1)')
    const saved = await inside(spec, 'lb-01', 'base64 -w0 /var/lib/provision-database-store/database-*')
    const opened = await decrypt(Buffer.from(saved, 'base64'), [reader], { file: 'backups/latest.sql.gz' })
    mkdirSync(join(project.root, 'backups'))
    writeFileSync(join(project.root, 'backups/latest.sql.gz'), opened)
    const playbook = 'playbooks/restore-database.yaml'
    const predicted = changes(project.json('run', playbook, '--dry-run').lines, 'planned')
    expect(predicted).toContain('web-01 create database-dump:backups/latest.sql.gz')
    expect(run(playbook)).toMatchObject({ status: 0, applied: predicted })
    expect(Number(await sql(spec, 'web-02', 'SELECT COUNT(*) FROM shop.t'))).toBeGreaterThan(20)
    expect(await sql(spec, 'web-02', 'SELECT COUNT(*) FROM shop.newer')).toBe('1')
    expect(run(playbook)).toMatchObject({ status: 0, applied: [] })
    expect(project.provision('verify').status).toBe(0)
  })

  it('restores the rows of a moment after the backup, on every server', async () => {
    await sql(spec, 'web-01', "CREATE TABLE shop.m (id INT PRIMARY KEY, v TEXT); INSERT INTO shop.m VALUES (1, 'kept'), (2, 'kept too')")
    const moment = (await inside(spec, 'web-02', 'sleep 1.2; date -u +%Y-%m-%dT%H:%M:%SZ; sleep 1.2')).trim()
    await sql(spec, 'web-01', "UPDATE shop.m SET v = 'lost'; DROP TABLE shop.m")
    const playbook = 'playbooks/moment.yaml'
    const restore = `{ restore: { file: backups/latest.sql.gz, until: '${moment}' } }`
    project.write(playbook, `- hosts: [database, database_arbitrators, web]\n  roles:\n    - mysql: ${restore}\n`)
    const predicted = changes(project.json('run', playbook, '--dry-run').lines, 'planned')
    expect(predicted).toContain('web-02 create database-dump:backups/latest.sql.gz')
    expect(run(playbook)).toMatchObject({ status: 0, stderr: '', applied: predicted })
    for (const server of SERVERS) expect(await sql(spec, server, 'SELECT * FROM shop.m')).toBe('1\tkept\n2\tkept too')
    expect(run(playbook)).toMatchObject({ status: 0, applied: [] })
  })

  it('refuses a dump without rows, and data from a host that is no server', async () => {
    await inside(
      spec,
      'web-02',
      `printf '#!/bin/sh\nexec /usr/bin/mariadb-dump "$@" --no-data\n' >/usr/local/bin/mariadb-dump; chmod 755 /usr/local/bin/mariadb-dump
      ! systemctl start provision-database-backup; rm /usr/local/bin/mariadb-dump`,
    )
    const { status, stdout, stderr } = project.provision('verify')
    expect(status).toBe(1)
    expect(stdout + stderr).toContain('the restored tables differ from the databases')
    const sent = (pair: string, name: string) =>
      inside(
        spec,
        'web-02',
        `cd /root && { printf '%s 2 %s\\n' ${name} "$(echo x | sha256sum | cut -d' ' -f1)"; echo x; } | socat -t 5 - OPENSSL:${SUBNET}.11:4569,cert=${pair},key=${pair}.key,verify=0,no-sni=1 2>&1 || true`,
      )
    expect(await sent('c', 'database-1.sql.gz.age')).not.toContain('stored')
    // A client that is refused before it sent everything may lose the connection before the answer arrives.
    await expect
      .poll(() => sent('/etc/provision-backup/host.pem', '../database-1.sql.gz.age'), { timeout: 30_000 })
      .toBe('invalid file name\n')
    expect(await inside(spec, 'lb-01', 'ls -A /var/lib/provision-database-store | wc -l')).toBe('1\n')
  })

  it('fails verify with the name of a table that cannot be replicated', async () => {
    await sql(spec, 'web-01', 'CREATE TABLE shop.keyless (id INT)')
    const { status, stdout, stderr } = project.provision('verify')
    expect(status).toBe(1)
    expect(stdout + stderr).toContain('shop.keyless has no primary key')
  })
})
