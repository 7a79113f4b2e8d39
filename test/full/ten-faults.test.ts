import { spawnSync } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { generateIdentity, recipientOf } from '../../src/keystore/age.ts'
import { waitForCluster } from '../e2e/support/database/database.ts'
import { down, up } from '../e2e/support/lab.ts'
import type { Receiver } from '../e2e/support/services/receiver.ts'
import { SERVERS, watchedSite } from './support/alerts-site.ts'
import { kindsOfReceivers } from './support/kinds-of-receivers.ts'

// A whole site with a database cluster. Things are stopped, broken, filled and removed by hand.
const SUBNET = '10.79.68'
const site = watchedSite('t-ten-faults', SUBNET, 5983, await recipientOf(await generateIdentity()))
const { project, spec, on } = site
const kinds = kindsOfReceivers(site, SUBNET, 5984)
const disk = join(project.root, 'disk.img')
let hook: Receiver
let loop = ''

beforeAll(async () => {
  const playbook = readFileSync(join(project.root, 'playbooks/site.yaml'), 'utf8')
  project.write(
    'playbooks/site.yaml',
    playbook.replace('- name: monitoring\n', '- hosts: web-01\n  roles: [mailbox]\n\n- name: monitoring\n'),
  )
  site.configure(26, kinds.entries)
  await up(spec)
  hook = await site.listen()
  await kinds.listen()
  expect(await project.provisionBeside('run')).toMatchObject({ status: 0, stderr: '' })
  await waitForCluster(spec, SERVERS, 3)
  spawnSync('sh', ['-c', `truncate -s 100M ${disk} && mkfs.ext4 -q -m 0 ${disk}`])
  loop = spawnSync('losetup', ['-f', '--show', disk], { encoding: 'utf8' }).stdout.trim()
  await on('lb-01', `mknod ${loop} b 7 ${loop.replace(/\D/g, '')}; mount ${loop} /mnt`)
}, 1_800_000)
afterAll(async () => {
  hook?.close()
  kinds.close()
  await down(spec)
  if (loop !== '') spawnSync('losetup', ['-d', loop])
  rmSync(disk, { force: true })
  project.remove()
})

interface Fault {
  readonly alert: string
  readonly host: string
  readonly summary: string
  readonly severity?: 'warning'
  readonly make: string
  /** Repair by hand, where a run does not repair it. */
  readonly mend?: string
}

const listener = "systemd-run -q --unit=stray perl -MIO::Socket -e 'IO::Socket::INET->new(LocalPort => 4444, Listen => 1) and sleep 3000'"

const FAULTS: readonly Fault[] = [
  { alert: 'NginxDown', host: 'web-02', summary: 'nginx on web-02 is down', make: 'systemctl stop nginx' },
  // A run waits until the balancer finds a changed web server healthy.
  {
    ...{ alert: 'HaproxyDown', host: 'lb-01', summary: 'HAProxy on lb-01 is down' },
    ...{ make: 'systemctl stop haproxy', mend: 'systemctl start haproxy' },
  },
  {
    ...{ alert: 'ArbitratorDown', host: 'lb-01', severity: 'warning', make: 'systemctl stop garb' },
    summary: 'the database arbitrator on lb-01 is down: the cluster lacks its vote',
  },
  {
    ...{ alert: 'BackupTimerStopped', host: 'web-02', make: 'systemctl stop provision-database-backup.timer' },
    summary: 'the database on web-02 is no longer backed up: its backup timer is stopped',
  },
  {
    ...{ alert: 'ManagedFileWrong', host: 'web-01', make: 'echo "# by hand" >>/etc/nginx/nginx.conf' },
    summary: '/etc/nginx/nginx.conf on web-01 is not as the last run left it: changed',
  },
  {
    ...{ alert: 'FirewallMissing', host: 'web-02', make: 'nft delete table inet provision' },
    summary: 'web-02 has no firewall: its nftables table is not loaded',
  },
  {
    ...{ alert: 'DiskFull', host: 'lb-01', make: 'head -c 90M /dev/zero >/mnt/full || true', mend: 'rm /mnt/full' },
    summary: '/mnt on lb-01 has only',
  },
  {
    ...{ alert: 'UnitFailed', host: 'web-01', severity: 'warning', summary: 'broken.service failed on web-01' },
    ...{ make: 'systemd-run -q --unit=broken false', mend: 'systemctl reset-failed broken' },
  },
  {
    ...{ alert: 'UnknownPort', host: 'lb-01', make: listener, mend: 'systemctl stop stray' },
    summary: 'perl listens on 4444/tcp of lb-01, which no role declares',
  },
  {
    ...{ alert: 'UnknownAccount', host: 'web-01', make: 'useradd --create-home --shell /bin/bash eve' },
    ...{ mend: 'userdel --remove eve 2>/dev/null || :', summary: 'account eve (shell) on web-01 is not declared by any role' },
  },
]

