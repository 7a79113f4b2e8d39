import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { labDown, labReset } from '../../src/lab/index.ts'
import { inside } from '../e2e/support/interrupt.ts'
import { changes, referenceProject } from '../e2e/support/project.ts'

const SUBNET = '10.79.75'
const project = referenceProject('t-pgr', SUBNET)
const HOSTS = ['db-01', 'db-02']
const spec = {
  name: project.lab,
  root: project.root,
  hosts: HOSTS.map((name, i) => ({ name, user: 'ops', addresses: [`${SUBNET}.${11 + i}`] })),
}

const site = (servers: readonly string[], more = ''): void => {
  const files = `.provision/lab/${project.lab}`
  project.write('playbooks/site.yaml', '- { hosts: postgresql, roles: [postgresql] }\n')
  project.write(
    'inventory/site.yaml',
    `hosts:
${HOSTS.map((name, i) => `  ${name}: { address: ${SUBNET}.${11 + i}, internal: ${SUBNET}.${11 + i} }\n`).join('')}groups:
  postgresql: { hosts: [${servers.join(', ')}] }
vars:
  user: ops
  key: ${files}/id_ed25519
  known_hosts: ${files}/known_hosts
  postgresql:
    clients: []
    databases: [{ name: shop, owner: shop }]
    users: [{ name: shop, password: shop }]
${more}`,
  )
}
const run = (...words: readonly string[]) => {
  const { status, lines, stderr } = project.json('run', ...words)
  return { status, stderr, applied: changes(lines, 'applied'), planned: changes(lines, 'planned') }
}
const verify = (): string => {
  const { status, stdout, stderr } = project.provision('verify')
  return `${status} ${stdout}${stderr}`
}
const sql = (host: string, statements: string): Promise<string> =>
  inside(spec, host, `cd /; setpriv --reuid=postgres --regid=postgres --init-groups psql -XAtqw -d shop -c "${statements}" 2>&1 || :`)
/** Waits until a query returns this. */
const until = async (host: string, statement: string, answer: string): Promise<void> => {
  for (let i = 0; i < 40 && (await sql(host, statement)) !== answer; i++) await new Promise((done) => setTimeout(done, 250))
  expect(await sql(host, statement)).toBe(answer)
}

beforeAll(async () => {
  site(['db-01'])
  await labReset(spec)
})
afterAll(async () => {
  await labDown(spec)
  project.remove()
})

describe('replicas of a PostgreSQL server', () => {
  it('copy a running server, as predicted, and follow it', async () => {
    expect(run()).toMatchObject({ status: 0, stderr: '' })
    await sql('db-01', 'CREATE TABLE orders AS SELECT generate_series(1, 1000) AS id')
    site(HOSTS)
    const { planned } = run('--dry-run')
    expect(planned.join('\n')).toMatch(/db-02 create service:postgresql@/)
    expect(run()).toMatchObject({ status: 0, stderr: '', applied: planned })
    expect(run()).toMatchObject({ status: 0, applied: [] })
    await until('db-02', 'SELECT count(*) FROM orders', '1000\n')
    await sql('db-01', 'INSERT INTO orders VALUES (1001)')
    await until('db-02', 'SELECT max(id) FROM orders', '1001\n')
    expect(await sql('db-02', 'DELETE FROM orders')).toContain('read-only transaction')
    expect(verify()).toMatch(/^0 /)
  })

  it('connect with their certificate and a slot, over TLS', async () => {
    const connections = 'SELECT usename, application_name, ssl FROM pg_stat_replication JOIN pg_stat_ssl USING (pid)'
    expect(await sql('db-01', connections)).toBe('provision-replica|provision_db_02|t\n')
    expect(await sql('db-01', 'SELECT slot_name, active FROM pg_replication_slots')).toBe('provision_db_02|t\n')
    const without = `psql -XAtqw 'host=${SUBNET}.11 user=provision-replica dbname=postgres replication=true' -c IDENTIFY_SYSTEM 2>&1 || :`
    expect(await inside(spec, 'db-02', without)).toContain('connection requires a valid client certificate')
  })

  it('are reported by verify if they no longer follow', async () => {
    await inside(spec, 'db-02', 'systemctl stop "postgresql@*"')
    expect(verify()).toMatch(/^1 [\s\S]*db-02 replicates from this server/)
    expect(run()).toMatchObject({ status: 0 })
    expect(verify()).toMatch(/^0 /)
  })

  it('are promoted by a person only, and the former primary is not overwritten unless that is declared', async () => {
    site(HOSTS, '    primary: db-02\n')
    const refused = run()
    expect(refused.status).not.toBe(0)
    expect(refused.stderr).toContain('db-02 is to be the primary, and is a replica')
    expect(refused.stderr).toContain('db-01 has data of its own')
    expect([await sql('db-01', 'SELECT pg_is_in_recovery()'), await sql('db-02', 'SELECT pg_is_in_recovery()')]).toEqual(['f\n', 't\n'])
    await inside(spec, 'db-01', 'systemctl stop "postgresql@*"')
    expect(await sql('db-02', 'SELECT pg_promote()')).toBe('t\n')
    site(HOSTS, '    primary: db-02\n    discard_data_of: [db-01]\n')
    expect(run()).toMatchObject({ status: 0, stderr: '' })
    expect(run()).toMatchObject({ status: 0, applied: [] })
    await sql('db-02', 'INSERT INTO orders VALUES (1002)')
    await until('db-01', 'SELECT max(id) FROM orders', '1002\n')
    expect(await sql('db-01', 'SELECT pg_is_in_recovery()')).toBe('t\n')
    expect(verify()).toMatch(/^0 /)
  })

  it('leave no slot behind', async () => {
    site(['db-02'], '    primary: db-02\n')
    expect(run()).toMatchObject({ status: 0, stderr: '' })
    expect(await sql('db-02', 'SELECT count(*) FROM pg_replication_slots')).toBe('0\n')
  })
})
