import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { generateIdentity, recipientOf } from '../../src/keystore/age.ts'
import { sql, waitForCluster } from '../e2e/support/database/database.ts'
import { down, up } from '../e2e/support/lab.ts'
import type { Receiver } from '../e2e/support/services/receiver.ts'
import { SERVERS, watchedSite } from './support/alerts-site.ts'

// The reference site with a real cluster in it, with default options: alerts about a failing database.
const SUBNET = '10.79.63'
const site = watchedSite('t-watched', SUBNET, 5993, await recipientOf(await generateIdentity()))
const { project, spec, on } = site
let hook: Receiver

beforeAll(async () => {
  // Short enough for a test.
  site.configure(0.02)
  await up(spec)
  hook = await site.listen()
  const run = await project.provisionBeside('run')
  expect(run).toMatchObject({ status: 0, stderr: '' })
  await waitForCluster(spec, SERVERS, 3)
  await sql(
    spec,
    'web-01',
    "CREATE TABLE shop.t (id INT PRIMARY KEY, v TEXT); INSERT INTO shop.t SELECT seq, CONCAT('row ', seq) FROM mysql.seq_1_to_5000",
  )
})
afterAll(async () => {
  hook?.close()
  await down(spec)
  project.remove()
})

// The kernel counts processes killed for lack of memory for the whole machine; in a lab they may belong to another host.
const fired = (since: number): readonly string[] =>
  hook.told
    .filter(({ at, status, labels }) => at >= since && status === 'firing' && labels.unit !== 'some process' && labels.severity !== 'none')
    .map(({ labels }) => [labels.alertname, labels.host].join(' ').trim())

/** Causes a fault, expects exactly these alerts, repairs it, and expects their end. Returns the messages. */
const told = async (
  alerts: readonly string[],
  follows: number,
  make: () => Promise<unknown>,
  mend: () => Promise<unknown>,
): Promise<readonly string[]> => {
  const heard = (status: 'firing' | 'resolved', since: number, from: number) =>
    Promise.all(
      alerts.map(async (alert) => {
        const [name = '', host] = alert.split(' ')
        const one = await hook.await(since, status, name, host, 150)
        process.stdout.write(`${alert}: ${status} after ${((one.at - from) / 1000).toFixed(1)} s\n`)
        return one.annotations.summary ?? ''
      }),
    )
  await site.calm()
  const begun = Date.now()
  let mending = 0
  const mended = async (): Promise<void> => {
    mending = Date.now()
    await mend()
  }
  try {
    await make()
    const messages = await heard('firing', begun, Date.now())
    await sleep(Math.max(0, begun + follows * 1000 - Date.now()))
    expect([...new Set(fired(begun))].sort()).toEqual([...alerts].sort())
    await mended()
    await heard('resolved', mending, Date.now())
    return messages
  } finally {
    if (mending === 0) await mended()
  }
}

const BACKUP = 'provision-database-backup'
const WORK = `/var/lib/${BACKUP}/work`
/** Runs a backup. Returns its output, and whether it succeeded. */
const backup = async (meanwhile = ''): Promise<string> =>
  on(
    'web-02',
    `since=$(date '+%Y-%m-%d %H:%M:%S'); systemctl start --no-block ${BACKUP}; ${meanwhile}
    while systemctl show -P ActiveState ${BACKUP} | grep -q activating; do sleep 0.2; done
    journalctl -q -u ${BACKUP} --since "$since" --no-pager -o cat; systemctl show -P Result ${BACKUP}`,
  )
const kept = () => on('lb-01', 'ls /var/lib/provision-database-store | wc -l')
const isDown = (host: string, unit: string) => on(host, `systemctl mask -q --runtime ${unit}; systemctl kill -s KILL ${unit}`)
const isUp = (host: string, unit: string) =>
  on(host, `systemctl unmask -q --runtime ${unit}; systemctl reset-failed ${unit}; systemctl start ${unit}`)

