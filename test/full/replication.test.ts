import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { boot, end, labDown, labReset } from '../../src/lab/index.ts'
import { lost, sql, startWriter, stopWriter, waitForCluster } from '../e2e/support/database/database.ts'
import { replicaLab, watchWriters, writable, writeReplicaSite } from '../e2e/support/database/replicas.ts'
import { inside, interruptRun } from '../e2e/support/interrupt.ts'
import { changes, referenceProject } from '../e2e/support/project.ts'
import { captureWire } from './support/packet-stream.ts'

// A primary, two replicas, and all of their network traffic.
const SUBNET = '10.79.55'
const HOSTS = ['web-01', 'web-02', 'web-03']
const PASSWORD = 'a long poison word'
const project = referenceProject('t-replicas', SUBNET)
const spec = replicaLab(project, SUBNET, HOSTS)
project.env.SHOP_PASSWORD = PASSWORD
let wire: ReturnType<typeof captureWire> | undefined

const site = (primary: string, hosts: readonly string[] = HOSTS): void => writeReplicaSite(project, SUBNET, { hosts, primary })
const run = (...words: readonly string[]) => {
  const { status, lines, stderr } = project.json('run', ...words)
  return { status, stderr, applied: changes(lines, 'applied') }
}
const allHave = async (hosts: readonly string[] = HOSTS): Promise<void> => {
  const counted = 'SELECT COUNT(*), SUM(id) FROM shop.t'
  await expect
    .poll(async () => new Set(await Promise.all(hosts.map((host) => sql(spec, host, counted)))).size, { timeout: 30_000, interval: 500 })
    .toBe(1)
}

/** Starts a run and kills it so many milliseconds later; whether it was still at work. */
const killAfter = async (ms: number, ...words: readonly string[]): Promise<boolean> => {
  const child = project.start('run', ...words)
  const ended = once(child, 'exit')
  await sleep(ms)
  child.kill('SIGKILL')
  const [, by] = await ended
  return by === 'SIGKILL'
}

beforeAll(async () => {
  site('web-01', ['web-01', 'web-02'])
  await labReset(spec)
  wire = captureWire(spec)
})
afterAll(async () => {
  await labDown(spec)
  project.remove()
  wire?.remove()
})

