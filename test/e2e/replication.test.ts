import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { boot, end, labDown, labReset } from '../../src/lab/index.ts'
import { lost, sql, startWriter, stopWriter } from './support/database/database.ts'
import { replicaLab, watchWriters, writable, writeReplicaSite } from './support/database/replicas.ts'
import { inside, interruptRun } from './support/interrupt.ts'
import { changes, referenceProject } from './support/project.ts'
import { OWNED_UNITS, ownedIn, undocumented } from './support/unit-exposure.ts'

const SUBNET = '10.79.52'
const HOSTS = ['web-01', 'web-02']
const PASSWORD = 'a long poison word'
const project = referenceProject('t-replica', SUBNET)
const spec = replicaLab(project, SUBNET, HOSTS)
project.env.SHOP_PASSWORD = PASSWORD

const site = (primary: string): void => writeReplicaSite(project, SUBNET, { hosts: HOSTS, primary })
const run = (...words: readonly string[]) => {
  const { status, lines, stderr } = project.json('run', ...words)
  const notes = lines.flatMap((line) => (line.type === 'note' ? [String((line as { what?: string }).what)] : []))
  const warnings = lines.flatMap((line) => (line.type === 'warning' ? [String((line as { what?: string }).what)] : []))
  return { status, stderr, applied: changes(lines, 'applied'), notes, warnings }
}
const planned = () => changes(project.json('run', '--dry-run').lines, 'planned')
const warned = (...words: readonly string[]): string =>
  project
    .json('run', '--dry-run', ...words)
    .lines.map((line) => (line.type === 'warning' ? String((line as { what?: string }).what) : ''))
    .join('\n')

beforeAll(async () => {
  site('web-01')
  await labReset(spec)
})
afterAll(async () => {
  await labDown(spec)
  project.remove()
})

describe('a primary and its replica', () => {
  it('come up as predicted, pass verify, and a second run finds nothing to do', async () => {
    const predicted = planned()
    expect(predicted).toEqual(expect.arrayContaining(['web-01 update replication:database', 'web-02 update replication:database']))
    expect(predicted.filter((line) => line.includes('database:shop'))).toEqual([expect.stringMatching(/^web-01 /)])
    expect(run()).toMatchObject({ status: 0, stderr: '', applied: predicted })
    expect(run()).toMatchObject({ status: 0, applied: [] })
    const { status, stdout, stderr } = project.provision('verify')
    expect(`${status} ${stdout}${stderr}`).toMatch(/^0 /)
    expect(await Promise.all(HOSTS.map((host) => writable(spec, host)))).toEqual([true, false])
  })

  it('sandbox the unit that makes the primary writable, as the README documents', async () => {
    const owned = ownedIn(await inside(spec, 'web-01', OWNED_UNITS))
    expect(owned.map(({ unit }) => unit)).toContain('provision-database-primary.service')
    expect(undocumented(owned)).toEqual([])
  })

  it('switch over under a writer: no row is lost, and writes stop for less than five seconds', async () => {
    await sql(
      spec,
      'web-01',
      'CREATE TABLE shop.t (id INT PRIMARY KEY, v TEXT); INSERT INTO shop.t SELECT -seq, REPEAT("x", 200) FROM shop.seq_1_to_100000',
    )
    await startWriter(spec, 'web-02', PASSWORD, 0)
    await sleep(2000)
    site('web-02')
    const predicted = planned()
    expect(predicted).toEqual(['web-01 update replication:database', 'web-02 update replication:database'])
    const watched = watchWriters(spec, HOSTS)
    const { status, applied, notes } = run()
    expect({ status, applied: applied.toSorted() }).toEqual({ status: 0, applied: predicted })
    expect(await watched.ended()).toBe(1)
    expect(notes.join('\n')).toMatch(/web-02 promoted to primary; writes were unavailable for [0-4]\.\d s/)
    await sleep(3000)
    const { acked, gap } = await stopWriter(spec, 'web-02')
    process.stdout.write(`switched over: no write for ${gap.toFixed(1)} s, ${acked.length} rows\n`)
    expect(gap).toBeLessThan(5)
    for (const host of HOSTS) expect(await lost(spec, host, acked)).toEqual([])
    expect(run()).toMatchObject({ status: 0, applied: [] })
  })

  it.each(['web-01 doing stopping replication', 'web-02 doing starting replication from web-01'])(
    'are primary and replica again after a kill of the controller at: %s',
    async (moment) => {
      site('web-01')
      const watched = watchWriters(spec, HOSTS)
      expect((await interruptRun(project, moment, 'SIGKILL').ended).by).toBe('SIGKILL')
      expect(run()).toMatchObject({ status: 0, stderr: '' })
      expect(await watched.ended()).toBe(1)
      expect(await Promise.all(HOSTS.map((host) => writable(spec, host)))).toEqual([true, false])
      expect(run()).toMatchObject({ status: 0, applied: [] })
      site('web-02')
      expect(run()).toMatchObject({ status: 0, stderr: '' })
    },
  )

  it('becomes writable again after a power cut of the primary, unless another server took over', async () => {
    await end(spec, 'web-02')
    await boot(spec, 'web-02')
    await expect.poll(() => writable(spec, 'web-02'), { timeout: 20_000 }).toBe(true)
    // Its replica reconnects within five seconds, and then there is nothing to do.
    await expect.poll(() => planned(), { timeout: 30_000, interval: 1000 }).toEqual([])
  })
})

