import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { file } from '../../../../src/resource/file/file.ts'
import { text } from '../../../../src/resource/kind/content.ts'
import type { InodeState } from '../../../../src/resource/kind/inode.ts'
import type { PlanContext, Resource } from '../../../../src/resource/kind/kind.ts'
import type { ServiceState } from '../../../../src/resource/service/observe.ts'
import { sandbox, settingLines } from '../../../../src/resource/service/sandbox.ts'
import { isMasked, service, serviceOption } from '../../../../src/resource/service/service.ts'
import { unit } from '../../../../src/resource/service/unit.ts'
import { inodesOf, NOTHING } from '../answers.ts'
import { context } from '../recorded.ts'
import { here } from '../run-here.ts'

type Options = Omit<Parameters<typeof service>[0], 'unit'>
const web = (options: Options = {}) => service({ unit: 'web.service', ...options })
const conf = (path: string): Resource => file({ path, content: 'x' })
const made = (path: string): Resource => file({ path, content: text`${{ later: 'x', get: () => undefined }}` })

describe('the questions about a service', () => {
  it('are about its files, its own directories and its stamp', () => {
    const spec = web({
      loads: [conf('/etc/web/a'), made('/etc/web/b')],
      restarts: [conf('/usr/bin/web'), conf('/etc/systemd/system/x')],
    }).spec
    expect(service.kind.observe([spec, service({ unit: 'bare.service' }).spec]).shared).toEqual({
      units: ['web.service', 'bare.service'],
      texts: ['/run/provision/loaded/web.service'],
      digests: ['/etc/web/b'],
      inodes: ['/etc/web/a', '/etc/web/b', '/usr/bin/web', '/etc/systemd/system/x', '/etc/web', '/usr/bin'],
    })
  })

  it('find sets that are not settled', () => {
    const host = here()
    onTestFinished(() => host.remove())
    host.sh('mkdir -p state/undo/web; : >state/undo/other')
    const specs = ['web', 'other', 'none'].map((set) => service({ unit: `${set}.service`, set }).spec)
    expect(host.run(String(service.kind.observe(specs).script)).stdout.toString()).toBe('web\n')
  })

  it('do not read an endless file that is linked as a unit', () => {
    const root = mkdtempSync(join(tmpdir(), 'linked-'))
    onTestFinished(() => rmSync(root, { recursive: true }))
    writeFileSync(join(root, 'long'), `${'#\n'.repeat(1000)}[Install]\n`)
    writeFileSync(join(root, 'fits'), `${'#\\\n'.repeat(999)}[Install]\n`)
    writeFileSync(join(root, 'plain.service'), '[Service]\n')
    spawnSync('ln', ['-s', 'long', 'long.service'], { cwd: root })
    spawnSync('ln', ['-s', 'fits', 'fits.service'], { cwd: root })
    const specs = ['long', 'fits', 'plain'].map((name) => service({ unit: `${name}.service` }).spec)
    const script = String(service.kind.observe(specs).script).replaceAll('/etc/systemd/system', root)
    expect(spawnSync('sh', ['-ec', script], { encoding: 'utf8' }).stdout).toBe('not installable long.service\n')
  })
})

