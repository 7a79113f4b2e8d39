import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { directory } from '../../../../src/resource/file/directory.ts'
import { file } from '../../../../src/resource/file/file.ts'
import { text } from '../../../../src/resource/kind/content.ts'
import type { PlanContext } from '../../../../src/resource/kind/kind.ts'
import { type Answers, unitQuery } from '../../../../src/resource/kind/queries.ts'
import { readStamp } from '../../../../src/resource/kind/stamp.ts'
import { type Answer, HostRefusal } from '../../../../src/resource/kind/step.ts'
import { checkLoaded } from '../../../../src/resource/service/load.ts'
import type { ServiceState } from '../../../../src/resource/service/observe.ts'
import { service } from '../../../../src/resource/service/service.ts'
import { scriptOf } from '../../../../src/testing/query-script.ts'
import { inodesOf, linesBy, NOTHING } from '../answers.ts'

const conf = file({ path: '/etc/nginx/nginx.conf', content: 'events {}\nhttp { server { listen 127.0.0.1:8001; } }\n' })
const LOADED = 'bb09b1bc02cc8f4175eadce2f91e3394a95515481a06e117a6655dffaabc4f51'
const gone = file({ path: '/etc/nginx/absent.conf', state: 'absent' })
const nginx = service({ unit: 'nginx.service', loads: [conf, gone], set: 'nginx' })
const specs = [nginx, service({ unit: 'mysql.service' }), service({ unit: 'nothing.service' }), service({ unit: 'broken.service' })].map(
  ({ spec }) => spec,
)
/** A recording holds units, stamps, digests, times and sets, each closed by NUL. */
const recorded = (name: string) => {
  const sections = readFileSync(new URL(`../../../fixtures/debian-12/${name}.txt`, import.meta.url), 'utf8').split('\0')
  const [units = '', stamps = '', sums = '', times = '', sets = ''] = sections
  const changed = new Map(
    times
      .split('\n')
      .flatMap((line) =>
        /^(\d+)\.(\d{6}) (.*)$/.exec(line)
          ? [[line.slice(line.indexOf(' ') + 1), Number(line.slice(0, line.indexOf(' ')).replace('.', ''))] as const]
          : [],
      ),
  )
  const files = specs.flatMap(({ loads, restarts }) => [...loads, ...restarts]).map(({ path }) => path)
  const said: Answers = {
    ...NOTHING,
    changed,
    inodes: inodesOf(changed.keys(), files),
    digests: new Map(
      sums.split('\n').flatMap((line) => (/^[0-9a-f]{64} /.test(line) ? [[line.slice(66), line.slice(0, 64)] as const] : [])),
    ),
    texts: linesBy(':', stamps.split('\n')),
    units: unitQuery(specs.map(({ unit }) => unit)).read(Buffer.from(units)),
  }
  return service.kind.observe(specs).parse(Buffer.from(sets), said)
}

const context = (changing: readonly string[] = []): PlanContext => ({
  now: new Date(0),
  packagesPending: false,
  changes: (key) => changing.includes(key),
  members: () => new Map(),
})
const plan = (resource: ReturnType<typeof service>, state: ServiceState | undefined, changing: readonly string[] = []) => {
  if (state === undefined) throw new Error('not observed')
  const change = service.kind.plan(resource.spec, state, context(changing))
  return change && `${change.action} ${change.certainty} ${change.reason}`
}

const running: ServiceState = {
  load: 'loaded',
  active: 'active',
  sub: 'running',
  result: 'success',
  enabled: 'enabled',
  needsDaemonReload: false,
  reloadFailed: false,
  stamp: {
    at: '1',
    sums: new Map([
      ['/etc/nginx/nginx.conf', LOADED],
      ['/etc/nginx/absent.conf', 'absent'],
    ]),
  },
  touched: false,
  onDisk: new Map(),
  unfinishedSet: false,
}
const unstamped: ServiceState = { ...running, stamp: undefined }

