import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { asText, bytesOf } from '../../../../src/resource/kind/content.ts'
import { type TimerOptions, timer } from '../../../../src/resource/system/timer.ts'

const OPTIONS: TimerOptions = {
  name: 'report',
  schedule: 'daily',
  command: ['/usr/bin/report', '--since', 'one $day ago', '100%', 'a"b\\c'],
}
const textsOf = (options: Partial<TimerOptions> = {}): readonly string[] =>
  timer({ ...OPTIONS, ...options }).flatMap(({ kind, spec }) => {
    const content = kind.content?.(spec)
    return content === undefined ? [] : [asText(bytesOf(content)) ?? '']
  })
const EVENTS = [
  'daily',
  'hourly',
  'Mon..Fri 08:00',
  'Sat,Sun *-*-* 03:30:00',
  '*-*-1 03:30',
  '*:0/15',
  'Mon *-*-1..7 09:00',
  '12-24',
  '03:30 Europe/Berlin',
  '*-*-* 4:00 UTC',
  'Fri',
]

describe('a timer', () => {
  it('is a service, a timer that starts it, and the state of the timer', () => {
    expect(timer(OPTIONS).map(({ kind, id }) => `${kind.name}:${id}`)).toEqual([
      'unit:report.service',
      'unit:report.timer',
      'service:report.timer',
    ])
    const [, start] = textsOf({ schedule: ['daily', 'Fri 18:00'], randomDelay: '10min', persistent: false, description: '100% sure' })
    expect(start).toBe(
      '[Unit]\nDescription=100%% sure\n\n[Timer]\nOnCalendar=daily\nOnCalendar=Fri 18:00\nPersistent=no\nRandomizedDelaySec=10min\n\n[Install]\nWantedBy=timers.target\n',
    )
    expect(textsOf()[1]).toContain('Persistent=yes\n')
  })

  it('runs its command without a shell, in a sandbox', () => {
    const lines = textsOf({ user: 'shop', environment: { A: 'b "c" %d' }, writes: ['/srv/a b'] })[0]?.split('\n') ?? []
    expect(lines.slice(0, 10)).toEqual([
      ...['[Unit]', 'Description=report, on a schedule', '', '[Service]', 'Type=oneshot', 'User=shop'],
      'ExecStart=/usr/bin/report --since "one $$day ago" "100%%" "a\\"b\\\\c"',
      ...['TimeoutStartSec=1h', 'Environment="A=b \\"c\\" %%d"', 'ReadWritePaths="/srv/a b"'],
    ])
    expect(lines).toEqual(
      expect.arrayContaining(['ProtectSystem=strict', 'PrivateNetwork=yes', 'NoNewPrivileges=yes', 'CapabilityBoundingSet=']),
    )
    const open = textsOf({ needs: { network: 'all' }, settings: { ProtectHome: 'no' } })[0]
    expect(open).not.toContain('PrivateNetwork')
    expect(open).toContain('\nProtectHome=no\n')
  })

  const analyze = (...words: readonly string[]) => spawnSync('systemd-analyze', words, { encoding: 'utf8' })
  it.skipIf(analyze('--version').status !== 0)('is what systemd reads', () => {
    const root = mkdtempSync(join(tmpdir(), 'timer-'))
    const [program = '', start = ''] = textsOf({
      command: ['/bin/echo', 'a $b "c" %d'],
      environment: { A: 'b c' },
      writes: ['/srv'],
      schedule: EVENTS,
    })
    writeFileSync(join(root, 'report.service'), program)
    writeFileSync(join(root, 'report.timer'), start)
    const { stdout, stderr } = analyze('verify', '--man=no', join(root, 'report.timer'))
    expect(`${stdout}${stderr}`.split('\n').filter((line) => line.includes('report.'))).toEqual([])
    expect(analyze('calendar', ...EVENTS).status).toBe(0)
    rmSync(root, { recursive: true })
  })

  it.each<Partial<TimerOptions>>([
    { name: 'a b' },
    { name: 'report.timer' },
    { schedule: '' },
    { schedule: 'sometimes' },
    { schedule: 'daily\nOnBootSec=1' },
    { schedule: '0 3 * * *' },
    { schedule: [] },
    { command: [] },
    { command: ['report'] },
    { command: ['/bin/a\nExecStart=/bin/b'] },
    { user: 'root\nUser=x' },
    { description: 'a\n[Service]' },
    { description: 'a\\' },
    { environment: { 'A B': 'x' } },
    { environment: { A: 'x\ny' } },
    { writes: ['relative'] },
    { randomDelay: '10 minutes' },
    { timeout: 'forever' },
  ])('is refused with %j', (options) => {
    expect(() => timer({ ...OPTIONS, ...options })).toThrow()
  })
})
