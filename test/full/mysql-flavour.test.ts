import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { inside } from '../e2e/support/interrupt.ts'
import { cutPower, restorePower } from '../e2e/support/lab.ts'
import { OWNED_UNITS, ownedIn, undocumented } from '../e2e/support/unit-exposure.ts'
import { mysqlLab } from './support/mysql-lab.ts'

// A server, and a host with its applications and backups.
const PASSWORD = 'a long poison word'
const { project, spec, ...lab } = mysqlLab('t-mysql', '10.79.58', ['db-01', 'app-01'])
const { run, test } = lab
project.env.SHOP_PASSWORD = PASSWORD

const site = (more = '', { flavour = 'mysql', grants = "[{ on: 'shop.*' }, { on: old.t, privileges: [SELECT] }]" } = {}): void =>
  lab.write(
    `
    flavour: ${flavour}
    topology: single
    buffer_pool: 128M
    databases: [{ name: shop }, { name: old, charset: latin1 }]
    users: [{ name: shop, password: '\${env:SHOP_PASSWORD}', grants: ${grants} }]
    backups: { recipients: [age1cucy0ntxyydd6al6ncc35ngvqpknry4m79v5kap7n546tfexqcaqy9u33e], store: web }
${more.trimEnd()}`,
    '  web: { hosts: [app-01] }\n  database: { hosts: [db-01] }\n',
  )
const sql = (query: string): Promise<string> => lab.sql('db-01', query)

beforeAll(async () => {
  site()
  await lab.begin()
})
afterAll(lab.end)

