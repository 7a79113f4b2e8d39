import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import monitoring from '../../../../roles/monitoring/role.ts'
import { bytesOf } from '../../../../src/resource/kind/content.ts'
import type { Facts } from '../../../../src/role/role.ts'
import { contentOf, declared, faultPaths, LB, parsed } from './context.ts'

const CONFIG = 'file:/etc/prometheus/alertmanager.yml'
const hook = { name: 'hook', type: 'webhook', url: 'http://x.test/' }
const phone = { name: 'phone', type: 'webhook', url: 'http://x.test/', severities: ['critical'] }
const configOf = (options: object, facts: Partial<Facts> = {}) =>
  parsed(declared(LB, { receivers: [hook, phone], ...options }, { facts }), CONFIG)
const routesOf = (options: object) => configOf(options).route.routes.slice(3)

describe('a silence', () => {
  it('keeps alerts from receivers, by rule and host', () => {
    const silence = [
      { rule: 'RebootNeeded', why: 'x' },
      { rule: 'DiskFull', hosts: ['web', 'lb-01'], why: 'x' },
      { rule: 'SiteDown', hosts: ['elsewhere'], why: 'x' },
    ]
    expect(routesOf({ silence }).slice(0, 3)).toEqual([
      { receiver: 'nobody', matchers: ['alertname="RebootNeeded"'] },
      { receiver: 'nobody', matchers: ['alertname="DiskFull"', 'host=~"web-01|web-02|lb-01"'] },
      { receiver: 'nobody', matchers: ['alertname="SiteDown"', 'host=~"elsewhere"'] },
    ])
    expect(configOf({ silence }).mute_time_intervals).toBeUndefined()
  })

  it('ends after its last day', () => {
    const silence = [{ rule: 'DiskFull', until: '2027-03-15', why: 'x' }]
    const muted = { continue: true, mute_time_intervals: ['until-2027-03-15'] }
    expect(routesOf({ silence })[0]).toEqual({
      ...{ receiver: 'nobody', matchers: ['alertname="DiskFull"'] },
      routes: [
        { receiver: 'hook', matchers: ['severity=~"critical|warning"'], ...muted },
        { receiver: 'phone', matchers: ['severity=~"critical"'], ...muted },
      ],
    })
    const days = (until: string) => configOf({ silence: [{ rule: 'DiskFull', until, why: 'x' }] }).mute_time_intervals
    const last = { years: ['2027'], months: ['3'], days_of_month: ['1:15'] }
    expect(days('2027-03-15')).toEqual([
      { name: 'until-2027-03-15', time_intervals: [{ years: ['1970:2026'] }, { years: ['2027'], months: ['1:2'] }, last] },
    ])
    expect(days('2027-01-01')).toEqual([
      { name: 'until-2027-01-01', time_intervals: [{ years: ['1970:2026'] }, { years: ['2027'], months: ['1'], days_of_month: ['1:1'] }] },
    ])
  })

  it('of a longer time comes first', () => {
    const silence = ['2027-01-01', undefined, '2028-01-01'].map((until) => ({ rule: 'DiskFull', why: 'x', ...(until && { until }) }))
    const found = routesOf({ silence }).slice(0, 3)
    expect(found.map((one: { routes?: { mute_time_intervals: string[] }[] }) => one.routes?.[0]?.mute_time_intervals[0])).toEqual([
      ...[undefined, 'until-2028-01-01', 'until-2027-01-01'],
    ])
  })

  it.each([
    ['an unknown rule', { rule: 'DiskFul', why: 'x' }, 'silence.0.rule'],
    ['the alert of the heartbeat', { rule: 'Watchdog', why: 'x' }, 'silence.0.rule'],
    ['an unknown host', { rule: 'DiskFull', hosts: ['web-01', 'web-03'], why: 'x' }, 'silence.0.hosts.1'],
    ['a group without hosts', { rule: 'DiskFull', hosts: ['cache'], why: 'x' }, 'silence.0.hosts.0'],
  ])('is refused with %s', (_, silence, path) => expect(faultPaths({ silence: [silence] })).toEqual([path]))

  it.each([
    ['without a reason', { rule: 'DiskFull' }],
    ['of no host', { rule: 'DiskFull', hosts: [], why: 'x' }],
    ['until a day that does not exist', { rule: 'DiskFull', until: '2027-02-30', why: 'x' }],
  ])('is refused %s', (_, silence) => expect(monitoring.options.safeParse({ silence: [silence] }).success).toBe(false))

  it('may name a rule of the options, and all hosts', () => {
    const rules = [{ name: 'Mine', expr: 'x > 1', summary: 'x' }]
    const options = { rules, silence: [{ rule: 'Mine', hosts: ['all'], why: 'x' }] }
    expect(faultPaths(options)).toEqual([])
    expect(routesOf(options)[0].matchers[1]).toBe('host=~"lb-01|web-01|web-02"')
  })
})