describe('observing services', () => {
  it('reads a recorded answer, with an alias and a missing unit', () => {
    const state = recorded('service')
    expect(state.get('nginx.service')).toEqual(running && { ...running, stamp: { ...running.stamp, at: '3482060936' } })
    expect(state.get('mysql.service')).toMatchObject({ load: 'loaded', active: 'inactive', enabled: 'disabled' })
    expect(state.get('nothing.service')).toMatchObject({ load: 'not-found' })
    expect(state.get('broken.service')).toMatchObject({ active: 'failed', result: 'exit-code', enabled: 'static' })
  })

  it('ignores the stamp of a unit that somebody else restarted, and uses file times', () => {
    expect(recorded('service-restarted-by-hand').get('nginx.service')).toMatchObject({ stamp: undefined, touched: false })
  })

  // Edited within a millisecond of the start: the file's own time is the kernel's last tick, which was before it.
  it('detects an edit right after the start, and an interrupted change', () => {
    expect(recorded('service-touched').get('nginx.service')).toMatchObject({ stamp: undefined, touched: true, unfinishedSet: true })
  })

  it('throws on an incomplete answer', () => {
    const whole = readFileSync(new URL('../../../fixtures/debian-12/service.txt', import.meta.url))
    expect(() => unitQuery(specs.map(({ unit }) => unit)).read(whole.subarray(0, 300))).toThrow('systemctl described')
    expect(() => service.kind.observe(specs).parse(Buffer.alloc(0), NOTHING)).toThrow('systemctl reported nothing')
  })

  it('costs the same number of processes for one and for many', () => {
    const count = (script: string) => script.split('\n').filter((line) => /^(systemctl|grep|find|sha256sum)/.test(line)).length
    const many = Array.from(
      { length: 200 },
      (_, i) => service({ unit: `s${i}.service`, loads: [file({ path: `/etc/s${i}`, content: '' })] }).spec,
    )
    expect(count(scriptOf(service.kind.observe(many)))).toBe(count(scriptOf(service.kind.observe([nginx.spec]))))
  })
})