describe('a primary with replicas', () => {
  it('gets another replica, which gets all data', async () => {
    expect(run()).toMatchObject({ status: 0, stderr: '' })
    await sql(
      spec,
      'web-01',
      'CREATE TABLE shop.t (id INT PRIMARY KEY, v TEXT); INSERT INTO shop.t SELECT -seq, REPEAT("a readable row ", 20) FROM shop.seq_1_to_100000',
    )
    site('web-01')
    expect(run()).toMatchObject({ status: 0, stderr: '' })
    expect(run()).toMatchObject({ status: 0, applied: [] })
    await allHave()
  })

  it('switches over under a writer, killed at twenty moments: never two writable servers, and no row is lost', async () => {
    await startWriter(spec, 'web-02', PASSWORD, 0)
    const watched = watchWriters(spec, HOSTS)
    let killed = 0
    for (let i = 0; i < 20; i++) {
      site(HOSTS[(i + 1) % 3] ?? '')
      if (await killAfter(900 + 200 * i)) killed += 1
      expect(run()).toMatchObject({ status: 0, stderr: '' })
    }
    process.stdout.write(`killed ${killed} of 20 switch-overs in the middle\n`)
    expect(killed).toBeGreaterThan(10)
    expect(await watched.ended()).toBe(1)
    const { acked } = await stopWriter(spec, 'web-02')
    expect(acked.length).toBeGreaterThan(100)
    await allHave()
    for (const host of HOSTS) expect(await lost(spec, host, acked)).toEqual([])
  })

  it.each(['web-01 doing making web-02 read-only', 'web-01 doing becoming writable', 'web-02 applied replication:database'])(
    'switches over after a kill of the controller at: %s',
    async (moment) => {
      site('web-02')
      expect(run()).toMatchObject({ status: 0, stderr: '' })
      site('web-01')
      const watched = watchWriters(spec, HOSTS)
      expect((await interruptRun(project, moment, 'SIGKILL').ended).by).toBe('SIGKILL')
      expect(run()).toMatchObject({ status: 0, stderr: '' })
      expect(await watched.ended()).toBe(1)
      expect(await Promise.all(HOSTS.map((host) => writable(spec, host)))).toEqual([true, false, false])
      await allHave()
    },
  )

  it('switches to a lagging replica, and accepts writes until that one has nearly caught up', async () => {
    const primary = HOSTS[20 % 3] ?? ''
    const other = HOSTS.find((host) => host !== primary && host !== 'web-02') ?? ''
    site(primary)
    expect(run()).toMatchObject({ status: 0, stderr: '' })
    // A reader that locks the table keeps the replica from applying writes.
    const reader = "mariadb --no-defaults -e 'LOCK TABLES shop.t READ; SELECT SLEEP(20)'"
    await inside(spec, other, `systemd-run -q --collect --unit=reader ${reader}`)
    await sleep(1000)
    await startWriter(spec, 'web-02', PASSWORD, 5_000_000)
    await sleep(1000)
    site(other)
    expect(run()).toMatchObject({ status: 0, stderr: '' })
    const { acked, gap } = await stopWriter(spec, 'web-02')
    process.stdout.write(`switched over to a replica that was 20 s behind: no write for ${gap.toFixed(1)} s\n`)
    expect(gap).toBeLessThan(8)
    for (const host of HOSTS) expect(await lost(spec, host, acked)).toEqual([])
    site(primary)
    expect(run()).toMatchObject({ status: 0, stderr: '' })
  })

  it('sends its data to a new host with an old name, killed at twenty moments', async () => {
    const primary = HOSTS[20 % 3] ?? ''
    const other = HOSTS.find((host) => host !== primary && host !== 'web-02') ?? ''
    let killed = 0
    for (let i = 0; i < 20; i++) {
      await sql(spec, other, "REPLACE INTO shop.t VALUES (3000000, 'by hand')")
      await sql(spec, primary, `REPLACE INTO shop.t VALUES (3000000, 'more ${i}')`)
      await sleep(1000)
      if (await killAfter(900 + 200 * i, '--allow-data-loss', other)) killed += 1
      expect(run('--allow-data-loss', other)).toMatchObject({ status: 0, stderr: '' })
      await allHave()
      expect(await sql(spec, other, 'SELECT v FROM shop.t WHERE id = 3000000')).toBe(`more ${i}`)
    }
    process.stdout.write(`killed ${killed} of 20 seedings in the middle\n`)
    expect(killed).toBeGreaterThan(10)
  })

  it.each(['doing sending all data', 'doing preparing the copy', 'applied replication'])(
    'sends its data again after a kill of the controller at: %s',
    async (moment) => {
      const primary = HOSTS[20 % 3] ?? ''
      await sql(spec, 'web-02', "REPLACE INTO shop.t VALUES (3000000, 'by hand')")
      await sql(spec, primary, `REPLACE INTO shop.t VALUES (3000000, '${moment}')`)
      await sleep(1000)
      expect((await interruptRun(project, `web-02 ${moment}`, 'SIGKILL', ['web-02']).ended).by).toBe('SIGKILL')
      expect(run()).toMatchObject({ status: 0, stderr: '' })
      await allHave()
      expect(await sql(spec, 'web-02', 'SELECT v FROM shop.t WHERE id = 3000000')).toBe(moment)
    },
  )

  it('is replaced, if lost, by a replica that first gets the additional rows of another one', async () => {
    site('web-01')
    expect(run()).toMatchObject({ status: 0, stderr: '' })
    await sql(spec, 'web-02', 'STOP SLAVE IO_THREAD')
    await sql(spec, 'web-01', "INSERT INTO shop.t VALUES (4000000, 'only on one replica')")
    await expect.poll(() => sql(spec, 'web-03', 'SELECT COUNT(*) FROM shop.t WHERE id = 4000000')).toBe('1')
    await end(spec, 'web-01')
    site('web-02')
    expect(run().status).toBe(1)
    expect(run('--allow-data-loss', 'web-01').status).toBe(4)
    expect(await writable(spec, 'web-02')).toBe(true)
    expect(await sql(spec, 'web-02', 'SELECT v FROM shop.t WHERE id = 4000000')).toBe('only on one replica')
    await sql(spec, 'web-02', "INSERT INTO shop.t VALUES (4000001, 'after')")
    await boot(spec, 'web-01')
    // It had no rows that the others lack, so it replicates again without a warning.
    expect(run()).toMatchObject({ status: 0, stderr: '' })
    expect(await Promise.all(HOSTS.map((host) => writable(spec, host)))).toEqual([false, true, false])
    await allHave()
  })

  it('stays read-only after a restart while another server is unreachable', async () => {
    await end(spec, 'web-03')
    await sql(spec, 'web-02', 'SHUTDOWN').catch(() => undefined)
    await sleep(1000)
    const { status, stderr } = run('--limit', 'web-01:web-02')
    expect(status).toBe(1)
    expect(stderr).toContain('web-02 not promoted while web-03 cannot be reached')
    await boot(spec, 'web-03')
    await expect.poll(() => writable(spec, 'web-02'), { timeout: 60_000, interval: 1000 }).toBe(true)
    await expect.poll(() => run().applied.length, { timeout: 60_000, interval: 2000 }).toBe(0)
  })

  it('is replaced by a fresh host with its name, killed in the middle, and gets all data before it accepts writes', async () => {
    const rows = await sql(spec, 'web-02', 'SELECT COUNT(*) FROM shop.t')
    await labReset(spec, ['web-02'])
    expect((await interruptRun(project, 'web-02 doing sending all data', 'SIGKILL').ended).by).toBe('SIGKILL')
    expect(run()).toMatchObject({ status: 0, stderr: '' })
    expect(run()).toMatchObject({ status: 0, applied: [] })
    expect(await sql(spec, 'web-02', 'SELECT COUNT(*) FROM shop.t')).toBe(rows)
    expect(await Promise.all(HOSTS.map((host) => writable(spec, host)))).toEqual([false, true, false])
  })

  it('forgets a server that is removed from the inventory', async () => {
    site('web-02', ['web-01', 'web-02'])
    expect(run()).toMatchObject({ status: 0, stderr: '' })
    expect(await sql(spec, 'web-02', "SELECT User FROM mysql.global_priv WHERE User LIKE 'provision-replica-%'")).toBe(
      'provision-replica-web-01\nprovision-replica-web-02',
    )
    expect(await sql(spec, 'web-02', "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER = 'provision-replica-web-03'")).toBe(
      '0',
    )
  })

  it('becomes a cluster only if the data of the replicas may be discarded', async () => {
    site('web-02')
    expect(run()).toMatchObject({ status: 0, stderr: '' })
    const rows = await sql(spec, 'web-02', 'SELECT COUNT(*) FROM shop.t')
    const asCluster = (more: string): void => {
      const inventory = readFileSync(join(project.root, 'inventory/site.yaml'), 'utf8')
      project.write('inventory/site.yaml', inventory.replace('topology: replica', 'topology: cluster').replace('primary: web-02', more))
    }
    asCluster('semi_sync: true')
    const refused = run()
    expect(refused).toMatchObject({ status: 1, applied: [] })
    expect(refused.stderr).toContain('web-02 not removed from the topology replica while web-01 replicates from web-02')
    expect(await Promise.all(HOSTS.map((host) => writable(spec, host)))).toEqual([false, true, false])
    site('web-02')
    asCluster('discard_data_of: [web-01, web-03]')
    expect(run()).toMatchObject({ status: 0, stderr: '' })
    expect(run()).toMatchObject({ status: 0, applied: [] })
    await waitForCluster(spec, HOSTS, 3)
    for (const host of HOSTS) {
      expect(await sql(spec, host, 'SELECT COUNT(*) FROM shop.t')).toBe(rows)
      expect(await sql(spec, host, "SHOW SLAVE STATUS; SELECT User FROM mysql.global_priv WHERE User LIKE 'provision-replica-%'")).toBe('')
    }
  })

  it('sends no row and no password in plain text', async () => {
    await wire?.end()
    for (const text of [PASSWORD, 'a readable row', 'INSERT INTO', 'provision-replica'])
      expect(`${text}: ${wire?.linesWith(text)}`).toBe(`${text}: 0`)
    // It does hold what goes over the ports of the database.
    expect(wire?.packetsOf('port 3306 or port 4444')).toBeGreaterThan(1000)
  })
})
