import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { mount } from '../../../../src/resource/system/mount.ts'
import { flagsThatDiffer, fstabLine, readFstabLine, readMounts, withEntry } from '../../../../src/resource/system/mount-table.ts'
import { faultsOf } from '../faults.ts'
import { context } from '../recorded.ts'
import { type Here, here, mine } from '../run-here.ts'

const ROOT = '22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,errors=remount-ro'
const TMPFS = '40 22 0:50 / /srv/cache rw,nosuid,nodev,noexec,relatime shared:9 - tmpfs tmpfs rw,size=1024k'
const NFS = '41 22 0:51 / /srv/nfs rw,relatime - nfs4 server:/export rw,vers=4.2'
const FSTAB = '# comment\nUUID=1 / ext4 errors=remount-ro 0 1\n\ntmpfs\t/srv/cache tmpfs nosuid,nodev,noexec,size=1m 0 0\n'
const CACHE = { path: '/srv/cache', source: 'tmpfs', type: 'tmpfs', options: ['nosuid', 'nodev', 'noexec', 'size=1m'] }

/** A host with this table of mounts, and this /etc/fstab. The commands that it runs are in `calls`. */
const hostWith = (mounts: readonly string[], fstab = FSTAB) => {
  const host = here('/proc', '/etc')
  onTestFinished(() => host.remove())
  const write = (path: string, text: string): void => {
    mkdirSync(dirname(host.at(path)), { recursive: true })
    writeFileSync(host.at(path), text)
  }
  for (const directory of ['/srv', '/etc']) mkdirSync(host.at(directory), { recursive: true })
  const setMounts = (lines: readonly string[]): void =>
    write('/proc/self/mountinfo', lines.map((line) => `${line.replaceAll('/srv', host.at('/srv'))}\n`).join(''))
  setMounts(mounts)
  write('/etc/fstab', fstab.replaceAll('/srv', host.at('/srv')))
  for (const name of ['mount', 'umount']) host.program(name, `printf '%s %s\\n' ${name} "$*" >>${host.at('calls')}`)
  host.program('systemctl', ':')
  const calls = (): readonly string[] => host.sh('cat calls 2>/dev/null').split('\n').slice(0, -1)
  return { host, calls, setMounts, fstab: () => readFileSync(host.at('/etc/fstab'), 'utf8').replaceAll(host.at('/srv'), '/srv') }
}
/** The mount with its path on this host. */
const on = (host: Here, options: object) => {
  const { path, ...rest } = { ...CACHE, ...options }
  return mount({ ...rest, path: host.at(path) })
}
const planOf = (mounts: readonly string[], options: object, fstab?: string) => {
  const { host } = hostWith(mounts, fstab)
  return host.plan(on(host, options))[0]?.change
}

describe('the table of mounts at boot', () => {
  it('is read and written with blanks in octal', () => {
    const entry = { source: '/dev/disk/by-label/my disk', path: '/srv/a b', type: 'ext4', options: 'noatime', pass: 2 }
    expect(fstabLine(entry)).toBe('/dev/disk/by-label/my\\040disk /srv/a\\040b ext4 noatime 0 2')
    expect(readFstabLine(fstabLine(entry))).toEqual(entry)
    expect(readFstabLine('/dev/a\t/b')).toEqual({ source: '/dev/a', path: '/b', type: '', options: 'defaults', pass: 0 })
    expect(['', '  ', '# /dev/a /b ext4'].map(readFstabLine)).toEqual([undefined, undefined, undefined])
  })

  it('keeps all other lines, in their order', () => {
    const entry = { source: 'tmpfs', path: '/srv/cache', type: 'tmpfs', options: 'ro', pass: 0 }
    expect(withEntry(FSTAB, '/srv/cache', entry)).toBe('# comment\nUUID=1 / ext4 errors=remount-ro 0 1\n\ntmpfs /srv/cache tmpfs ro 0 0\n')
    expect(withEntry(FSTAB, '/srv/cache', undefined)).toBe('# comment\nUUID=1 / ext4 errors=remount-ro 0 1\n\n')
    expect(withEntry('x /a t o 0 0', '/srv/cache', entry)).toBe('x /a t o 0 0\ntmpfs /srv/cache tmpfs ro 0 0\n')
    expect(withEntry('', '/srv/cache', entry)).toBe('tmpfs /srv/cache tmpfs ro 0 0\n')
    expect(withEntry('', '/srv/cache', undefined)).toBe('')
    expect(withEntry('a /x t o\nb /y t o\nc /x t o\n', '/x', { ...entry, path: '/x' })).toBe('tmpfs /x tmpfs ro 0 0\nb /y t o\n')
  })
})

it('the last filesystem at a mount point is the one that is seen', () => {
  const mounts = readMounts([
    ROOT,
    NFS,
    TMPFS,
    '42 40 0:1 / /srv/cache ro - ext4 /dev/vdb rw',
    '43 1 0:2 / /srv/a\\040b rw - tmpfs none rw',
    'broken',
  ])
  expect(mounts.get('/srv/cache')).toEqual({ source: '/dev/vdb', path: '/srv/cache', type: 'ext4', options: ['ro', 'rw'] })
  expect([...mounts.keys()]).toEqual(['/', '/srv/nfs', '/srv/cache', '/srv/a b'])
})