describe('planning a service', () => {
  it.each<[string, ServiceState, string | undefined]>([
    ['as wanted', running, undefined],
    [
      'not there',
      { ...running, load: 'not-found', active: 'inactive', sub: 'dead', enabled: '' },
      'create dependent not running, not enabled',
    ],
    ['stopped', { ...running, active: 'inactive', sub: 'dead' }, 'update exact not running'],
    ['failed', { ...running, active: 'failed', result: 'exit-code' }, 'update exact not running, last start failed (exit-code)'],
    [
      'dying again and again',
      { ...running, active: 'activating', sub: 'auto-restart', result: 'signal' },
      'update exact restarting after failures (signal)',
    ],
    ['disabled', { ...running, enabled: 'disabled' }, 'update exact not enabled'],
    ['enabled until the next boot only', { ...running, enabled: 'enabled-runtime' }, 'update exact not enabled'],
    ['without anything to enable', { ...running, enabled: 'static' }, undefined],
    ['masked', { ...running, load: 'masked', enabled: 'masked' }, 'update exact masked, not enabled'],
    ['its unit file not read', { ...running, needsDaemonReload: true }, 'update exact changed unit file not read by systemd'],
    [
      'another file loaded',
      {
        ...running,
        stamp: {
          at: '1',
          sums: new Map([
            ['/etc/nginx/nginx.conf', 'f'.repeat(64)],
            ['/etc/nginx/absent.conf', 'absent'],
          ]),
        },
      },
      'update exact runs with an older /etc/nginx/nginx.conf',
    ],
    [
      'one file of the stamp missing',
      { ...running, stamp: { at: '1', sums: new Map([['/etc/nginx/nginx.conf', LOADED]]) } },
      'update exact runs with an older /etc/nginx/absent.conf',
    ],
    ['no stamp, older files', unstamped, undefined],
    ['no stamp, a newer file', { ...unstamped, touched: true }, 'update exact files changed after it loaded them'],
    ['no stamp, a failed reload', { ...unstamped, reloadFailed: true }, 'update exact last reload failed'],
    ['a cut between load and forgetting', { ...running, unfinishedSet: true }, 'update exact earlier change of its files interrupted'],
  ])('%s', (_, state, expected) => {
    expect(plan(nginx, state)).toBe(expected)
  })

  it('predicts the reload for a planned change of a file, with and without a stamp', () => {
    const other = service({ unit: 'nginx.service', loads: [file({ path: '/etc/nginx/nginx.conf', content: 'new' }), gone] })
    expect(plan(other, running, ['file:/etc/nginx/nginx.conf'])).toBe('update exact runs with an older /etc/nginx/nginx.conf')
    expect(plan(other, unstamped, ['file:/etc/nginx/nginx.conf'])).toBe('update exact runs with an older /etc/nginx/nginx.conf')
  })

  it('is unfinished if the file is not loaded, but not if it is still to be written', () => {
    const other = service({ unit: 'nginx.service', loads: [file({ path: '/etc/nginx/nginx.conf', content: 'new' }), gone] })
    const isUnfinished = (state: ServiceState, changing: readonly string[] = []) =>
      service.kind.plan(other.spec, state, context(changing))?.unfinished ?? false
    expect(isUnfinished(running)).toBe(true)
    expect(isUnfinished(running, ['file:/etc/nginx/nginx.conf'])).toBe(false)
    expect(isUnfinished({ ...unstamped, touched: true })).toBe(true)
    expect(isUnfinished({ ...unstamped, reloadFailed: true })).toBe(true)
    expect(isUnfinished({ ...unstamped, active: 'inactive' })).toBe(false)
    expect(service.kind.plan(nginx.spec, { ...running, unfinishedSet: true }, context())?.unfinished).toBe(true)
    expect(service.kind.plan(nginx.spec, { ...running, enabled: 'disabled' }, context())?.unfinished).toBeUndefined()
  })

  // The environment of an application is beside the configuration of the database proxy, and goes with the application.
  it('is not concerned by a file of another role in a directory that roles share', () => {
    const loading = (path: string) => service({ unit: 'proxy.service', loads: [file({ path, content: '' })] })
    const change = (path: string, deleted: string) =>
      service.kind.plan(loading(path).spec, unstamped, { ...context(), deleted: new Set([deleted]) })?.reason
    expect(change('/etc/provision/database-proxy.cfg', '/etc/provision/provision-app-shop.env')).toBeUndefined()
    expect(change('/etc/nginx/sites/a.conf', '/etc/nginx/sites/b.conf')).toBe('orphan in /etc/nginx/sites to be deleted')
    const touchedIn = (directory: string): boolean | undefined => {
      const own = loading(`${directory}/own.conf`)
      const units = unitQuery(['proxy.service']).read(
        Buffer.from('LoadState=loaded\nActiveState=active\nStateChangeTimestamp=Mon 2026-11-23 17:15:03.000000 UTC\n'),
      )
      const [loaded, later] = [Date.parse('2026-11-23T17:00:00Z') * 1000, Date.parse('2026-11-23T18:00:00Z') * 1000]
      const changed = new Map([
        [`${directory}/own.conf`, loaded],
        [directory, later],
      ])
      const answers = { ...NOTHING, units, changed, inodes: inodesOf([`${directory}/own.conf`, directory], []) }
      return service.kind.observe([own.spec]).parse(Buffer.alloc(0), answers).get('proxy.service')?.touched
    }
    expect([touchedIn('/etc/provision'), touchedIn('/etc/nginx/sites')]).toEqual([false, true])
  })

  // The file differs from what is wanted because somebody edited it; the service never loaded that.
  it('needs no reload for a repaired file that it never loaded', () => {
    expect(plan(nginx, running, ['file:/etc/nginx/nginx.conf'])).toBe(undefined)
  })

  it('is dependent on content created in this run, and compares the disk afterwards', () => {
    const later = file({ path: '/etc/nginx/nginx.conf', content: text`${{ later: 'thumbprint', get: () => undefined }}` })
    const waiting = service({ unit: 'nginx.service', loads: [later, gone] })
    const onDisk = (sha256: string): ServiceState => ({ ...running, onDisk: new Map([['/etc/nginx/nginx.conf', sha256]]) })
    expect(plan(waiting, onDisk(LOADED), ['file:/etc/nginx/nginx.conf'])).toBe('update dependent runs with an older /etc/nginx/nginx.conf')
    expect(plan(waiting, onDisk(LOADED))).toBe(undefined)
    expect(plan(waiting, onDisk('f'.repeat(64)))).toBe('update exact runs with an older /etc/nginx/nginx.conf')
    // A directory is there now, or a link to nothing.
    expect(plan(waiting, running)).toBe('update exact runs with an older /etc/nginx/nginx.conf')
  })

  it.each<[string, Partial<ServiceState>, string | undefined]>([
    ['runs', {}, 'update exact running instead of stopped, enabled instead of disabled'],
    ['rests', { active: 'inactive', enabled: 'disabled' }, undefined],
    ['is not there', { active: 'inactive', enabled: '', load: 'not-found' }, undefined],
    ['is masked', { active: 'inactive', enabled: 'masked', load: 'masked' }, undefined],
    ['restarts repeatedly', { active: 'activating', enabled: 'disabled' }, 'update exact running instead of stopped'],
  ])('that must not run and %s', (_, state, expected) => {
    expect(plan(service({ unit: 'nginx.service', running: false, enabled: false }), { ...running, ...state })).toBe(expected)
  })

  it('accepts only resources with files in loads, and units by their full name', () => {
    expect(() => service({ unit: 'nginx.service', loads: [directory({ path: '/etc/nginx' })] })).toThrow('must be resources with files')
    for (const unit of ['nginx', '-a.service', 'a b.service', 'a/b.service', '$(x).service'])
      expect(() => service({ unit })).toThrow('with its suffix')
  })
})