describe('a lost primary', () => {
  it('is replaced only with --allow-data-loss, and no acknowledged row is lost', async () => {
    await startWriter(spec, 'web-01', PASSWORD, 1_000_000)
    await sleep(2000)
    await end(spec, 'web-02')
    site('web-01')
    expect(warned()).toContain('web-01 will not be promoted while web-02 cannot be reached')
    expect(warned('--allow-data-loss', 'web-02')).toContain('web-01 will be promoted without the rows that only web-02 has')
    const refused = run()
    expect(refused.status).toBe(1)
    expect(refused.stderr).toContain('web-01 not promoted while web-02 cannot be reached')
    expect(refused.stderr).toContain('provision run --allow-data-loss web-02')
    expect(await writable(spec, 'web-01')).toBe(false)
    const { status, warnings } = run('--allow-data-loss', 'web-02')
    expect(status).toBe(4)
    expect(warnings.join('\n')).toMatch(/web-01 promoted to primary from transaction \d+-\d+-\d+ on; rows that only web-02 has are lost/)
    await sleep(3000)
    const { acked } = await stopWriter(spec, 'web-01')
    expect(acked.length).toBeGreaterThan(20)
    expect(await lost(spec, 'web-01', acked)).toEqual([])
  })

  it('stays read-only after its return, and the run reports the reason; its data is replaced only with --allow-data-loss', async () => {
    // A row that was never acknowledged and exists on no other server.
    await boot(spec, 'web-02')
    await expect.poll(() => sql(spec, 'web-02', 'SELECT 1').catch(() => ''), { timeout: 20_000 }).toBe('1')
    await sql(spec, 'web-02', 'INSERT INTO shop.t VALUES (2000000, "only here")')
    await sleep(3000)
    expect(await writable(spec, 'web-02')).toBe(false)
    const refused = run()
    expect(refused.status).toBe(1)
    expect(refused.stderr).toContain('web-02 not replicating from web-01')
    expect(refused.stderr).toContain('provision run --allow-data-loss web-02')
    expect(await sql(spec, 'web-02', 'SELECT v FROM shop.t WHERE id = 2000000')).toBe('only here')
  })

  it('gets the data again with --allow-data-loss, and follows the primary', async () => {
    expect(run('--allow-data-loss', 'web-02')).toMatchObject({ status: 0, stderr: '', applied: ['web-02 update replication:database'] })
    expect(run()).toMatchObject({ status: 0, applied: [] })
    expect(await sql(spec, 'web-02', 'SELECT COUNT(*) FROM shop.t WHERE id = 2000000')).toBe('0')
    const { status, stdout, stderr } = project.provision('verify')
    expect(`${status} ${stdout}${stderr}`).toMatch(/^0 /)
    expect(warned('--allow-data-loss', 'web-02')).toContain('--allow-data-loss web-02 has no effect')
  })
})

describe('a replica', () => {
  it('with rows of its own is reported with its error, and loses nothing', async () => {
    await writeByHand('at first')
    const { status, stderr } = run()
    expect(status).toBe(1)
    expect(stderr).toMatch(/web-02 not replicating from web-01[\s\S]*GTID/)
    expect(project.provision('verify').status).toBe(1)
    expect(await sql(spec, 'web-02', 'SELECT v FROM shop.t WHERE id = 3000000')).toBe('by hand')
  })

  it.each(['doing deleting old data', 'doing receiving the data'])(
    'gets all data of the primary after a kill of the controller at: %s',
    async (moment) => {
      await writeByHand(moment)
      expect((await interruptRun(project, `web-02 ${moment}`, 'SIGKILL', ['web-02']).ended).by).toBe('SIGKILL')
      // The option is needed again until data was replaced; afterwards the copy starts again without it.
      const words = moment === 'doing deleting old data' ? ['--allow-data-loss', 'web-02'] : []
      expect(run(...words)).toMatchObject({ status: 0, stderr: '' })
      const counted = 'SELECT COUNT(*), SUM(id) FROM shop.t'
      await expect.poll(() => sql(spec, 'web-02', counted), { timeout: 10_000 }).toBe(await sql(spec, 'web-01', counted))
      expect(await sql(spec, 'web-02', 'SELECT v FROM shop.t WHERE id = 3000000')).toBe(moment)
    },
  )
})

/** A row that only the replica has, and that conflicts with one of the primary. */
const writeByHand = async (words: string): Promise<void> => {
  await sql(spec, 'web-02', "REPLACE INTO shop.t VALUES (3000000, 'by hand')")
  await sql(spec, 'web-01', `REPLACE INTO shop.t VALUES (3000000, '${words}')`)
  await expect.poll(() => planned(), { timeout: 10_000 }).toEqual(['web-02 update replication:database'])
}