it('flags of the kernel are compared where they are declared', () => {
  expect(flagsThatDiffer(['noexec', 'nosuid'], ['rw', 'nosuid'])).toEqual(['noexec'])
  expect(flagsThatDiffer(['rw', 'exec', 'size=1m'], ['ro', 'noexec'])).toEqual(['rw', 'exec'])
  expect(flagsThatDiffer(['ro', 'rw'], ['rw'])).toEqual([])
  expect(flagsThatDiffer(['defaults'], ['ro', 'noexec'])).toEqual([])
})

describe('a mount', () => {
  it('that is as declared has no change', () => {
    expect(planOf([ROOT, TMPFS], {})).toBeUndefined()
    const nfs = { path: '/srv/nfs', source: 'server:/export', type: 'nfs', options: [] }
    expect(planOf([NFS], nfs, 'server:/export /srv/nfs nfs defaults 0 0\n')?.reason).toBeUndefined()
  })

  it('differs now, at boot, or both', () => {
    expect(planOf([ROOT], {})).toMatchObject({ action: 'create', certainty: 'exact', reason: 'not mounted' })
    expect(planOf([TMPFS], {}, '')).toMatchObject({ action: 'create', reason: 'not mounted at boot' })
    expect(planOf([TMPFS], { options: ['nosuid', 'nodev', 'noexec', 'size=2m'] })).toMatchObject({
      ...{ action: 'update', reason: 'options at boot differ' },
      differences: [{ key: 'options at boot', from: 'nosuid,nodev,noexec,size=1m', to: 'nosuid,nodev,noexec,size=2m' }],
    })
    expect(planOf([TMPFS.replace('noexec,', '')], {})).toMatchObject({
      reason: 'options differ',
      differences: [{ key: 'options', to: 'noexec' }],
    })
    expect(planOf([TMPFS.replace('tmpfs tmpfs', 'tmpfs other')], {})?.differences).toEqual([{ key: 'source', from: 'other', to: 'tmpfs' }])
    expect(planOf([TMPFS.replace('tmpfs tmpfs', 'ramfs tmpfs')], {})?.differences).toEqual([{ key: 'type', from: 'ramfs', to: 'tmpfs' }])
    expect(planOf([TMPFS], {}, `${FSTAB}x /srv/cache ext4 ro 0 0\n`)?.differences).toEqual([{ key: 'entry at boot', to: 'one' }])
  })

  it('is made now, with its directory, and at boot', () => {
    const { host, calls, fstab } = hostWith([ROOT], 'UUID=1 / ext4 defaults 0 1\n')
    const wanted = on(host, { options: ['noauto', 'nosuid'] })
    const work = host.plan(wanted)
    expect(host.apply(work, mount.kind, GUARD)).toBeUndefined()
    expect(calls()).toEqual([`mount -t tmpfs -o noauto,nosuid -- tmpfs /srv/cache`].map((line) => line.replace('/srv', host.at('/srv'))))
    expect(fstab()).toBe('UUID=1 / ext4 defaults 0 1\ntmpfs /srv/cache tmpfs noauto,nosuid 0 0\n')
    expect(host.sh('ls srv')).toBe('cache\n')
  })

  it('is mounted again with other options, and replaced by another source', () => {
    const change = (line: string, options: object): readonly string[] => {
      const { host, calls } = hostWith([ROOT, line])
      expect(host.apply(host.plan(on(host, options)), mount.kind, GUARD)).toBeUndefined()
      return calls().map((call) => call.replace(host.root, ''))
    }
    expect(change(TMPFS, { options: ['ro'] })).toEqual(['mount -o remount,rw,suid,dev,exec,async,relatime,diratime,ro -- /srv/cache'])
    expect(change(TMPFS.replace('tmpfs tmpfs', 'tmpfs old'), {})).toEqual([
      ...['umount -- /srv/cache', 'mount -t tmpfs -o nosuid,nodev,noexec,size=1m -- tmpfs /srv/cache'],
    ])
  })

  it('is unmounted, and kept while it is in use', () => {
    const { host, calls, fstab } = hostWith([ROOT, TMPFS])
    const work = host.plan(mount({ path: host.at('/srv/cache'), state: 'absent' }))
    expect(work[0]?.change).toMatchObject({
      action: 'delete',
      differences: [
        { key: 'mounted', from: 'tmpfs' },
        { key: 'mounted at boot', from: 'yes' },
      ],
    })
    host.program('umount', 'echo "umount: /srv/cache: target is busy." >&2; exit 32')
    expect(host.apply(work, mount.kind)).toMatchObject({
      ...{
        what: `${host.at('/srv/cache')} not changed (exit 32)`,
        why: 'umount: /srv/cache: target is busy.',
        culprit: host.at('/srv/cache'),
      },
      fix: 'stop the programs that use it, then run again; it is never unmounted while it is in use',
    })
    expect(fstab()).toBe(FSTAB)
    host.program('umount', ':')
    expect(host.apply(work, mount.kind)).toBeUndefined()
    expect([calls(), fstab()]).toEqual([[], '# comment\nUUID=1 / ext4 errors=remount-ro 0 1\n\n'])
    expect(planOf([ROOT], { state: 'absent' }, '# empty\n')).toBeUndefined()
    expect(planOf([TMPFS], { state: 'absent' }, '# empty\n')?.differences).toEqual([{ key: 'mounted', from: 'tmpfs' }])
    expect(planOf([ROOT], { state: 'absent' })?.differences).toEqual([{ key: 'mounted at boot', from: 'yes' }])
  })

  it('is not changed if something else is mounted, or declared at boot, since the observation', () => {
    const { host, setMounts } = hostWith([ROOT])
    const work = host.plan(on(host, { options: ['ro'] }))
    setMounts([ROOT, TMPFS])
    expect(host.apply(work, mount.kind)).toMatchObject({
      why: `${host.at('/srv/cache')} is not as it was observed: tmpfs tmpfs is mounted there`,
      culprit: host.at('/srv/cache'),
    })
    setMounts([ROOT])
    writeFileSync(host.at('/etc/fstab'), `x ${host.at('/srv/cache')} ext4 ro 0 0\n`)
    expect(host.apply(work, mount.kind, GUARD)?.why).toBe(
      `its entry in /etc/fstab is not as it was observed: x ${host.at('/srv/cache')} ext4 ro 0 0`,
    )
  })

  const forbidden = (options: object, state: object, more: object = {}) => {
    const { spec } = mount({ ...CACHE, ...options } as never)
    return mount.kind.forbids?.(spec, { entries: [], live: undefined, isSource: false, ...state }, { ...context, ...more })?.what
  }
  const live = { source: 'tmpfs', path: '/srv/cache', type: 'tmpfs', options: [] }

  it('never covers or takes away what the run needs', () => {
    const { host } = hostWith([ROOT])
    const covers = (path: string) => (host.plan(mount({ ...CACHE, path }))[0]?.state as { covers?: string } | undefined)?.covers
    expect(['/', '/var', '/etc', '/var/lib', '/usr'].map(covers)).toEqual([
      '/etc',
      '/var/lib/provision',
      '/etc',
      '/var/lib/provision',
      '/usr',
    ])
    expect(['/srv', '/var/log', '/opt'].map(covers)).toEqual([undefined, undefined, undefined])
    expect(covers('/root')).toBe('/root')
    expect(forbidden({ path: '/var' }, { covers: '/var/lib/provision' })).toBe('mount at /var would cover /var/lib/provision')
    expect(forbidden({ path: '/var', state: 'absent' }, { covers: '/var/lib/provision', live })).toBe('/var cannot be unmounted')
    // Its options may change.
    expect(forbidden({ path: '/var' }, { covers: '/var/lib/provision', live, isSource: true })).toBeUndefined()
    expect(forbidden({ path: '/var' }, { covers: '/var/lib/provision', live, isSource: false })).toBe('/var cannot be unmounted')
  })

  it('needs its device, unless something earlier may create it', () => {
    const missing = { missing: '/dev/vdz' }
    expect(forbidden({ source: '/dev/vdz', type: 'ext4' }, missing)).toBe('/dev/vdz cannot be mounted at /srv/cache')
    expect(forbidden({ source: '/dev/vdz', type: 'ext4' }, missing, { mayBringMore: true })).toBeUndefined()
    expect(forbidden({ source: '/dev/vdz', type: 'ext4' }, { ...missing, live })).toBeUndefined()
    expect(planOf([ROOT], { source: '/dev/vdz', type: 'ext4' })?.certainty).toBe('exact')
    const [work] = hostWith([ROOT]).host.plan(mount({ ...CACHE, source: 'UUID=abc', type: 'ext4' }))
    expect(work?.state).toMatchObject({ missing: '/dev/disk/by-uuid/abc' })
  })
})

it.each<[object, string]>([
  [{ path: 'srv' }, 'path'],
  [{ path: "/srv/a'b" }, 'path'],
  [{ source: undefined }, 'source'],
  [{ type: undefined }, 'type'],
  [{ type: 'swap' }, 'type'],
  [{ source: 'a b' }, 'source'],
  [{ options: ['ro,exec'] }, 'options.0'],
  [{ options: ['ro\n/dev/x'] }, 'options.0'],
  [{ options: ['password=x'] }, 'options.0'],
  [{ options: ['bind'], source: 'tmpfs' }, 'source'],
])('a mount is refused with %j', (options, path) => {
  expect(faultsOf(mount, { ...CACHE, ...options })).toEqual([path])
})

/** The directories of this host belong to the account that runs the tests. */
const GUARD = mine.owner === 'root' ? ':' : 'perl() { :; }'