describe('the answer of a load', () => {
  const answer = (code: number, stdout: string, stderr: string): Answer => ({ code, stdout: Buffer.from(stdout), stderr })
  const refusal = (stdout: string): HostRefusal => {
    try {
      checkLoaded(answer(1, stdout, 'bind() failed\n'), ['a.service'])
    } catch (error) {
      if (error instanceof HostRefusal) return error
    }
    throw new Error('was not refused')
  }

  it.each([
    ['start stopped', 'x.service did not start', 'it is stopped, as before'],
    ['reload restored', 'x.service rejected its new configuration', 'previous configuration is restored'],
    ['reload kept', 'x.service rejected its new configuration', 'still runs with the previous configuration'],
    ['restart down', 'x.service did not restart', 'is stopped now'],
  ])('%s', (words, what, fix) => {
    expect(refusal(`provision-doing: x\nprovision-refused x.service ${words}\n`)).toMatchObject({
      what,
      why: 'bind() failed',
      fix: expect.stringContaining(fix),
      done: ['a.service'],
    })
  })

  it.each([
    ['start', false],
    ['reload', true],
    ['restart', true],
  ])('of a %s keeps the hosts that share the service from the same: %s', (how, othersToo) => {
    expect(refusal(`provision-refused x.service ${how} restored\n`).othersToo).toBe(othersToo)
  })

  it('is reported unchanged if it is about something else', () => {
    expect(refusal('').what).toContain('service not changed')
    expect(() => checkLoaded(answer(0, '', ''))).not.toThrow()
  })
})

describe('a stamp', () => {
  it('reads names with a backslash in the format of sha256sum', () => {
    expect([...(readStamp(['1', `\\${LOADED}  /etc/a\\\\b`, 'absent /etc/c', 'nonsense'])?.sums ?? [])]).toEqual([
      ['/etc/a\\b', LOADED],
      ['/etc/c', 'absent'],
    ])
  })
})

describe('a unit that cannot be as declared', () => {
  const spec = service({ unit: 'shop.service' }).spec
  const unknown: ServiceState = { ...running, load: 'not-found', active: 'inactive', enabled: '' }
  const ended: ServiceState = { ...running, active: 'inactive', endsAtOnce: true }
  const refusal = (state: ServiceState, more: Partial<PlanContext> = {}, of = spec) =>
    service.kind.forbids?.(of, state, { ...context(), ...more })

  it('is refused before any change if systemd does not know it', () => {
    expect(refusal(unknown)).toMatchObject({
      what: 'unit shop.service does not exist',
      fix: expect.stringContaining('declare the package'),
    })
    expect(refusal(running)).toBeUndefined()
    expect(refusal(unknown, {}, service({ unit: 'shop.service', running: false, enabled: false }).spec)).toBeUndefined()
    expect(refusal(unknown, {}, service({ unit: 'shop.service', running: false }).spec)).toBeDefined()
  })

  it('is refused if it is a oneshot service that has ended', () => {
    expect(refusal(ended)).toMatchObject({ what: 'shop.service does not stay active', fix: expect.stringContaining('RemainAfterExit=yes') })
    expect(refusal({ ...ended, active: 'active' })).toBeUndefined()
    expect(refusal(ended, {}, service({ unit: 'shop.service', running: false }).spec)).toBeUndefined()
  })

  it.each<[string, Partial<PlanContext>]>([
    ['a package of the role', { packagesPending: true }],
    ['a package of another role', { anyPackagesPending: true }],
    ['a script', { opaquePending: true }],
    ['a unit file', { changesBelow: (directory) => directory === '/etc/systemd/system' }],
  ])('may be brought by %s', (_, more) => {
    expect([refusal(unknown, more), refusal(ended, more)]).toEqual([undefined, undefined])
    expect(refusal(unknown, { changesBelow: (directory) => directory === '/srv' })).toBeDefined()
  })

  it('is no template', () => {
    expect(() => service({ unit: 'worker@.service' })).toThrow('must be an instance of the template, such as worker@mail.service')
    expect(service({ unit: 'worker@mail.service' }).id).toBe('worker@mail.service')
  })
})