describe('the state of a service', () => {
  const START = Date.parse('2026-11-23T17:00:03Z') * 1000 + 500_000
  const state = (
    properties: Record<string, string>,
    changed: Record<string, number> = {},
    loads = [conf('/etc/web/a')],
    more: object = {},
  ) => {
    const units = new Map([
      [
        'web.service',
        new Map(Object.entries({ LoadState: 'loaded', StateChangeTimestamp: 'Mon 2026-11-23 17:00:03.500000 UTC', ...properties })),
      ],
    ])
    const paths = loads.flatMap(({ kind, spec }) => kind.files?.(spec) ?? []).map(({ path }) => path)
    return web({ loads, set: 'web' })
      .kind.observe([web({ loads, set: 'web' }).spec])
      .parse(Buffer.from('other\n'), {
        ...{ ...NOTHING, units, changed: new Map(Object.entries(changed)), inodes: inodesOf(paths, []) },
        ...more,
      })
      .get('web.service')
  }

  it('is that of systemd', () => {
    const said = { ActiveState: 'active', SubState: 'running', Result: 'success', UnitFileState: 'enabled', NeedDaemonReload: 'yes' }
    expect(state(said)).toEqual({
      ...{ load: 'loaded', active: 'active', sub: 'running', result: 'success', enabled: 'enabled', needsDaemonReload: true },
      ...{ reloadFailed: false, stamp: undefined, touched: false, onDisk: new Map(), unfinishedSet: false },
    })
    expect(['', 'success', 'exit-code'].map((ReloadResult) => state({ ReloadResult })?.reloadFailed)).toEqual([false, false, true])
  })

  it('counts a change of a file or its directory from a tick before the start', () => {
    for (const path of ['/etc/web/a', '/etc/web'])
      expect([START - 10_001, START - 10_000, START].map((at) => state({}, { [path]: at })?.touched)).toEqual([false, true, true])
    expect(state({}, { '/etc/web/a': 5, '/etc/web': 5 })?.touched).toBe(false)
  })

  it.each(['/', '/etc', '/etc/provision', '/etc/ssh/sshd_config.d', '/etc/systemd/system', '/usr/local/lib/provision'])(
    'is not changed by others in %s, which many services share',
    (directory) => {
      const path = `${directory === '/' ? '' : directory}/own`
      expect(state({}, { [path]: 5, [directory]: START + 1 }, [conf(path)])?.touched).toBe(false)
      const asked = service.kind.observe([web({ loads: [conf(path)] }).spec]).shared?.inodes
      expect(asked).toEqual([path])
    },
  )

  it('has a stamp for as long as nobody else restarted it, and the digests that only the host knows', () => {
    const texts = new Map([['/run/provision/loaded/web.service', ['7', `${'a'.repeat(64)}  /etc/web/a`]]])
    const stamp = (at: string) => state({ StateChangeTimestampMonotonic: at }, {}, undefined, { texts })?.stamp
    expect([stamp('7')?.sums.get('/etc/web/a'), stamp('8')]).toEqual(['a'.repeat(64), undefined])
    const loads = ['/a/x', '/b/y', '/c/z'].map(made)
    const inodes = new Map<string, InodeState>([...inodesOf(['/a/x', '/c/z'], ['/b/y'])])
    const found = state({}, {}, loads, { inodes, digests: new Map([['/a/x', 'd1']]) })
    expect([...(found?.onDisk ?? [])]).toEqual([
      ['/a/x', 'd1'],
      ['/b/y', 'absent'],
    ])
  })

  it('is enabled if it is a SysV service that starts at boot', () => {
    const enabled = (properties: Record<string, string>) => state(properties)?.enabled
    expect(enabled({ UnitFileState: 'generated', SourcePath: '/etc/init.d/web', WantedBy: 'multi-user.target' })).toBe('enabled')
    expect(enabled({ UnitFileState: 'static', SourcePath: '/etc/init.d/web', WantedBy: 'multi-user.target' })).toBe('static')
    expect(enabled({ UnitFileState: 'generated', SourcePath: '/x/etc/init.d/', WantedBy: 'multi-user.target' })).toBe('generated')
  })
})

const running: ServiceState = {
  ...{ load: 'loaded', active: 'active', sub: 'running', result: 'success', enabled: 'enabled', needsDaemonReload: false },
  ...{ reloadFailed: false, stamp: undefined, touched: false, onDisk: new Map(), unfinishedSet: false },
}
const planned = (options: Options, state: Partial<ServiceState>, more: Partial<PlanContext> = {}) =>
  service.kind.plan(web(options).spec, { ...running, ...state }, { ...context, ...more })

