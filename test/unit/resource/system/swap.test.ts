import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { InodeState } from '../../../../src/resource/kind/inode.ts'
import { swap } from '../../../../src/resource/system/swap.ts'
import type { SwapState } from '../../../../src/resource/system/swap-spec.ts'
import { isRoot, type Throwaway, throwaway } from '../account/throwaway.ts'
import { NOTHING } from '../answers.ts'
import { faultsOf } from '../faults.ts'
import { context } from '../recorded.ts'

const FILE = { type: 'f', mode: '600', owner: 'root', group: 'root', target: '' }
const DEVICE = { ...FILE, type: 'b', mode: '660', group: 'disk' }
const entry = (source: string, options = 'sw') => ({ source, path: 'none', type: 'swap', options, pass: 0 })
const WELL: SwapState = {
  ...{ inode: FILE, bytes: 2 ** 31, freeMB: 10_000, live: -2, entries: [entry('/swapfile')], isSwap: true, isContainer: false },
}
const spec = (more = {}) => swap({ path: '/swapfile', sizeMB: 2048, ...more }).spec
const plan = (state: Partial<SwapState>, more = {}): string | undefined => {
  const change = swap.kind.plan(spec(more), { ...WELL, ...state }, context)
  return change && `${change.action} ${change.reason}`
}
const why = (state: Partial<SwapState>, more = {}): string | undefined =>
  swap.kind.forbids?.(spec(more), { ...WELL, ...state }, context)?.why

describe('a swap area', () => {
  it('is as declared', () => {
    expect(plan({})).toBeUndefined()
    expect(plan({ live: 10, entries: [entry('/swapfile', 'sw,pri=10')] }, { priority: 10 })).toBeUndefined()
    expect(plan({ inode: 'absent', bytes: 0, live: undefined, entries: [] }, { state: 'absent' })).toBeUndefined()
  })

  it.each<[Partial<SwapState>, object, string]>([
    [{ inode: 'absent', bytes: 0, live: undefined, entries: [], isSwap: false }, {}, 'create not used'],
    [{ bytes: 2 ** 30 }, {}, 'update size differs'],
    [{ isSwap: false }, {}, 'update size differs'],
    [{ inode: { ...FILE, mode: '644' } }, {}, 'update mode differs'],
    [{ live: undefined }, {}, 'update used differs'],
    [{ live: 5 }, {}, 'update priority differs'],
    [{ live: 5 }, { priority: 6 }, 'update priority and used at boot differ'],
    [{ entries: [] }, {}, 'update used at boot differs'],
    [{ entries: [entry('/swapfile'), entry('/swapfile')] }, {}, 'update used at boot differs'],
    [{}, { state: 'absent' }, 'delete declared absent'],
    [{ live: undefined, entries: [] }, { state: 'absent' }, 'delete declared absent'],
    [{ inode: 'absent', live: undefined }, { state: 'absent' }, 'delete declared absent'],
  ])('with %j differs from %j: %s', (state, more, change) => {
    expect(plan(state, more)).toBe(change)
  })

  it.each<[Partial<SwapState>, object, string | undefined]>([
    [{}, {}, undefined],
    [{ isContainer: true }, {}, 'the host is a container, and swap belongs to the machine that runs it'],
    [{ isContainer: true }, { state: 'absent' }, undefined],
    [{ inode: { ...FILE, type: 'd' } }, {}, 'it is a directory'],
    [{ isSwap: false }, {}, 'the file is no swap area, and its content would be lost'],
    [{ isSwap: false }, { state: 'absent' }, 'the file is no swap area, and its content would be lost'],
    [{ isSwap: false, bytes: 0 }, {}, undefined],
    [{ inode: 'absent', bytes: 0, isSwap: false, freeMB: 2047 }, {}, '2048 MB are needed, and its file system has 2047 MB left'],
    [{ freeMB: 0 }, {}, undefined],
  ])('with %j and %j is refused: %s', (state, more, reason) => {
    expect(why(state, more)).toBe(reason)
  })

  it.each<[InodeState, boolean, string | undefined]>([
    [DEVICE, true, undefined],
    [DEVICE, false, 'the device has no swap area, and its data would be lost'],
    ['absent', false, 'the device does not exist'],
    [FILE, true, 'it is a file'],
  ])('on the device %j, marked: %s, is refused: %s', (inode, isSwap, reason) => {
    const device = swap({ path: '/dev/vdb' }).spec
    expect(swap.kind.forbids?.(device, { ...WELL, inode, isSwap, live: undefined, entries: [] }, context)?.why).toBe(reason)
  })

  it.each([
    ['sizeMB', { path: '/swapfile' }],
    ['sizeMB', { path: '/dev/vdb', sizeMB: 5 }],
    ['path', { path: '/a b', sizeMB: 5 }],
    ['path', { path: 'swapfile', sizeMB: 5 }],
    ['priority', { path: '/swapfile', sizeMB: 5, priority: 40_000 }],
  ])('has an invalid %s: %j', (option, options) => {
    expect(faultsOf(swap, options)).toEqual([option])
  })
})