describe('reading a unit', () => {
  const read = (unit: string, properties: Record<string, string>, stdout = '') => {
    const found = new Map(Object.entries({ LoadState: 'loaded', ...properties }))
    return service.kind
      .observe([service({ unit }).spec])
      .parse(Buffer.from(stdout), { ...NOTHING, units: new Map([[unit, found]]) })
      .get(unit)
  }

  it('takes a SysV service for enabled only if it starts at boot', () => {
    const sysv = { UnitFileState: 'generated', SourcePath: '/etc/init.d/legacy' }
    expect(read('legacy.service', { ...sysv, WantedBy: 'graphical.target multi-user.target' })).toMatchObject({ enabled: 'enabled' })
    expect(read('legacy.service', { ...sysv, WantedBy: 'other.service' })).toMatchObject({ enabled: 'disabled' })
    expect(read('srv.mount', { UnitFileState: 'generated', SourcePath: '/etc/fstab', WantedBy: '' })).toMatchObject({
      enabled: 'generated',
    })
  })

  it('notices a oneshot service that does not stay active', () => {
    expect(read('a.service', { Type: 'oneshot', RemainAfterExit: 'no' })).toMatchObject({ endsAtOnce: true })
    expect(read('a.service', { Type: 'oneshot', RemainAfterExit: 'yes' })).not.toHaveProperty('endsAtOnce')
    expect(read('a.service', { Type: 'simple', RemainAfterExit: 'no' })).not.toHaveProperty('endsAtOnce')
  })

  it('takes a linked unit without [Install] for one that cannot be enabled', () => {
    const here = mkdtempSync(join(tmpdir(), 'units-'))
    onTestFinished(() => rmSync(here, { recursive: true }))
    writeFileSync(join(here, 'vendor-a'), '[Service]\nExecStart=/bin/true\n')
    writeFileSync(join(here, 'vendor-b'), '[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n')
    for (const name of ['a', 'b']) symlinkSync(`vendor-${name}`, join(here, `${name}.service`))
    symlinkSync('/dev/null', join(here, 'c.service'))
    const units = ['a', 'b', 'c', 'd'].map((name) => service({ unit: `${name}.service` }).spec)
    const script = String(service.kind.observe(units).script).replaceAll('/etc/systemd/system', here)
    const { stdout, status } = spawnSync('sh', ['-ec', script], { encoding: 'utf8' })
    expect({ status, stdout }).toEqual({ status: 0, stdout: 'not installable a.service\n' })
    expect(read('a.service', { UnitFileState: 'linked' }, stdout)).toMatchObject({ enabled: 'static' })
    expect(read('b.service', { UnitFileState: 'linked' }, stdout)).toMatchObject({ enabled: 'linked' })
  })

  it('asks systemd about instances and never about their template', () => {
    const query = unitQuery(['worker@.service', 'worker@mail.service'])
    expect(String(query.script)).toMatch(/-- worker@mail.service(;|$)/)
    expect([...query.read(Buffer.from('LoadState=loaded\n\n')).keys()]).toEqual(['worker@mail.service'])
    expect(String(unitQuery(['worker@.service']).script)).toBe('')
  })

  it('explains that a oneshot service is not active after its start', () => {
    const answer: Answer = {
      code: 1,
      stdout: Buffer.from('provision-refused once.service oneshot stopped\n'),
      stderr: 'Finished once.service.',
    }
    expect(() => checkLoaded(answer)).toThrow(expect.objectContaining({ what: 'once.service does not stay active' }))
  })
})