describe('a server with MySQL', () => {
  test('is installed from bare, as the dry run shows; the second run finds nothing to do', async () => {
    const dry = run('--dry-run')
    expect(dry.status).toBe(2)
    const first = run()
    expect(first).toMatchObject({ status: 0, stderr: '' })
    expect([...first.applied].sort()).toEqual([...dry.planned].sort())
    expect(run()).toMatchObject({ status: 0, applied: [] })
    const { status, stdout } = project.provision('verify')
    expect(`${status} ${stdout}`).toMatch(/^0 [\s\S]*8 checks, all passed/)
  })

  test('runs in a sandbox, as the README documents', async () => {
    const owned = ownedIn(await inside(spec, 'db-01', OWNED_UNITS)).filter(({ unit }) => unit === 'mysql.service')
    expect(owned).toHaveLength(1)
    expect(undocumented(owned)).toEqual([])
  })

  test('serves applications through their proxy, over TLS only; a grant on a table comes with the table', async () => {
    await inside(spec, 'app-01', 'apt-get install -y -q mysql-client >/dev/null 2>&1')
    await inside(spec, 'app-01', `printf '[client]\\nuser=shop\\npassword="${PASSWORD}"\\nhost=127.0.0.1\\n' >/root/shop.cnf`)
    const query = (options: string, text: string) =>
      inside(spec, 'app-01', `mysql --defaults-file=/root/shop.cnf ${options} -NBe "${text}"`)
    const verified = '--ssl-mode=VERIFY_IDENTITY --ssl-ca=/etc/mysql/provision/authority.pem'
    expect(await query(`${verified} -P 3306`, 'SELECT DATABASE() IS NULL')).toBe('1\n')
    expect(await query(`${verified} -P 3307`, 'SELECT 1')).toBe('1\n')
    await expect(query('--ssl-mode=DISABLED -P 3306', 'SELECT 1')).rejects.toThrow('Access denied')
    await sql('CREATE TABLE old.t (id INT PRIMARY KEY); CREATE TABLE shop.t (id INT PRIMARY KEY, v TEXT, j JSON)')
    await sql("INSERT INTO old.t VALUES (7); INSERT INTO shop.t VALUES (1, 'ü😀', '{\"a\": 1.5}')")
    expect(run().applied).toEqual(['db-01 update database-account:shop@%'])
    expect(await query(`${verified} -P 3306`, 'SELECT id FROM old.t')).toBe('7\n')
    await expect(query(`${verified} -P 3306`, 'DELETE FROM old.t')).rejects.toThrow('DELETE command denied')
  })

  test('loses every change by hand to its accounts: a second password, grants, another way to log in', async () => {
    await sql(
      "ALTER USER shop@'%' IDENTIFIED BY 'by hand' RETAIN CURRENT PASSWORD; GRANT DROP, UPDATE ON shop.* TO shop@'%' WITH GRANT OPTION",
    )
    await sql("CREATE ROLE boss; GRANT boss TO shop@'%'; ALTER USER prometheus@localhost IDENTIFIED WITH auth_socket AS 'ops'")
    expect(run().applied).toEqual(['db-01 update database-account:prometheus@localhost', 'db-01 update database-account:shop@%'])
    expect(run()).toMatchObject({ status: 0, applied: [] })
    expect(await sql("SELECT plugin, authentication_string, User_attributes FROM mysql.user WHERE User = 'prometheus'")).toBe(
      'auth_socket\t\tNULL',
    )
    expect(await sql("SELECT ssl_type, User_attributes FROM mysql.user WHERE User = 'shop'; SHOW GRANTS FOR shop@'%'")).toBe(
      [
        'ANY\tNULL',
        'GRANT USAGE ON *.* TO `shop`@`%`',
        'GRANT SELECT, INSERT, UPDATE, DELETE ON `shop`.* TO `shop`@`%`',
        'GRANT SELECT ON `old`.`t` TO `shop`@`%`',
      ].join('\n'),
    )
  })

  test('backs up all databases, and restores them to compare them', async () => {
    await sql("CREATE VIEW shop.v AS SELECT id FROM shop.t; UPDATE shop.t SET j = JSON_SET(j, '$.a', 2)")
    await sql('CREATE FUNCTION shop.f() RETURNS INT DETERMINISTIC RETURN 1; CREATE EVENT shop.e ON SCHEDULE EVERY 1 DAY DO DO 0')
    await inside(spec, 'db-01', 'systemctl start provision-database-backup')
    expect(await inside(spec, 'db-01', 'journalctl -u provision-database-backup -o cat')).toContain(': 2 tables, restored and compared')
    expect(await inside(spec, 'app-01', 'ls /var/lib/provision-database-store')).toMatch(/^database-\w+\.sql\.gz\.age\n$/)
    expect(await inside(spec, 'db-01', 'ls /var/lib/provision-database-backup')).toBe('')
  })

  test('gets a missing table back from a dump, and keeps the others', async () => {
    const options = '--single-transaction --routines --triggers --events --hex-blob --set-gtid-purged=OFF --databases shop old'
    const dump = await inside(spec, 'db-01', `mysqldump --default-character-set=utf8mb4 ${options}`)
    mkdirSync(join(project.root, 'backups'), { recursive: true })
    writeFileSync(join(project.root, 'backups/latest.sql.gz'), gzipSync(dump))
    await sql('DROP TABLE shop.t; INSERT INTO old.t VALUES (8)')
    site('    restore: { file: backups/latest.sql.gz }\n')
    expect(run().applied).toContain('db-01 create database-dump:backups/latest.sql.gz')
    expect(await sql('SELECT id, v, j FROM shop.t; SELECT id FROM old.t')).toBe('1\tü😀\t{"a": 2}\n7\n8')
    site()
    expect(run()).toMatchObject({ status: 0, applied: [] })
  })

  test('keeps running with its configuration if another one is invalid', async () => {
    const before = await inside(spec, 'db-01', 'systemctl show -P MainPID mysql')
    for (const setting of ['innodb_page_size: 7777', 'max_allowed_packet: 1Q', 'no_such_setting: 1']) {
      site(`    settings: { ${setting} }\n`)
      const { status, stderr } = run()
      expect(status).toBe(1)
      expect(stderr).toContain('/etc/mysql')
    }
    expect(await inside(spec, 'db-01', 'systemctl show -P MainPID mysql')).toBe(before)
    site('    settings: { max_allowed_packet: 32M }\n')
    expect(run()).toMatchObject({ status: 0, stderr: '' })
    expect(await sql('SELECT @@max_allowed_packet')).toBe(String(32 * 1024 * 1024))
    site()
    expect(run()).toMatchObject({ status: 0, stderr: '' })
  })

  test('is not replaced by MariaDB, whose options would start it beside the data of MySQL', async () => {
    site('', { flavour: 'mariadb' })
    const { status, stderr, applied } = run()
    expect([status, applied]).toEqual([1, []])
    expect(stderr).toContain('the host has the data of MySQL in /var/lib/mysql, which MariaDB cannot read')
    site()
    expect(run()).toMatchObject({ status: 0, applied: [] })
    expect(await sql('SELECT COUNT(*) FROM shop.t')).toBe('1')
  })

  test('is as declared after a power cut, and has its rows', async () => {
    await cutPower(spec, 'db-01')
    await restorePower(spec, 'db-01')
    await expect.poll(() => sql('SELECT v FROM shop.t').catch(() => ''), { timeout: 60_000, interval: 1000 }).toBe('ü😀')
    expect(run()).toMatchObject({ status: 0, applied: [] })
    expect(project.provision('verify').status).toBe(0)
  })

  test('has no password in its journal, its logs or its arguments', async () => {
    const places =
      'journalctl --no-pager; cat /var/log/mysql/* /proc/[0-9]*/cmdline 2>/dev/null | tr "\\0" " "; mysqlbinlog /var/lib/mysql/mysql-bin.0*'
    expect(await inside(spec, 'db-01', `{ ${places}; } | grep -c '${PASSWORD.slice(2, -1)}[${PASSWORD.at(-1)}]' || true`)).toBe('0\n')
  })
})
