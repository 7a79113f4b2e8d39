import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { labDown, labReset } from '../../src/lab/index.ts'
import { lost, sql, startWriter, stopWriter, waitForCluster } from '../e2e/support/database/database.ts'
import { inside } from '../e2e/support/interrupt.ts'
import { bareLab } from '../e2e/support/lab.ts'
import { changes, referenceProject } from '../e2e/support/project.ts'

// A server is removed from the inventory: the others continue, and it can neither rejoin nor accept writes.
const SUBNET = '10.79.54'
const project = referenceProject('t-leaving', SUBNET)
const three = bareLab(project, SUBNET)
const spec = {
  ...three,
  hosts: [...three.hosts, { name: 'db-03', user: 'ops', addresses: [`${SUBNET}.14`, 'fd54::14'] }],
}
const PASSWORD = 'a long poison word'
project.env.SHOP_PASSWORD = PASSWORD
const ADDRESSES: Readonly<Record<string, number>> = { 'lb-01': 11, 'web-01': 12, 'web-02': 13, 'db-03': 14 }

const inventory = (servers: readonly string[], arbitrators: readonly string[]): void => {
  const lab = `.provision/lab/${project.lab}`
  const hosts = [...new Set(['lb-01', ...servers])].map(
    (name) =>
      `  ${name}: { address: ${SUBNET}.${ADDRESSES[name]}, internal: [${SUBNET}.${ADDRESSES[name]}, 'fd54::${ADDRESSES[name]}'] }\n`,
  )
  project.write(
    'inventory/site.yaml',
    `vars: { user: ops, key: ${lab}/id_ed25519, known_hosts: ${lab}/known_hosts, firewall: { administrators: [${SUBNET}.1] } }
hosts:
${hosts.join('')}groups:
  database_arbitrators: { hosts: [${arbitrators.join(', ')}] }
  web: { hosts: [web-01, web-02] }
  database:
    hosts: [${servers.join(', ')}]
    vars:
      mysql:
        buffer_pool: 96M
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
  inventory(['web-01', 'web-02', 'db-03'], [])
  await labReset(spec)
})
afterAll(async () => {
  await labDown(spec)
  project.remove()
})

const run = () => {
  const { status, lines, stderr } = project.json('run')
  return { status, stderr, applied: changes(lines, 'applied') }
}

describe('a server that is removed from the inventory', () => {
  it('leaves the cluster, which loses nothing and stays available', async () => {
    expect(run()).toMatchObject({ status: 0, stderr: '' })
    await waitForCluster(spec, ['web-01', 'web-02', 'db-03'], 3)
    await sql(spec, 'web-01', 'CREATE TABLE shop.t (id INT PRIMARY KEY, v TEXT)')
    await startWriter(spec, 'web-01', PASSWORD, 0)
    inventory(['web-01', 'web-02'], ['lb-01'])
    const { lines } = project.json('run', '--dry-run')
    expect(lines).toContainEqual({ type: 'warning', what: expect.stringContaining('db-03 is not in the inventory any more') })
    const { applied, ...ended } = run()
    expect(ended).toEqual({ status: 0, stderr: '' })
    expect(applied).toEqual(changes(lines, 'planned'))
    await waitForCluster(spec, ['web-01', 'web-02'], 3)
    const { acked, gap } = await stopWriter(spec, 'web-01')
    expect({ gap, isShort: gap < 10 }).toMatchObject({ isShort: true })
    expect(await lost(spec, 'web-01', acked)).toEqual([])
    expect(await lost(spec, 'web-02', acked)).toEqual([])
    expect(run()).toMatchObject({ status: 0, applied: [] })
    expect(project.provision('verify').status).toBe(0)
  })

  it('serves no client', async () => {
    expect(await inside(spec, 'db-03', `mariadb -e 'INSERT INTO shop.t VALUES (-1, "lost")' 2>&1 || true`)).toContain('1047')
  })

  it('rejoins after it is added again, and gets the missed rows', async () => {
    inventory(['web-01', 'web-02', 'db-03'], ['lb-01'])
    expect(run()).toMatchObject({ status: 0, stderr: '' })
    await waitForCluster(spec, ['web-01', 'web-02', 'db-03'], 4)
    expect(await sql(spec, 'db-03', 'SELECT COUNT(*) FROM shop.t')).toBe(await sql(spec, 'web-01', 'SELECT COUNT(*) FROM shop.t'))
    expect(run()).toMatchObject({ status: 0, applied: [] })
  })

  it('is retired by a run that closes all firewalls to it', async () => {
    inventory(['web-01', 'web-02'], ['lb-01'])
    const { status, lines } = project.json('run', '--retire', 'db-03')
    expect(status).toBe(0)
    expect(changes(lines, 'applied')).toContain('controller delete host:db-03')
    const rules = await inside(spec, 'web-01', 'nft list table inet provision')
    expect([rules.includes(`${SUBNET}.13`), rules.includes(`${SUBNET}.14`)]).toEqual([true, false])
    expect(project.provision('run').stdout).not.toContain('is not in the inventory any more')
  })
})

describe('an arbitrator', () => {
  it.each([
    ['becomes a server', ['web-01', 'web-02', 'lb-01'], [], 'mariadb', 'garb'],
    ['is one again', ['web-01', 'web-02'], ['lb-01'], 'garb', 'mariadb'],
  ] as const)('%s, exactly as planned', async (_, servers, arbitrators, started, stopped) => {
    inventory(servers, arbitrators)
    const { lines } = project.json('run', '--dry-run')
    expect(project.provision('run', '--dry-run').stdout).toMatch(new RegExp(`galera database .*stops ${stopped}\\.service`))
    const { applied, ...ended } = run()
    expect(ended).toEqual({ status: 0, stderr: '' })
    expect(applied).toEqual(changes(lines, 'planned'))
    await waitForCluster(spec, servers, 3)
    expect(await inside(spec, 'lb-01', `systemctl is-active ${started} ${stopped}; systemctl is-enabled ${started} ${stopped}; true`)).toBe(
      'active\ninactive\nenabled\ndisabled\n',
    )
    expect(run()).toMatchObject({ status: 0, applied: [] })
  })
})