describe('quiet hours', () => {
  const timesOf = (...quiet_hours: readonly object[]) => configOf({ quiet_hours }).mute_time_intervals[0].time_intervals

  it('hold back everything but critical alerts', () => {
    const quiet_hours = [{ from: '12:00', to: '13:00' }]
    expect(routesOf({ quiet_hours })).toEqual([
      { receiver: 'hook', matchers: ['severity="critical"'], continue: true },
      { receiver: 'hook', matchers: ['severity="warning"'], continue: true, mute_time_intervals: ['quiet-hours'] },
      { receiver: 'phone', matchers: ['severity="critical"'], continue: true },
    ])
    expect(configOf({ quiet_hours }).mute_time_intervals).toEqual([
      { name: 'quiet-hours', time_intervals: [{ times: [{ start_time: '12:00', end_time: '13:00' }] }] },
    ])
    const silence = [{ rule: 'DiskFull', until: '2027-03-15', why: 'x' }]
    expect(routesOf({ quiet_hours, silence })[0].routes[1].mute_time_intervals).toEqual(['until-2027-03-15', 'quiet-hours'])
  })

  it('end on the next day if they end before they begin', () => {
    const times = (start_time: string, end_time: string) => ({ times: [{ start_time, end_time }] })
    expect(timesOf({ from: '22:00', to: '07:00' })).toEqual([times('22:00', '24:00'), times('00:00', '07:00')])
    expect(timesOf({ from: '22:00', to: '00:00' })).toEqual([times('22:00', '24:00')])
    expect(timesOf({ from: '22:00', to: '06:30', days: ['fri', 'sun'], time_zone: 'Europe/Berlin' })).toEqual([
      { ...times('22:00', '24:00'), weekdays: ['friday', 'sunday'], location: 'Europe/Berlin' },
      { ...times('00:00', '06:30'), weekdays: ['saturday', 'monday'], location: 'Europe/Berlin' },
    ])
    expect(timesOf({ from: '00:00', to: '24:00', days: ['sat'] })).toEqual([{ ...times('00:00', '24:00'), weekdays: ['saturday'] }])
  })

  it('have a time zone only where Alertmanager supports zones', () => {
    const old = { distribution: 'ubuntu', release: '22.04' } as const
    const berlin = { quiet_hours: [{ from: '22:00', to: '07:00', time_zone: 'Europe/Berlin' }] }
    expect(() => configOf(berlin, old)).toThrow('quiet_hours: Alertmanager of ubuntu 22.04 does not support time zones')
    expect(() => configOf({ quiet_hours: [{ from: '22:00', to: '07:00' }] }, old)).not.toThrow()
  })

  it.each([
    ['without an end', { from: '22:00' }],
    ['of no length', { from: '22:00', to: '22:00' }],
    ['that begin at the end of a day', { from: '24:00', to: '07:00' }],
    ['at no time', { from: '25:00', to: '07:00' }],
    ['in no time zone', { from: '22:00', to: '07:00', time_zone: 'Europe/Berlim' }],
    ['on no day', { from: '22:00', to: '07:00', days: [] }],
    ['on an unknown day', { from: '22:00', to: '07:00', days: ['Monday'] }],
  ])('are refused %s', (_, hours) => expect(monitoring.options.safeParse({ quiet_hours: [hours] }).success).toBe(false))
})

const hasAlertmanager = spawnSync('prometheus-alertmanager', ['--version']).status === 0

describe.skipIf(!hasAlertmanager)('Alertmanager', () => {
  it('delivers what no silence and no quiet hour holds back', { timeout: 40_000 }, async () => {
    const arrived: string[] = []
    const server = createServer((request, response) => {
      let body = ''
      request.on('data', (bytes: Buffer) => (body += bytes.toString()))
      request.on('end', () => {
        const { alerts } = JSON.parse(body) as { alerts: { labels: Record<string, string> }[] }
        arrived.push(...alerts.map(({ labels }) => `${labels.alertname} ${labels.host}`))
        response.end()
      })
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const around = (hours: number, end: number) => new Date(Date.now() + hours * 3_600_000).toISOString().slice(end - 5, end)
    const day = (days: number) => new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10)
    const options = {
      receivers: [{ ...hook, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/` }],
      quiet_hours: [{ from: around(-1, 16), to: around(1, 16) }],
      silence: [
        { rule: 'RebootNeeded', why: 'x' },
        { rule: 'UnitFailed', hosts: ['web'], why: 'x' },
        { rule: 'DiskFull', until: day(-1), why: 'x' },
        { rule: 'MemoryLow', until: day(0), why: 'x' },
      ],
    }
    const directory = mkdtempSync(join(tmpdir(), 'provision-silences-'))
    writeFileSync(join(directory, 'config.yml'), bytesOf(contentOf(declared(LB, options), CONFIG)))
    const port = 20_000 + (process.pid % 10_000)
    const daemon = spawn('prometheus-alertmanager', [
      ...[`--config.file=${directory}/config.yml`, `--storage.path=${directory}/data`, `--web.listen-address=127.0.0.1:${port}`],
      '--cluster.listen-address=',
    ])
    try {
      const alert = (alertname: string, host: string, severity: string) => ({
        labels: { alertname, host, severity },
        annotations: { summary: 'x' },
      })
      const body = JSON.stringify([
        alert('RebootNeeded', 'web-01', 'critical'),
        ...['web-01', 'lb-01'].map((host) => alert('UnitFailed', host, 'critical')),
        alert('DiskFull', 'web-01', 'critical'),
        alert('MemoryLow', 'web-01', 'critical'),
        alert('ClockWrong', 'web-01', 'warning'),
      ])
      const send = () =>
        fetch(`http://127.0.0.1:${port}/api/v2/alerts`, { method: 'POST', headers: { 'content-type': 'application/json' }, body }).then(
          ({ status }) => status,
          () => 0,
        )
      await expect.poll(send, { timeout: 15_000 }).toBe(200)
      await expect.poll(() => arrived.toSorted(), { timeout: 15_000 }).toEqual(['DiskFull web-01', 'UnitFailed lb-01'])
      await sleep(1000)
      expect(arrived).toHaveLength(2)
    } finally {
      server.close()
      if (daemon.kill()) await once(daemon, 'exit')
      rmSync(directory, { recursive: true })
    }
  })
})
