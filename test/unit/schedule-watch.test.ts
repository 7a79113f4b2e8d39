import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { accountInstructions } from '../../src/cli/schedule/instructions.ts'
import { writingScript } from '../../src/cli/schedule/watcher.ts'
import { METRICS } from '../../src/role/metrics.ts'
import { type Drift, driftOf, lasting, metricsOf } from '../../src/schedule/drift.ts'
import { missingAccount } from '../../src/schedule/renewal.ts'
import { serviceText, timerText } from '../../src/schedule/units.ts'
import { dueAfter, INTERVALS, patternOf, WATCH_ACCOUNT, watchArguments, watchPurpose } from '../../src/schedule/watch.ts'
import { Secret } from '../../src/secret/secret.ts'

const job = {
  name: 'provision-watch-site-1a2b3c',
  root: '/srv/site',
  command: ['/usr/bin/node', '/opt/provision.js', ...watchArguments(['playbooks/a.yaml'], 'inventory/live.yaml', 8)],
  environment: { HOME: '/root' },
  environmentFile: '/k/environment',
}
const system = { isForAll: true, isAlone: true }
const unitOf = (purpose: ReturnType<typeof watchPurpose>) => serviceText({ ...job, purpose }).split('\n')

describe('the watch', () => {
  it('compares with the same inventory and playbooks, and starts every few hours at a random time', () => {
    expect(unitOf(watchPurpose(8, system))).toContain(
      'ExecStart=/usr/bin/node /opt/provision.js schedule watch playbooks/a.yaml --inventory inventory/live.yaml --every 8',
    )
    expect(timerText({ ...job, purpose: watchPurpose(8, system) }).split('\n')).toEqual(
      expect.arrayContaining(['OnCalendar=*-*-* 00,08,16:00:00', 'RandomizedDelaySec=60min', 'Persistent=true']),
    )
    expect(watchPurpose(24, system).times[0]).toBe('OnCalendar=*-*-* 00:00:00')
    expect(watchPurpose(1, system).times[1]).toBe('RandomizedDelaySec=15min')
    expect(INTERVALS.map(Number).every((hours) => 24 % hours === 0)).toBe(true)
  })

  it('is overdue only after three intervals', () => expect(dueAfter(6)).toBe(19 * 3600))

  it('has one capability and reads only, but not in the manager of a user, nor for a playbook with this machine', () => {
    expect(unitOf(watchPurpose(6, system))).toEqual(
      expect.arrayContaining([
        'CapabilityBoundingSet=CAP_DAC_READ_SEARCH',
        'ProtectSystem=strict',
        'ProtectHome=read-only',
        'NoNewPrivileges=yes',
      ]),
    )
    const asUser = unitOf(watchPurpose(6, { isForAll: false, isAlone: true }))
    expect(asUser).toContain('NoNewPrivileges=yes')
    expect(asUser.join()).not.toMatch(/Protect|Capability/)
    expect(watchPurpose(6, { isForAll: true, isAlone: false }).limits).toEqual([])
  })

  it('needs its account on all its hosts', () => {
    const hosts = new Map([
      ['lb-01', {}],
      ['web-01', {}],
    ])
    const site = (...names: readonly string[]) => ({ hosts: new Map(names.map((name) => [name, {} as never])), groups: new Map() })
    expect(patternOf(['lb-01', 'web-01'], site('lb-01', 'web-01'))).toBe('all')
    expect(patternOf(['web-01'], site('lb-01', 'web-01'))).toBe('web-01')
    const missing = missingAccount({ pattern: 'all', hosts }, 'ssh-ed25519 AAAA', WATCH_ACCOUNT)
    expect(accountInstructions(missing, { pattern: 'all', account: WATCH_ACCOUNT })).toBe(`
To create its account, add these lines to the inventory, then run
provision run --role base

vars:
  base:
    more_administrators:
      - {"name":"provision-watch","keys":["ssh-ed25519 AAAA"]}
`)
  })
})

const pending = (key: string, more: object = {}, bookkeeping?: true) => {
  const [name = '', id = ''] = key.split(':')
  return { resource: { kind: { name, bookkeeping }, id }, change: { action: 'update', ...more } } as never
}

describe('the differences', () => {
  it('are the changes of a dry run, without records and without renewals that can wait', () => {
    const hosts = new Map([
      [
        'web-01',
        {
          pending: [
            pending('file:/etc/motd'),
            pending('certificate:/etc/a.pem', { deferrableUntil: new Date() }),
            pending('certificate:/etc/b.pem'),
            pending('owned:x', {}, true),
          ],
        },
      ],
      ['web-02', { pending: [] }],
    ])
    expect(driftOf({ hosts, prepared: { targets: ['web-01', 'web-02', 'web-03'] } })).toEqual(
      new Map([
        [
          'web-01',
          new Map([
            ['file:/etc/motd', 'update'],
            ['certificate:/etc/b.pem', 'update'],
          ]),
        ],
        ['web-02', new Map()],
        ['web-03', undefined],
      ]),
    )
  })

  it('are those that a second comparison finds too', () => {
    const drift = (...resources: readonly string[]): Drift =>
      new Map([['web-01', new Map(resources.map((one) => [one, 'update'] as const))]])
    expect(lasting(drift('a:1', 'b:2'), drift('b:2', 'c:3'))).toEqual(drift('b:2'))
    expect(lasting(drift('a:1'), new Map([['web-01', undefined]]))).toEqual(new Map([['web-01', undefined]]))
  })
})

