import { expect, it } from 'vitest'
import type { Call } from '../../faults/bench.ts'
import { pointsOf, unsynced } from '../../faults/points.ts'

const call = (name: string, paths: readonly string[], by = 'perl', count = 0): Call => ({ call: name, by, paths, count })
const rename = (from: string, to: string, by?: string): Call => call('rename', [from, to], by)

it.each([
  ['brought to the disk itself', [call('fsync', ['/etc/x.new']), rename('/etc/x.new', '/etc/x')], []],
  ['by its file system', [call('syncfs', ['/etc']), rename('/etc/x.new', '/etc/x')], []],
  ['with all there is', [call('sync', []), rename('/etc/x.new', '/etc/x')], []],
  ['never', [rename('/etc/x.new', '/etc/x')], ['/etc/x.new → /etc/x']],
  ['afterwards', [rename('/etc/x.new', '/etc/x'), call('sync', [])], ['/etc/x.new → /etc/x']],
  ['another file', [call('fsync', ['/etc/y.new']), rename('/etc/x.new', '/etc/x')], ['/etc/x.new → /etc/x']],
  ['another file system', [call('syncfs', ['/etcetera']), rename('/etc/x.new', '/etc/x')], ['/etc/x.new → /etc/x']],
  [
    'only a file with the previous name',
    [call('sync', []), rename('/etc/x.new', '/etc/x'), rename('/etc/x.new', '/etc/y')],
    ['/etc/x.new → /etc/y'],
  ],
  [
    'itself, by a program that tries twice',
    [
      call('fsync', ['/etc/x.new']),
      rename('/etc/x.new', '/etc/x', 'mv'),
      call('execve', ['/bin/sh']),
      rename('/etc/x.new', '/etc/x', 'mv'),
    ],
    [],
  ],
  ['files that do not survive a power cut', [rename('/run/x.new', '/run/x')], []],
  ['by debconf in its own database', [rename('/var/cache/debconf/config.dat', '/var/cache/debconf/config.dat-old')], []],
  ['by a program with rules of its own', [rename('/etc/x.new', '/etc/x', 'dpkg')], []],
] as const)('renames with flushed content: %s', (_, calls, found) => {
  expect(unsynced(calls)).toEqual(found)
})

it('draws one of ten files that dpkg unpacks, and every other counted call', () => {
  const unpacked = Array.from({ length: 25 }, (_, i) => call('rename', ['/usr/a.dpkg-new', '/usr/a'], 'dpkg', i + 2))
  const calls = [call('execve', ['/bin/sh'], 'sh', 1), ...unpacked, call('fsync', ['/usr/a']), call('execve', ['/bin/mv'], 'sh', 27)]
  expect(pointsOf(calls, 'shell', 'one').map(({ at }) => at)).toEqual([1, 2, 12, 22, 27])
})