const alertsOf = (status: 'firing' | 'resolved', since: number) =>
  hook.told.filter(
    (one) => one.at >= since && one.status === status && one.labels.unit !== 'some process' && one.labels.severity !== 'none',
  )

describe('ten things of a whole site that fail', () => {
  let summaries: readonly string[] = []
  let since = 0

  it('each raise one alert, which names the cause, once at each kind of receiver', async () => {
    await site.calm()
    since = Date.now()
    await Promise.all(FAULTS.map(({ host, make }) => on(host, make)))
    const told = await Promise.all(FAULTS.map(({ alert, host }) => hook.await(since, 'firing', alert, host, 180)))
    for (const { labels, at } of told) process.stdout.write(`${labels.alertname} ${labels.host}: ${((at - since) / 1000).toFixed(0)} s\n`)
    summaries = told.map(({ annotations }) => annotations.summary ?? '')
    summaries.forEach((summary, i) => {
      expect(summary.startsWith(FAULTS[i]?.summary ?? '?')).toBe(true)
    })
    // Alerts about consequences would have fired by now.
    await sleep(Math.max(0, since + 150_000 - Date.now()))
    const names = FAULTS.map(({ alert, host }) => `${alert} ${host}`).sort()
    expect(
      alertsOf('firing', since)
        .map(({ labels }) => `${labels.alertname} ${labels.host}`)
        .sort(),
    ).toEqual(names)
    for (const [i, summary] of summaries.entries()) {
      const title = `${FAULTS[i]?.severity === 'warning' ? 'WARNING' : 'CRITICAL'}: ${summary}`
      expect([title, await kinds.count(title)]).toEqual([title, { ...kinds.once, opsgenie: 1 }])
    }
  })

  it('are ten problems on the dashboard, without their effects', () => {
    expect(site.page()).toMatch(/<h1 id="heading"><span class="bad">10 problems<\/span><\/h1>/)
    const firing = site.query('ALERTS{alertstate="firing",severity!="none",unit!="some process"}')
    process.stdout.write(
      `firing: ${firing
        .map(({ labels }) => `${labels.alertname} ${labels.host}`)
        .sort()
        .join(', ')}\n`,
    )
    expect(firing.length).toBeGreaterThan(10)
  })

  it('are over when they are repaired, once at each kind of receiver', async () => {
    const mended = Date.now()
    for (const { host, mend } of FAULTS) if (mend !== undefined) await on(host, mend)
    const { status, stdout, stderr } = await project.provisionBeside('run')
    if (status !== 0) process.stdout.write(stdout)
    expect({ status, stderr }).toMatchObject({ status: 0, stderr: '' })
    await Promise.all(FAULTS.map(({ alert, host }) => hook.await(mended, 'resolved', alert, host, 240)))
    await site.calm()
    await sleep(30_000)
    expect(alertsOf('resolved', since)).toHaveLength(10)
    expect(alertsOf('firing', mended)).toEqual([])
    for (const summary of summaries) {
      const title = `RESOLVED: ${summary}`
      expect([title, await kinds.count(title)]).toEqual([title, kinds.once])
    }
    expect(site.page()).not.toContain('class="bad"')
  })
})