describe('the metrics', () => {
  const times = { done: 1000, due: 2000 }
  const lines = (drift: Drift, watch = 'w') =>
    metricsOf(watch, drift, times)
      .split('\n')
      .filter((line) => !line.startsWith('#'))

  it('have the time, the number of differences of each host, and their names', () => {
    const drift: Drift = new Map([
      ['web-01', new Map([['file:/etc/motd', 'update']] as const)],
      ['web-02', new Map()],
      ['web-03', undefined],
    ])
    expect(lines(drift)).toEqual([
      'provision_watch_done_seconds{watch="w"} 1000',
      'provision_watch_due_seconds{watch="w"} 2000',
      'provision_watch_differences{watch="w",at="web-01"} 1',
      'provision_watch_differences{watch="w",at="web-02"} 0',
      'provision_watch_unobserved{watch="w",at="web-03"} 1',
      'provision_watch_difference{watch="w",at="web-01",resource="file:/etc/motd",action="update"} 1',
      '',
    ])
  })

  it('are limited in number', () => {
    const many = new Map(Array.from({ length: 50 }, (_, i) => [`file:/${i}`, 'update'] as const))
    const one = lines(new Map([['web-01', many]]))
    expect(one).toContain('provision_watch_differences{watch="w",at="web-01"} 50')
    expect(one.filter((line) => line.includes('_difference{'))).toHaveLength(8)
    const fleet = lines(new Map(Array.from({ length: 200 }, (_, i) => [`web-${i}`, many])))
    expect(fleet.filter((line) => line.includes('_difference{'))).toHaveLength(400)
    expect(fleet.filter((line) => line.includes('_differences{'))).toHaveLength(200)
  })

  it('show no secret, and a hostile name stays one short label', () => {
    const secret = new Secret('a-poison-word-of-the-watch')
    const evil = (name: string) =>
      lines(new Map([['web-01', new Map([[name, 'update']] as const)]])).find((line) => line.includes('_difference{'))
    expect(evil(`file:/${secret.reveal()}`)).toBe(
      'provision_watch_difference{watch="w",at="web-01",resource="file:/•••",action="update"} 1',
    )
    expect(evil('a"} 1\nup{host="x"} 0\\')).toBe(
      'provision_watch_difference{watch="w",at="web-01",resource="a\\"} 1⏎up{host=\\"x\\"} 0\\\\",action="update"} 1',
    )
    expect(evil(`\u0000\r\u2028\u202e${'é'.repeat(500)}`)?.match(/é/g)).toHaveLength(116)
    expect(evil(`\u0000\r\u2028\u202ex`)).toContain('resource="␀␍��x"')
    // Two long names with the same beginning are one series: the collector refuses a file with duplicates.
    const same = (end: string) => [`${'x'.repeat(300)}${end}`, 'update'] as const
    expect(lines(new Map([['web-01', new Map([same('a'), same('b')])]])).filter((line) => line.includes('_difference{'))).toHaveLength(1)
  })
})

describe('the script that writes them', () => {
  const sandbox = () => {
    const root = mkdtempSync(join(tmpdir(), 'provision-t-watch-'))
    onTestFinished(() => rmSync(root, { recursive: true }))
    const metrics = join(root, 'metrics')
    const run = (input: string) =>
      spawnSync('sh', ['-c', writingScript('provision-watch-a').replaceAll(METRICS, metrics)], { input, encoding: 'utf8' })
    return { metrics, run }
  }

  it('replaces the file as a whole, readable for the collector', () => {
    const { metrics, run } = sandbox()
    mkdirSync(metrics)
    for (const text of ['a 1\n', 'b 2\n']) expect(run(text)).toMatchObject({ status: 0, stderr: '' })
    expect(readdirSync(join(metrics, 'watch'))).toEqual(['provision-watch-a.prom'])
    const file = join(metrics, 'watch/provision-watch-a.prom')
    expect(readFileSync(file, 'utf8')).toBe('b 2\n')
    expect(statSync(file).mode & 0o777).toBe(0o644)
  })

  it('fails on a host without the role monitoring', () => {
    const { metrics, run } = sandbox()
    expect(run('a 1\n')).toMatchObject({ status: 1, stderr: 'the role monitoring has not been applied here\n' })
    writeFileSync(metrics, '')
    expect(run('a 1\n').status).toBe(1)
  })
})