describe('the plan of a service', () => {
  it('shows what differs', () => {
    expect(planned({}, { active: 'inactive', sub: 'dead', enabled: 'disabled' })).toEqual({
      ...{ action: 'update', certainty: 'exact', reason: 'not running, not enabled' },
      differences: [
        { key: 'running', from: 'no', to: 'yes' },
        { key: 'enabled', from: 'no', to: 'yes' },
      ],
    })
    expect(planned({ running: false, enabled: false }, {})?.differences).toEqual([
      { key: 'running', from: 'yes', to: 'no' },
      { key: 'enabled', from: 'yes', to: 'no' },
    ])
    expect(planned({ loads: [conf('/a/b')] }, { touched: true })).toEqual({
      ...{ action: 'update', certainty: 'exact', reason: 'files changed after it loaded them', differences: [], unfinished: true },
    })
  })

  it.each(['enabled', 'static', 'alias', 'indirect', 'generated', 'transient'])('takes a unit that is %s for enabled', (enabled) => {
    expect(planned({}, { enabled })).toBeUndefined()
    expect(planned({ enabled: false }, { enabled })?.reason).toBe(enabled === 'enabled' ? 'enabled instead of disabled' : undefined)
    expect(planned({ enabled: false }, { enabled: 'not-enabled' })).toBeUndefined()
  })

  it('takes a service that reloads for running', () => {
    expect(planned({}, { active: 'reloading' })).toBeUndefined()
    expect(planned({ running: false }, { active: 'reloading' })?.reason).toBe('running instead of stopped')
    expect(planned({ running: false, loads: [conf('/a/b')] }, { active: 'inactive', touched: true })).toBeUndefined()
    expect(planned({ loads: [conf('/a/b')] }, { active: 'inactive', sub: 'dead', touched: true })?.reason).toBe('not running')
  })

  it('counts files that it has not loaded, and is exact if one of them is', () => {
    const loads = [conf('/a/b'), made('/a/c'), conf('/a/d')]
    const stamp = { at: '1', sums: new Map<string, string>() }
    const keys = loads.map(({ id }) => `file:${id}`)
    expect(planned({ loads }, { stamp })).toMatchObject({
      ...{ reason: 'runs with an older /a/b and 2 more', certainty: 'exact', unfinished: true },
      differences: [{ key: 'loaded', from: 'older', to: '/a/b, /a/c, /a/d' }],
    })
    const two = { loads: loads.slice(0, 2) }
    expect(planned(two, {}, { changes: (key) => keys.includes(key) })).toMatchObject({
      reason: 'runs with an older /a/b and 1 more',
      certainty: 'exact',
    })
    expect(planned({ loads: [made('/a/c')] }, {}, { changes: (key) => keys.includes(key) })).toMatchObject({
      reason: 'runs with an older /a/c',
      certainty: 'dependent',
    })
    expect(planned({ loads: [made('/a/c')] }, {}, { changes: (key) => keys.includes(key) })).not.toHaveProperty('unfinished')
    expect(planned(two, { stamp }, { changes: (key) => key === keys[0] })).toHaveProperty('unfinished', true)
    expect(planned({ restarts: loads.slice(0, 1) }, { stamp })?.reason).toBe('runs with an older /a/b')
  })

  it('loads nothing for a service without files, or for files that it has loaded', () => {
    expect(planned({}, { reloadFailed: true, touched: true })).toBeUndefined()
    const [one] = resourceFilesOf(conf('/a/b'))
    const stamp = { at: '1', sums: new Map([['/a/b', one ?? '']]) }
    expect(planned({ loads: [conf('/a/b')] }, { stamp, reloadFailed: true, touched: true })).toBeUndefined()
  })

  it('loads again if an orphan beside its files is deleted', () => {
    const reason = (directory: string, deleted: string) =>
      planned({ loads: [conf(`${directory}/a`)] }, {}, { deleted: new Set([deleted]) })?.reason
    expect([reason('/a', '/a/x'), reason('/a', '/b/x'), reason('/etc', '/etc/x')]).toEqual([
      'orphan in /a to be deleted',
      undefined,
      undefined,
    ])
  })

  it('is dependent for a unit that systemd does not know', () => {
    expect(planned({}, { load: 'not-found', active: 'inactive', sub: 'dead' })).toMatchObject({ action: 'create', certainty: 'dependent' })
  })

  it.each(['/etc/systemd/system', '/run/systemd/system', '/usr/local/lib/systemd/system', '/usr/lib/systemd/system', '/etc/init.d'])(
    'waits for a unit that a change below %s may bring',
    (place) => {
      const forbids = (directory: string) =>
        service.kind.forbids?.(web().spec, { ...running, load: 'not-found' }, { ...context, changesBelow: (one) => one === directory })
      expect([forbids(place), forbids('/srv')?.what]).toEqual([undefined, 'unit web.service does not exist'])
    },
  )

  it('knows which units systemd would refuse to start', () => {
    const masked = (runs: boolean, enabled: boolean, load = 'masked') =>
      isMasked(web({ running: runs, enabled }).spec, { ...running, load })
    expect([masked(true, false), masked(false, true), masked(false, false), masked(true, true, 'loaded')]).toEqual([
      true,
      true,
      false,
      false,
    ])
  })

  it('is never stopped because no role declares it, and goes with its unit', () => {
    expect(service.kind.orphan).toMatchObject({ keep: expect.any(String) })
    const { orphan } = service.kind
    expect(orphan !== undefined && 'goesWith' in orphan && orphan.goesWith?.('a.service')).toBe('/etc/systemd/system/a.service')
  })
})
const resourceFilesOf = ({ kind, spec }: Resource): readonly string[] => (kind.files?.(spec) ?? []).map(({ sha256 }) => sha256)

