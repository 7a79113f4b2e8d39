import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { labDown, labReset } from '../../src/lab/index.ts'
import { inside } from './support/interrupt.ts'
import { changes, referenceProject } from './support/project.ts'
import { OWNED_UNITS, ownedIn, undocumented } from './support/unit-exposure.ts'

const SUBNET = '10.79.75'
const project = referenceProject('t-pg', SUBNET)
const spec = {
  name: project.lab,
  root: project.root,
  hosts: [{ name: 'db-01', user: 'ops', addresses: [`${SUBNET}.11`] }],
}

const site = (settings: string): void => {
  const files = `.provision/lab/${project.lab}`
  project.write('playbooks/site.yaml', '- { hosts: postgresql, roles: [postgresql] }\n')
  project.write(
    'inventory/site.yaml',
    `hosts:
  db-01: { address: ${SUBNET}.11, internal: ${SUBNET}.11 }
groups:
  postgresql: { hosts: [db-01] }
vars:
  user: ops
  key: ${files}/id_ed25519
  known_hosts: ${files}/known_hosts
  postgresql:
    clients: []
    networks: [${SUBNET}.1/32]
    settings: ${settings}
    databases:
      - { name: shop, owner: shop, extensions: [{ name: pg_trgm }] }
      - { name: stock }
    users:
      - { name: shop, password: "the shop's password" }
      - { name: ops, socket: true, member_of: [pg_read_all_data] }
      - name: reports
        password: reports
        grants: [{ database: shop, schema: public, tables: all, created_by: shop, privileges: [SELECT] }]
`,
  )
}
const run = (...words: readonly string[]) => {
  const { status, lines, stderr } = project.json('run', ...words)
  return { status, stderr, applied: changes(lines, 'applied'), planned: changes(lines, 'planned') }
}
/** Statements of a user over the network; the errors of the server too. */
const sql = (user: string, password: string, target: string, statements: string): Promise<string> =>
  inside(
    spec,
    'db-01',
    `export PGPASSWORD="${password}"; psql -XAtqw "user=${user} hostaddr=127.0.0.1 host=db-01.postgresql.provision.internal ${target}" -c "${statements}" 2>&1 || :`,
  )
const VERIFIED = 'sslmode=verify-full sslrootcert=/etc/provision-postgresql/authority.pem'

beforeAll(async () => {
  site('{ work_mem: 8MB }')
  await labReset(spec)
})
afterAll(async () => {
  await labDown(spec)
  project.remove()
})

describe('a PostgreSQL server', () => {
  it('comes up from a bare host as predicted, passes verify, and a second run finds nothing to do', async () => {
    const { planned } = run('--dry-run')
    expect(planned.join('\n')).toMatch(/db-01 create postgresql-database:\d+\/main:shop/)
    expect(run()).toMatchObject({ status: 0, stderr: '', applied: planned })
    expect(run()).toMatchObject({ status: 0, applied: [] })
    const { status, stdout, stderr } = project.provision('verify')
    expect(`${status} ${stdout}${stderr}`).toMatch(/^0 /)
  })

  it('stores rows over verified TLS, for the users of a database only', async () => {
    const password = "the shop's password"
    expect(await sql('shop', password, `dbname=shop ${VERIFIED}`, 'CREATE TABLE orders AS SELECT 7 AS id; TABLE orders')).toBe('7\n')
    expect(await sql('reports', 'reports', `dbname=shop ${VERIFIED}`, 'TABLE orders')).toBe('7\n')
    expect(await sql('reports', 'reports', `dbname=shop ${VERIFIED}`, 'DELETE FROM orders')).toContain('permission denied')
    expect(await sql('shop', password, 'dbname=shop sslmode=disable', 'TABLE orders')).toContain('no encryption')
    expect(await sql('shop', 'other', `dbname=shop ${VERIFIED}`, 'TABLE orders')).toContain('password authentication failed')
    expect(await sql('shop', password, `dbname=stock ${VERIFIED}`, 'SELECT 1')).toContain('no pg_hba.conf entry')
    expect(await sql('postgres', password, `dbname=shop ${VERIFIED}`, 'SELECT 1')).toContain('no pg_hba.conf entry')
  })

  it('lets a system account in through the socket, with its own name only', async () => {
    const asOps = (user: string): Promise<string> =>
      inside(
        spec,
        'db-01',
        `cd /; setpriv --reuid=ops --regid=ops --init-groups psql -XAtqw -U ${user} -d shop -c 'TABLE orders' 2>&1 || :`,
      )
    expect(await asOps('ops')).toBe('7\n')
    expect(await asOps('shop')).toContain('no pg_hba.conf entry')
    expect(await asOps('postgres')).toContain('Peer authentication failed')
  })

  it('executes parallel queries in its sandbox, whose exposure is documented', async () => {
    const parallel =
      'CREATE TEMP TABLE t AS SELECT generate_series(1, 100000) AS id; ANALYZE t; CREATE TABLE p AS TABLE t; ANALYZE p; SET min_parallel_table_scan_size = 0; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; EXPLAIN (ANALYZE, COSTS OFF) SELECT count(*) FROM p'
    expect(await sql('shop', "the shop's password", `dbname=shop ${VERIFIED}`, parallel)).toMatch(/Workers Launched: [1-9]/)
    const owned = ownedIn(await inside(spec, 'db-01', OWNED_UNITS))
    expect(undocumented(owned.filter(({ role }) => role === 'postgresql'))).toEqual([])
  })

  it('reports to monitoring', async () => {
    expect(
      await inside(
        spec,
        'db-01',
        `bash -c 'exec 3<>/dev/tcp/127.0.0.1/9187; printf "GET /metrics HTTP/1.0\\r\\n\\r\\n" >&3; grep "^pg_up " <&3'`,
      ),
    ).toBe('pg_up 1\n')
  })

  it('validates settings before they replace those of the running server', async () => {
    site('{ work_mem: 9MB, shared_preload_libraries: nothing }')
    const refused = run()
    expect(refused.status).not.toBe(0)
    expect(refused.applied.filter((change) => !change.endsWith('owned:postgresql'))).toEqual([])
    expect(refused.stderr).toContain('could not access file')
    expect(await sql('shop', "the shop's password", `dbname=shop ${VERIFIED}`, 'SHOW work_mem')).toBe('8MB\n')
    site('{ work_mem: 9MB, shared_preload_libraries: pg_stat_statements }')
    expect(run()).toMatchObject({ status: 0, stderr: '' })
    expect(await sql('shop', "the shop's password", `dbname=shop ${VERIFIED}`, 'SHOW work_mem')).toBe('9MB\n')
    expect(run()).toMatchObject({ status: 0, applied: [] })
  })
})