describe('backups', () => {
  it('that never ran raise an alert until the first backup', async () => {
    const none = await hook.await(0, 'firing', 'BackupMissing', 'web-02', 150)
    expect(none.annotations.summary).toBe('the database on web-02 has never had a good backup')
    const mended = Date.now()
    expect(await backup()).toMatch(/stored .*: 1 tables, restored and compared\n[\s\S]*\nsuccess\n$/)
    await hook.await(mended, 'resolved', 'BackupMissing', 'web-02', 60)
    site.configure(26)
    expect(await project.provisionBeside('run')).toMatchObject({ status: 0, stderr: '' })
    await site.calm()
    expect(fired(0)).toEqual(['BackupMissing web-02'])
  })

  it('that cannot be stored raise an alert', async () => {
    const make = async () => {
      await on('lb-01', 'systemctl stop provision-database-store')
      expect(await backup()).toMatch(
        /lb-01\.database\.provision\.internal did not store the backup: the connection failed[\s\S]*\nexit-code\n$/,
      )
    }
    const mend = async () => {
      await on('lb-01', 'systemctl start provision-database-store')
      expect(await backup()).toMatch(/\nsuccess\n$/)
    }
    expect(await told(['RestoreTestFailed web-02'], 75, make, mend)).toEqual([
      'the last backup of web-02 is unusable: it was not made, not kept, or differed when restored',
    ])
  })

  it('that are corrupted before storage raise an alert and are not stored', async () => {
    const wait = `until [ -e ${WORK}/test ]; do sleep 0.02; done`
    const make = async () => {
      const before = await kept()
      // One changed letter of one row, as by broken memory; then a changed file, as by a broken disk.
      const letter = `gunzip -c ${WORK}/dump.sql.gz | sed "s/'row 7'/'row 8'/" | gzip -1 >/root/worse; cat /root/worse >${WORK}/dump.sql.gz`
      expect(await backup(`${wait}; ${letter}`)).toMatch(
        /`?shop`?\.`?t[\s\S]*the restored tables differ from the databases\n[\s\S]*\nexit-code\n$/,
      )
      const piece = `printf xxxx | dd of=${WORK}/dump.sql.gz bs=1 seek=$(($(stat -c %s ${WORK}/dump.sql.gz) / 2)) conv=notrunc status=none`
      expect(await backup(`${wait}; ${piece}`)).toMatch(
        /(cannot be restored: ERROR .*|is damaged.*|differ from the databases)\n[\s\S]*\nexit-code\n$/,
      )
      expect(await kept()).toBe(before)
    }
    await told(['RestoreTestFailed web-02'], 75, make, async () => expect(await backup()).toMatch(/\nsuccess\n$/))
  })
})

describe('a cluster', () => {
  it('with one server killed and kept down', async () => {
    const messages = await told(
      ['MysqlDown web-01'],
      110,
      () => isDown('web-01', 'mariadb'),
      () => isUp('web-01', 'mariadb'),
    )
    expect(messages).toEqual(['the database on web-01 is down'])
    await waitForCluster(spec, SERVERS, 3)
  })

  it('whose members all run without connections to each other: there is no majority', async () => {
    const cut = `nft 'table inet cut { chain i { type filter hook input priority -300; tcp dport 4567 drop; tcp sport 4567 drop; }; chain o { type filter hook output priority -300; tcp dport 4567 drop; tcp sport 4567 drop; }; }'`
    const each = (command: string) => Promise.all(SERVERS.map((host) => on(host, command)))
    const messages = await told(
      ['GaleraNotReady web-01', 'GaleraNotReady web-02'],
      110,
      () => each(cut),
      () => each('nft delete table inet cut'),
    )
    expect(messages).toEqual(SERVERS.map((host) => `the database on ${host} has lost its cluster and refuses queries`))
    await waitForCluster(spec, SERVERS, 3)
  })

  it('with a lost arbitrator, and with stopped backups', async () => {
    const messages = await told(
      ['ArbitratorDown lb-01', 'BackupTimerStopped web-02'],
      110,
      () => Promise.all([on('lb-01', 'systemctl stop garb'), on('web-02', `systemctl stop ${BACKUP}.timer`)]),
      () => Promise.all([on('lb-01', 'systemctl start garb'), on('web-02', `systemctl start ${BACKUP}.timer`)]),
    )
    expect(messages).toEqual([
      'the database arbitrator on lb-01 is down: the cluster lacks its vote',
      'the database on web-02 is no longer backed up: its backup timer is stopped',
    ])
    await waitForCluster(spec, SERVERS, 3)
  })

  it('with one member fewer that is not known to be down', async () => {
    const messages = await told(
      ['GaleraDegraded'],
      100,
      () => isDown('lb-01', 'garb'),
      () => isUp('lb-01', 'garb'),
    )
    expect(messages).toEqual(['the database cluster has 2 of 3 members: it cannot lose another member'])
    await waitForCluster(spec, SERVERS, 3)
  })
})