describe('the options of a service', () => {
  it('have one entry for each file, and defaults', () => {
    const { spec } = web({ loads: [conf('/a/b'), conf('/a/b'), unit({ name: 'x.service', content: 'x' })] })
    expect(spec.loads.map(({ path, key }) => [path, key])).toEqual([
      ['/a/b', 'file:/a/b'],
      ['/etc/systemd/system/x.service', 'unit:x.service'],
    ])
    expect(web().spec).toEqual({ unit: 'web.service', running: true, enabled: true, loads: [], restarts: [], reload: 'reload' })
    for (const wrong of [
      { set: 'Web' },
      { set: '-a' },
      { set: 'a/b' },
      { took: 'true' },
      { reload: 'stop' },
      { loads: [null] },
      { loads: [{}] },
    ])
      expect(() => web(wrong as never)).toThrow()
  })

  it('of another kind can be a service, and nothing else', () => {
    expect(serviceOption.parse(web()).unit).toBe('web.service')
    for (const wrong of [undefined, null, {}, 'web.service', conf('/a')]) expect(serviceOption.safeParse(wrong).success).toBe(false)
  })
})

const hasAnalyze = spawnSync('systemd-analyze', ['security', '--help'], { encoding: 'utf8' }).stdout?.includes('--offline') ?? false

describe.skipIf(!hasAnalyze)('a sandbox, judged by systemd', () => {
  /** Restrictions that systemd-analyze misses in a unit of an account without rights. */
  const open = (...of: Parameters<typeof sandbox>): readonly string[] => {
    const root = mkdtempSync(join(tmpdir(), 'sandbox-'))
    onTestFinished(() => rmSync(root, { recursive: true }))
    writeFileSync(join(root, 'x.service'), `[Service]\nExecStart=/bin/true\nUser=daemon\n${settingLines(sandbox(...of))}`)
    const { stdout } = spawnSync('systemd-analyze', ['security', '--offline=true', '--json=short', join(root, 'x.service')], {
      encoding: 'utf8',
    })
    const rows: readonly { set: boolean | null; json_field: string; exposure: string }[] = JSON.parse(stdout)
    return rows
      .flatMap(({ set, json_field, exposure }) =>
        set === false ? [json_field === 'IPAddressDeny' ? `${json_field} ${exposure}` : json_field] : [],
      )
      .toSorted()
  }

  // The root directory is that of the host, PrivateMounts is implied, and closed devices are still a list.
  const BASE = ['DeviceAllow', 'PrivateMounts', 'RestrictAddressFamilies_AF_UNIX', 'RootDirectoryOrRootImage']
  const beyond = (...of: Parameters<typeof sandbox>) => open(...of).filter((one) => !BASE.includes(one))

  it('leaves nothing else open by default', () => {
    expect(open()).toEqual(BASE)
  })

  it.each<[string, Parameters<typeof sandbox>[0], readonly string[]]>([
    ['addresses of this host', { network: 'loopback' }, ['IPAddressDeny 0.1', 'PrivateNetwork', 'RestrictAddressFamilies_AF_INET_INET6']],
    ['any address', { network: 'all' }, ['IPAddressDeny 0.2', 'PrivateNetwork', 'RestrictAddressFamilies_AF_INET_INET6']],
    ['netlink', { network: 'kernel' }, ['PrivateNetwork', 'RestrictAddressFamilies_AF_NETLINK']],
    [
      'raw packets, as root',
      { capabilities: ['CAP_NET_RAW'] },
      [expect.stringMatching(/^CapabilityBoundingSet_CAP_NET_.*RAW/), 'PrivateUsers'],
    ],
    [
      'raw packets, as another account',
      { capabilities: ['CAP_NET_RAW'], ambient: true },
      ['AmbientCapabilities', expect.stringMatching(/^CapabilityBoundingSet_CAP_NET_.*RAW/), 'PrivateUsers'],
    ],
    // Programs that choose the account of a process need calls that systemd counts as privileged.
    ['other owners', { capabilities: ['CAP_CHOWN'] }, [expect.stringContaining('CHOWN'), 'PrivateUsers', 'SystemCallFilter_privileged']],
    ['other groups', { capabilities: ['CAP_SETGID'] }, [expect.stringContaining('GID'), 'PrivateUsers', 'SystemCallFilter_privileged']],
    ['other accounts', { capabilities: ['CAP_SETUID'] }, [expect.stringContaining('UID'), 'PrivateUsers', 'SystemCallFilter_privileged']],
    [
      'another root directory',
      { capabilities: ['CAP_SYS_CHROOT'] },
      [expect.stringContaining('CHROOT'), 'PrivateUsers', 'SystemCallFilter_mount', 'SystemCallFilter_privileged'],
    ],
  ])('opens what a program needs, and nothing else: %s', (_, needs, opened) => {
    expect(beyond(needs)).toEqual(opened)
  })
})
