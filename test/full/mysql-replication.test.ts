import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { boot, end, labReset } from '../../src/lab/index.ts'
import { inside, interruptRun } from '../e2e/support/interrupt.ts'
import { cutPower, restorePower } from '../e2e/support/lab.ts'
import { mysqlLab } from './support/mysql-lab.ts'

// A primary and its replica.
const HOSTS = ['db-01', 'db-02']
const { project, spec, ...lab } = mysqlLab('t-mysql-replica', '10.79.59', HOSTS)
const { run, sql, test } = lab

const site = (primary: string): void =>
  lab.write(
    `{ flavour: mysql, topology: replica, primary: ${primary}, buffer_pool: 96M, databases: [{ name: shop }] }`,
    `  web: { hosts: [db-02] }\n  database: { hosts: [${HOSTS.join(', ')}] }\n`,
  )
/** Whether a server runs and accepts writes, of root as well. */
const writable = (host: string): Promise<boolean> =>
  sql(host, 'SELECT @@read_only + @@super_read_only').then(
    (answer) => answer === '0',
    () => false,
  )
const accepting = (): Promise<readonly boolean[]> => Promise.all(HOSTS.map(writable))
const allHave = async (rows: string): Promise<void> => {
  for (const host of HOSTS)
    await expect.poll(() => sql(host, 'SELECT COUNT(*) FROM shop.t').catch(() => ''), { timeout: 60_000, interval: 500 }).toBe(rows)
}

beforeAll(async () => {
  site('db-01')
  await lab.begin()
})
afterAll(lab.end)

describe('a primary with a replica, with MySQL', () => {
  test('is installed from bare, as the dry run shows; the second run finds nothing to do', async () => {
    const dry = run('--dry-run')
    const first = run()
    expect(first).toMatchObject({ status: 0, stderr: '' })
    expect([...first.applied].sort()).toEqual([...dry.planned].sort())
    expect(run()).toMatchObject({ status: 0, applied: [] })
    expect(project.provision('verify').stdout).toContain('all passed')
    expect(await accepting()).toEqual([true, false])
    await sql('db-01', "CREATE TABLE shop.t (id INT PRIMARY KEY, v TEXT); INSERT INTO shop.t VALUES (1, 'a')")
    await allHave('1')
  })

  test('switches over and back', async () => {
    site('db-02')
    expect(run()).toMatchObject({ status: 0, stderr: '' })
    expect(await accepting()).toEqual([false, true])
    await sql('db-02', "INSERT INTO shop.t VALUES (2, 'b')")
    await allHave('2')
    site('db-01')
    expect((await interruptRun(project, 'db-01 doing becoming writable', 'SIGKILL').ended).by).toBe('SIGKILL')
    expect(run()).toMatchObject({ status: 0, stderr: '' })
    expect(run()).toMatchObject({ status: 0, applied: [] })
    expect(await accepting()).toEqual([true, false])
  })

  test('accepts writes again after a power cut, when its replica has nothing that it lacks', async () => {
    await cutPower(spec, 'db-01')
    await restorePower(spec, 'db-01')
    await expect.poll(() => writable('db-01'), { timeout: 90_000, interval: 1000 }).toBe(true)
    // A run meanwhile starts replication again, for which the replica waits a few seconds by itself.
    await expect.poll(() => run().applied.length, { timeout: 60_000, interval: 2000 }).toBe(0)
  })

  test('gets no transaction of its own from the scripts of the package', async () => {
    const before = await sql('db-02', 'SELECT @@gtid_executed')
    await inside(spec, 'db-02', 'DEBIAN_FRONTEND=noninteractive apt-get install -y -q --reinstall mysql-server >/dev/null 2>&1')
    await expect.poll(() => sql('db-02', 'SELECT @@gtid_executed').catch(() => ''), { timeout: 60_000 }).toBe(before)
  })

  test('copies its data to a bare host with the name of its replica, also after the copy was cut', async () => {
    await labReset(spec, ['db-02'])
    expect((await interruptRun(project, 'db-02 doing copying all data', 'SIGKILL').ended).by).toBe('SIGKILL')
    expect(run()).toMatchObject({ status: 0, stderr: '' })
    expect(run()).toMatchObject({ status: 0, applied: [] })
    await allHave('2')
    expect(await inside(spec, 'db-02', 'ls -A /var/lib/mysql')).not.toContain('seeding')
  })

  test('is replaced, if lost, only with permission; it returns as a replica, and keeps rows that only it has', async () => {
    await end(spec, 'db-01')
    site('db-02')
    const refused = run()
    expect([refused.status, refused.applied]).toEqual([1, []])
    expect(refused.stderr).toContain('db-02 not promoted while db-01 cannot be reached')
    expect(run('--allow-data-loss', 'db-01').status).toBe(4)
    expect(await writable('db-02')).toBe(true)
    await boot(spec, 'db-01')
    expect(run()).toMatchObject({ status: 0, stderr: '' })
    expect(await accepting()).toEqual([false, true])
    // A row that only the replica has, written by root against its configuration.
    await sql('db-01', "STOP REPLICA; SET GLOBAL read_only = OFF; INSERT INTO shop.t VALUES (9, 'only here')")
    await sleep(500)
    const extra = run()
    expect(extra.status).toBe(1)
    expect(extra.stderr).toContain('db-01 has transactions that db-02 lacks')
    expect(await sql('db-01', 'SELECT v FROM shop.t WHERE id = 9')).toBe('only here')
    expect(run('--allow-data-loss', 'db-01')).toMatchObject({ status: 0, stderr: '' })
    expect(await accepting()).toEqual([false, true])
    await allHave('2')
  })
})