// The areas are those of this machine's kernel: small ones, for a moment.
const canSwap = isRoot && !existsSync('/run/systemd/container') && spawnSync('sh', ['-c', 'command -v mkswap swapon swapoff']).status === 0
describe.skipIf(!canSwap)('a swap file on this machine', { timeout: 60_000 }, () => {
  let host: Throwaway
  // The kernel names the file by its path outside the private mounts, which is that of a directory that is not mounted over.
  const path = `/opt/provision-swap-${process.pid}`
  beforeAll(() => {
    host = throwaway()
  })
  beforeEach(() => {
    host.run(`swapoff ${path} 2>/dev/null || :; rm -f ${path}; printf '# own\\nUUID=1 / ext4 defaults 0 1\\n' >/etc/fstab`)
  })
  afterAll(() => {
    host?.run(`swapoff ${path} 2>/dev/null || :; rm -f ${path}`)
    host?.end()
  })

  const work = (options: object) => {
    const resource = swap({ path, ...options })
    const query = swap.kind.observe([resource.spec])
    const inode = (): InodeState => {
      const found = host.run(`stat -c '%F %a' ${path} 2>/dev/null || echo absent`).trim().split(' ')
      return found[0] === 'absent' ? 'absent' : { ...FILE, mode: found.at(-1) ?? '' }
    }
    const lines = (file: string) => host.run(`cat ${file}`).split('\n').slice(0, -1)
    const answers = {
      ...NOTHING,
      inodes: new Map<string, InodeState>([
        [path, inode()],
        ['/run/systemd/container', 'absent'],
      ]),
      texts: new Map([
        ['/proc/swaps', readFileSync('/proc/swaps', 'utf8').split('\n')],
        ['/etc/fstab', lines('/etc/fstab')],
      ]),
    }
    const state = query.parse(host.ask(String(query.script)), answers).get(path)
    if (state === undefined) throw new Error('no state')
    return { id: path, spec: resource.spec, state, change: swap.kind.plan(resource.spec, state, context) }
  }
  const apply = (options: object, before = work(options)) =>
    before.change === undefined ? 'nothing' : host.drive(swap.kind.apply([{ ...before, change: before.change }]))
  const shown = (): string => `${host.run(`awk '$1 == "${path}" { print $3, $5 }' /proc/swaps`)}${host.run('cat /etc/fstab')}`

  it('is made, changed and deleted, and converges', () => {
    expect(apply({ sizeMB: 16 })).toBeUndefined()
    expect(shown()).toMatch(new RegExp(`^16380 -\\d+\n# own\nUUID=1 / ext4 defaults 0 1\n${path} none swap sw 0 0\n$`))
    expect(host.run(`stat -c '%a %s' ${path}; ls ${path}*`)).toBe(`600 16777216\n${path}\n`)
    expect(work({ sizeMB: 16 }).change).toBeUndefined()

    expect(apply({ sizeMB: 8, priority: 7 })).toBeUndefined()
    expect(shown()).toBe(`8188 7\n# own\nUUID=1 / ext4 defaults 0 1\n${path} none swap sw,pri=7 0 0\n`)
    expect(apply({ sizeMB: 8 })).toBeUndefined()
    expect(shown()).toMatch(/^8188 -\d+\n/)
    expect(apply({ sizeMB: 8 })).toBe('nothing')

    expect(apply({ state: 'absent' })).toBeUndefined()
    expect(shown()).toBe('# own\nUUID=1 / ext4 defaults 0 1\n')
    expect(existsSync(path)).toBe(false)
    expect(apply({ state: 'absent' })).toBe('nothing')
  })

  it('is completed after a cut', () => {
    const before = work({ sizeMB: 8 })
    host.run(`: >${path}.provision-new`)
    expect(apply({ sizeMB: 8 }, before)).toBeUndefined()
    host.run(`swapoff ${path}; : >/etc/fstab`)
    expect(work({ sizeMB: 8 }).change?.reason).toBe('not used')
    expect(apply({ sizeMB: 8 })).toBeUndefined()
    expect(work({ sizeMB: 8 }).change).toBeUndefined()
  })

  it('is not written over if it appeared or changed after the observation', () => {
    const before = work({ sizeMB: 8 })
    host.run(`echo precious >${path}`)
    expect(apply({ sizeMB: 8 }, before)).toMatchObject({ why: expect.stringContaining(`${path} is not as it was observed`) })
    expect(host.run(`cat ${path}`)).toBe('precious\n')
    host.run(`rm ${path}; echo '${path} none swap sw,discard 0 0' >>/etc/fstab`)
    expect(apply({ sizeMB: 8 }, before)).toMatchObject({
      why: expect.stringContaining('its entry in /etc/fstab is not as it was observed'),
    })
  })

  it('is not made below a directory of another account', () => {
    const before = work({ sizeMB: 8 })
    const inHome = { ...before, spec: swap({ path: '/home/ann/swap', sizeMB: 8 }).spec }
    host.run('mkdir -p /home/ann; chown 4001 /home/ann')
    expect(
      host.drive(swap.kind.apply([{ ...inHome, change: { action: 'create', certainty: 'exact', reason: '', differences: [] } }])),
    ).toMatchObject({
      why: expect.stringContaining('/home/ann can be replaced by another account'),
    })
  })
})
