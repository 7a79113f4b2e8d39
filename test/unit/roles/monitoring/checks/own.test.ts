import { spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import monitoring from '../../../../../roles/monitoring/role.ts'
import { keyOf } from '../../../../../src/resource/kind/kind.ts'
import type { HostView } from '../../../../../src/role/role.ts'
import { declared, faultPaths, LB, textOf, WEB } from '../context.ts'

const [WEB_1] = WEB as [HostView]
const QUEUE = { name: 'queue', script: 'authorities/own.pem', hosts: ['web'], summary: 'orders wait' }
const RUN = 'file:/usr/local/lib/provision/provision-check-queue-run'
const SERVICE = 'unit:provision-check-queue.service'
const directory = mkdtempSync(join(tmpdir(), 'provision-own-check-'))
afterAll(() => rmSync(directory, { recursive: true }))

/** Prints what the node exporter reads after a run of a check with this program. */
const resultOf = (program: string, more: object = {}) => {
  const path = join(directory, 'program')
  writeFileSync(path, `#!/bin/sh\n${program}\n`)
  chmodSync(path, 0o755)
  const runner = textOf(declared(WEB_1, { checks: [{ ...QUEUE, ...more }] }), RUN)
  const script = runner.replace('/usr/local/lib/provision/provision-check-queue', path)
  const { stdout, stderr, status } = spawnSync('sh', { input: script, encoding: 'utf8', env: { ...process.env, TMPDIR: directory } })
  expect([status, stderr]).toEqual([0, ''])
  return stdout.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
}

describe('a check of the options', () => {
  it('runs on the hosts that it names', () => {
    const keys = (host: HostView) => declared(host, { checks: [QUEUE] }).map(keyOf)
    const own = [
      'directory:/var/lib/provision-metrics/own-checks',
      'file:/var/lib/provision-metrics/own-checks/declared.prom',
      'file:/usr/local/lib/provision/provision-check-queue',
      RUN,
      SERVICE,
      'unit:provision-check-queue.timer',
      'service:provision-check-queue.timer',
    ]
    expect(keys(WEB_1)).toEqual(expect.arrayContaining(own))
    expect(keys(LB).filter((key) => own.includes(key))).toEqual([])
    expect(declared(LB, { checks: [{ ...QUEUE, hosts: undefined }] }).map(keyOf)).toEqual(expect.arrayContaining(own))
  })

  it('is declared with its severity and summary', () => {
    const checks = [QUEUE, { ...QUEUE, name: 'mail', severity: 'critical' }]
    expect(textOf(declared(WEB_1, { checks }), 'file:/var/lib/provision-metrics/own-checks/declared.prom')).toBe(
      `# TYPE provision_check_declared gauge
provision_check_declared{check="queue",severity="warning",summary="orders wait"} 1
provision_check_declared{check="mail",severity="critical",summary="orders wait"} 1
`,
    )
  })

  it('has no rights, and cannot write to the directory of its result', () => {
    const unit = textOf(declared(WEB_1, { checks: [QUEUE] }), SERVICE)
    for (const line of ['DynamicUser=yes', 'ProtectSystem=strict', 'NoNewPrivileges=yes', 'CapabilityBoundingSet=', 'TimeoutStartSec=60s'])
      expect(unit.split('\n')).toContain(line)
    const named = textOf(declared(WEB_1, { checks: [{ ...QUEUE, user: 'www-data' }] }), SERVICE)
    expect(named).toContain('\nUser=www-data\n')
    expect(named).not.toContain('DynamicUser')
    const timer = textOf(declared(WEB_1, { checks: [{ ...QUEUE, every_seconds: 300 }] }), 'unit:provision-check-queue.timer')
    expect(timer).toContain('\nOnUnitInactiveSec=300s\n')
  })

  it('reports its exit status, and a number', () => {
    const until = (seconds: number) => Math.floor(Date.now() / 1000) + seconds
    const due = (lines: readonly string[]) => Number(lines[1]?.split(' ')[1])
    const good = resultOf('echo 12.5; echo more; exit 0', { every_seconds: 100 })
    expect(good).toEqual(['provision_check_ok{check="queue"} 1', expect.any(String), 'provision_check_value{check="queue"} 12.5'])
    expect(good[1]).toMatch(/^provision_check_due_seconds\{check="queue"\} \d+$/)
    expect(Math.abs(due(good) - until(390))).toBeLessThan(60)
    expect(resultOf('echo 7; exit 3')).toEqual(['provision_check_ok{check="queue"} 0', expect.any(String), expect.stringMatching(/ 7$/)])
    expect(resultOf('echo "7 wait"; yes | head -c 1000000')).toEqual(['provision_check_ok{check="queue"} 1', expect.any(String)])
    expect(resultOf('echo "1\nevil{} 1"')).toHaveLength(3)
    expect(resultOf('sleep 30', { timeout_seconds: 1 })[0]).toBe('provision_check_ok{check="queue"} 0')
  })

  it.each([
    ['as root', { user: 'root' }],
    ['with a quote in its summary', { summary: 'a "b"' }],
    ['with a program outside the project', { script: '/bin/true' }],
    ['with a name in capital letters', { name: 'Queue' }],
    ['more often than every ten seconds', { every_seconds: 5 }],
  ])('is refused %s', (_, wrong) => expect(monitoring.options.safeParse({ checks: [{ ...QUEUE, ...wrong }] }).success).toBe(false))

  it('is refused with the name of another, on an unknown host, or without its program', () => {
    expect(faultPaths({ checks: [QUEUE, QUEUE] })).toEqual(['checks.1.name'])
    expect(faultPaths({ checks: [{ ...QUEUE, hosts: ['cache'] }] })).toEqual(['checks.0.hosts.0'])
    expect(faultPaths({ checks: [QUEUE, { ...QUEUE, name: 'mail' }] })).toEqual([])
    expect(() => declared(WEB_1, { checks: [{ ...QUEUE, script: 'authorities/none.sh' }] })).toThrow('file does not exist in the project')
  })
})
