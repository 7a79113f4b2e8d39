import { once } from 'node:events'
import { readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { boot, end, labDown, labReset } from '../../src/lab/index.ts'
import { DEFINE_INFO, lost, ROOT, sql, startWriter, stopWriter, waitForCluster } from '../e2e/support/database/database.ts'
import { inside, interruptRun } from '../e2e/support/interrupt.ts'
import { referenceLab } from '../e2e/support/lab.ts'
import { changes, referenceProject } from '../e2e/support/project.ts'
import { captureWire } from './support/packet-stream.ts'

// The long forms: a controller that is killed repeatedly, power cuts of every host, restarts, a replaced host. All
// traffic is encrypted meanwhile.
const SUBNET = '10.79.53'
const project = referenceProject('t-mysql-full', SUBNET)
const spec = referenceLab(project, SUBNET)
const SERVERS = ['web-01', 'web-02']
const PASSWORD = 'poison-7Qx-password'
project.env.SHOP_PASSWORD = PASSWORD
let wire: ReturnType<typeof captureWire> | undefined

const inventory = (bufferPool: string): void => {
  const lab = `.provision/lab/${project.lab}`
  const host = (name: string, i: number) => `  ${name}: { address: ${SUBNET}.${i}, internal: [${SUBNET}.${i}, 'fd53::${i}'] }\n`
  project.write(
    'inventory/site.yaml',
    `vars: { user: ops, key: ${lab}/id_ed25519, known_hosts: ${lab}/known_hosts, firewall: { administrators: [${SUBNET}.1] } }
hosts:
${host('lb-01', 11)}${host('web-01', 12)}${host('web-02', 13)}groups:
  database_arbitrators: { hosts: [lb-01] }
  web: { hosts: [web-01, web-02] }
  database:
    hosts: [web-01, web-02]
    vars:
      mysql:
        buffer_pool: ${bufferPool}
        databases: [{ name: shop }]
        users: [{ name: shop, password: '\${env:SHOP_PASSWORD}', grants: [{ on: 'shop.*' }] }]
`,
  )
}

beforeAll(async () => {
  project.write(
    'playbooks/site.yaml',
    '- hosts: all\n  roles: [firewall]\n- hosts: [database, database_arbitrators, web]\n  roles: [mysql]\n',
  )
  inventory('96M')
  await labReset(spec)
  wire = captureWire(spec)
})
afterAll(async () => {
  await labDown(spec)
  project.remove()
  wire?.remove()
})

const run = () => {
  const { status, lines, stderr } = project.json('run')
  return { status, stderr, applied: changes(lines, 'applied') }
}

describe('a cluster', () => {
  it.each([
    'web-01 applied file:/etc/mysql/mariadb.cnf',
    'web-01 doing starting mariadb',
    'web-02 doing starting mariadb',
    'lb-01 doing starting garb',
  ])('is bootstrapped after a kill of the controller at: %s', async (moment) => {
    expect((await interruptRun(project, moment, 'SIGKILL').ended).by).toBe('SIGKILL')
  })

  it('is complete after the next run, and a second run finds nothing to do', async () => {
    expect(run()).toMatchObject({ status: 0, stderr: '' })
    expect(run()).toMatchObject({ status: 0, applied: [] })
    const { status, stdout, stderr: said } = project.provision('verify')
    expect(`${status} ${stdout}${said}`).toMatch(/^0 /)
    await sql(spec, 'web-01', 'CREATE TABLE shop.t (id INT PRIMARY KEY, v TEXT)')
  })

  it.each([
    ['web-01', 'web-02', 0],
    ['web-02', 'web-01', 100_000],
    ['lb-01', 'web-01', 200_000],
  ])('loses nothing in a power cut of %s', async (victim, writer, from) => {
    await startWriter(spec, writer, PASSWORD, from)
    await sleep(3000)
    await end(spec, victim)
    await sleep(12_000)
    await boot(spec, victim)
    await waitForCluster(spec, SERVERS, 3)
    const { acked, gap } = await stopWriter(spec, writer)
    expect({ gap, isShort: gap < 10 }).toMatchObject({ isShort: true })
    for (const host of SERVERS) expect(await lost(spec, host, acked)).toEqual([])
  })

  it('upgrades its system tables beside account statements, again and again', async () => {
    await inside(
      spec,
      'web-01',
      `(i=0; while [ ! -e /run/enough ]; do ${ROOT} -e "DROP USER IF EXISTS ''@'x$i'"; i=$((i+1)); done) >/dev/null 2>&1 &`,
    )
    for (let i = 0; i < 5; i++)
      await inside(spec, 'web-02', `${DEFINE_INFO}; printf 10.6.1-MariaDB >$info; timeout 200 systemctl restart mariadb`)
    await inside(spec, 'web-01', ': >/run/enough')
    await waitForCluster(spec, SERVERS, 3)
  })

  it('restarts one server after the other, and stays available', async () => {
    await startWriter(spec, 'web-02', PASSWORD, 300_000)
    let running = true
    const seen = new Set<string>()
    const watching = (async () => {
      while (running) {
        const states = await Promise.all(SERVERS.map((host) => inside(spec, host, 'systemctl is-active mariadb || true')))
        seen.add(states.map((state) => state.trim() === 'active').join(' '))
        await sleep(50)
      }
    })()
    inventory('128M')
    const child = project.start('run')
    const [status] = await once(child, 'exit')
    running = false
    await watching
    expect(status).toBe(0)
    expect([...seen].sort()).toEqual(['false true', 'true false', 'true true'])
    const { acked, gap } = await stopWriter(spec, 'web-02')
    expect({ gap, isShort: gap < 10 }).toMatchObject({ isShort: true })
    expect(await lost(spec, 'web-01', acked)).toEqual([])
  })

  it('gets a new certificate without a restart', async () => {
    const asked = `systemctl show -P MainPID mariadb; echo | openssl s_client -starttls mysql -connect ${SUBNET}.12:3306 2>/dev/null | openssl x509 -noout -serial`
    const [pid, serial] = (await inside(spec, 'web-01', asked)).split('\n')
    await inside(spec, 'web-01', 'rm /etc/mysql/provision/host.pem')
    expect(run().applied).toEqual(['web-01 create certificate:/etc/mysql/provision/host.pem', 'web-01 update galera:database'])
    const [pidNow, serialNow] = (await inside(spec, 'web-01', asked)).split('\n')
    expect(pidNow).toBe(pid)
    expect(serialNow).not.toBe(serial)
    await waitForCluster(spec, SERVERS, 3)
  })

  it('trusts a new authority after the key of its own is lost, and gets certificates from it, under a writer', async () => {
    const kept = (name: string): string => join(project.root, 'identities', name)
    rmSync(kept('authority-database-1.age'))
    renameSync(kept('authority-database-1.pem'), kept('authority-database-1.lost.pem'))
    await startWriter(spec, 'web-02', PASSWORD, 400_000)
    const learnt = run()
    expect(learnt).toMatchObject({ status: 0, stderr: '' })
    expect(learnt.applied.filter((line) => line.includes('file:')).length).toBe(3)
    expect(learnt.applied.filter((line) => line.includes('certificate:'))).toEqual([])
    await inside(spec, 'lb-01', 'rm /etc/garbd/host.pem')
    for (const host of SERVERS) await inside(spec, host, 'rm /etc/mysql/provision/host.pem')
    const signed = run()
    expect(signed).toMatchObject({ status: 0, stderr: '' })
    expect(signed.applied.filter((line) => line.includes('create certificate:')).length).toBe(3)
    expect(await inside(spec, 'web-01', 'openssl x509 -noout -issuer -in /etc/mysql/provision/host.pem')).toContain('provision database 2')
    expect(run()).toMatchObject({ status: 0, applied: [] })
    await waitForCluster(spec, SERVERS, 3)
    const { acked, gap } = await stopWriter(spec, 'web-02')
    expect({ gap, isShort: gap < 10 }).toMatchObject({ isShort: true })
    expect(await lost(spec, 'web-01', acked)).toEqual([])
    // The former member rejoins the others, which it authenticates by the new authority.
    await end(spec, 'web-02')
    await boot(spec, 'web-02')
    await waitForCluster(spec, SERVERS, 3)
  })

  it('stops no server while the other one is down', async () => {
    await inside(spec, 'web-02', 'systemctl stop mariadb')
    inventory('96M')
    const { status, stderr } = project.provision('run', '--limit', 'web-01')
    expect(status).toBe(1)
    expect(stderr).toContain('web-01 not changed while another server of the cluster is down')
    expect(await inside(spec, 'web-01', 'systemctl is-active mariadb')).toBe('active\n')
    expect(run().status).toBe(0)
    await waitForCluster(spec, SERVERS, 3)
  })

  it('sends all data to a new host with an old name', async () => {
    const rows = await sql(spec, 'web-01', 'SELECT COUNT(*) FROM shop.t')
    await labReset(spec, ['web-02'])
    expect(run().status).toBe(0)
    await waitForCluster(spec, SERVERS, 3)
    expect(await sql(spec, 'web-02', 'SELECT COUNT(*) FROM shop.t')).toBe(rows)
    expect(run()).toMatchObject({ status: 0, applied: [] })
  })

  it('passes mysqltuner, except for what the README explains', async () => {
    const said = await inside(
      spec,
      'web-01',
      'apt-get install -qq -y mysqltuner >/dev/null 2>&1; mysqltuner --nocolor --socket /run/mysqld/mysqld.sock 2>&1 || true',
    )
    const readme = readFileSync(new URL('../../roles/mysql/README.md', import.meta.url), 'utf8')
    const explained = [...readme.matchAll(/^\| mysqltuner: (.+?) \|/gm)].map(([, words = '']) => words)
    const complaints = said.split('\n').filter((line) => line.startsWith('[!!]'))
    expect(said).toContain('[OK] There are no anonymous accounts for any database users')
    // Debian's mysqltuner (1.9.9) ends there with this MariaDB: it divides by innodb_buffer_pool_chunk_size, which is 0 now.
    expect(said).toContain('InnoDB Metrics')
    expect(complaints.filter((line) => !explained.some((words) => line.includes(words)))).toEqual([])
  })

  it('sends nothing readable over the network', async () => {
    await wire?.end()
    for (const text of [PASSWORD, 'INSERT INTO', 'CREATE TABLE', 'row 100', 'mysql_native_password USING'])
      expect(`${text}: ${wire?.linesWith(text)}`).toBe(`${text}: 0`)
    // It does hold what goes over the ports of the database.
    expect(wire?.packetsOf('port 3306 or port 4567')).toBeGreaterThan(1000)
  })
})
