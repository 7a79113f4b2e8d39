import { describe, expect, it, test } from 'vitest'
import { explained, type Mount } from '../../../src/engine/apply/mounts.ts'
import { clockFault } from '../../../src/engine/observe/clock.ts'
import { HostRefusal } from '../../../src/resource/kind/step.ts'

const mount = (at: string, more: Partial<Mount> = {}): Mount => ({ at, availableKB: 1e6, freeInodes: 1e5, readOnly: false, ...more })

describe('a refusal because of a disk', () => {
  const full = new HostRefusal('/etc/x not written (exit 1)', 'tar: No space left on device', undefined, {
    done: ['a'],
    culprit: 'b',
  })

  it('names the mount with the least space', () => {
    expect(explained(full, [mount('/'), mount('/var', { availableKB: 12 })])).toMatchObject({
      what: '/etc/x not written (exit 1): /var is full',
      why: 'tar: No space left on device\n/var has 12 KB left',
      fix: expect.stringContaining('free space on /var'),
      done: ['a'],
      culprit: 'b',
    })
  })

  it('names the mount of the file if no mount is nearly full', () => {
    expect(explained(full, [mount('/srv'), mount('/run', { availableKB: 5000 })]).what).toContain('/srv is full')
  })

  it('can be about inodes', () => {
    expect(explained(full, [mount('/', { availableKB: 50 }), mount('/var', { freeInodes: 0 })]).why).toContain('/var has 0 inodes left')
  })

  it('names the read-only mount', () => {
    const readOnly = new HostRefusal('no', 'tar: Read-only file system')
    expect(explained(readOnly, [mount('/', { availableKB: 0 }), mount('/srv', { readOnly: true })])).toMatchObject({
      what: 'no: /srv is mounted read-only',
      fix: expect.stringContaining('mount -o remount,rw /srv'),
    })
  })

  it('is unchanged if the host does not report its mounts', () => {
    expect(explained(full, [])).toBe(full)
  })
})

test.each([
  ['right', 1_000_000, undefined],
  ['a little off', 1_000_050, undefined],
  ['behind', 999_700, 'is 5 minutes behind the clock of this machine: certificates will seem not valid yet'],
  ['ahead', 1_010_800, 'is 3 hours ahead of the clock of this machine: certificates will seem expired'],
  ['days off', 1_864_000, 'is 10 days ahead of'],
])('a clock that is %s', (_, seconds, said) => {
  const found = clockFault(`x\n/proc/stat:btime ${seconds - 500}\nuptime 500.12\ny`, 1_000_000_000, 1_000_000_200)
  expect(found ?? 'undefined').toContain(said ?? 'undefined')
})

test('a host without a valid clock in its answer gets no warning', () => {
  for (const said of [
    '',
    'uptime 5.1',
    '/proc/stat:btime 5',
    '/proc/stat:btime x\nuptime 5.1',
    '/proc/stat:btime 99999999999999999999\nuptime 1.0',
  ])
    expect(clockFault(said, 0, 1)).toBeUndefined()
})
