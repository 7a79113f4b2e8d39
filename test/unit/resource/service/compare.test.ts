import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { HostRefusal } from '../../../../src/resource/kind/step.ts'
import type { ServiceState } from '../../../../src/resource/service/observe.ts'
import { service } from '../../../../src/resource/service/service.ts'
import { type Here, here } from '../run-here.ts'

type Options = Omit<Parameters<typeof service>[0], 'unit'>
type Now = Partial<Record<'LoadState' | 'ActiveState' | 'UnitFileState' | 'NeedDaemonReload' | 'TriggeredBy', string>>

const UP: ServiceState = {
  ...{ load: 'loaded', active: 'active', sub: 'running', result: 'success', enabled: 'enabled' },
  ...{ needsDaemonReload: false, reloadFailed: false, stamp: undefined, touched: false, onDisk: new Map(), unfinishedSet: false },
}
const DOWN: ServiceState = { ...UP, active: 'inactive', sub: 'dead', enabled: 'disabled' }

let host: Here
beforeEach(() => {
  host = here('/etc/systemd/system', '/run/systemd/system', '/run/provision', '/var/lib/dpkg')
  host.sh('mkdir -p etc/systemd/system/multi-user.target.wants')
})
afterEach(() => host.remove())

/** systemd in which each unit has these properties, and changed its state at this moment. Every other command is recorded. */
const systemd = (units: Readonly<Record<string, Now>>, at = 'now'): void => {
  const since = host.sh(`date -u -d '${at}' '+%a %Y-%m-%d %H:%M:%S.%6N UTC'`).trim()
  const blocks = Object.entries(units).map(([unit, now]) => {
    const all = { LoadState: 'loaded', ActiveState: 'active', UnitFileState: 'enabled', NeedDaemonReload: 'no', TriggeredBy: '', ...now }
    const lines = Object.entries({ ...all, StateChangeTimestamp: since }).map(([key, value]) => `${key}=${value}`)
    return `${unit}) printf '%s\\n' ${lines.map((line) => `'${line}'`).join(' ')} ;;`
  })
  host.program(
    'systemctl',
    `case "$*" in show*StateChangeTimestamp,*)
  while [ "$1" != -- ]; do shift; done; shift; first=1
  for unit do [ "$first" ] || echo; first=; case $unit in ${blocks.join('\n')} esac; done; exit ;;
*Requires,*PartOf,*) printf 'other.service\n\nneeded@1.service third.service\n'; exit ;;
show*) echo active; exit ;; esac
echo "$*" >>${host.at('commands')}`,
  )
}
const commands = (): string => host.sh('cat commands 2>/dev/null')

const apply = (units: Readonly<Record<string, { readonly options: Options; readonly state: ServiceState }>>): HostRefusal | undefined => {
  const work = Object.entries(units).map(([unit, { options, state }]) => {
    const { id, spec } = service({ unit, ...options })
    return { id, spec, state, change: { action: 'update' as const, certainty: 'exact' as const, reason: '', differences: [] } }
  })
  return host.apply(work, service.kind)
}
const IDLE: Options = { running: false, enabled: false }

describe('a unit that somebody changed between observation and change', () => {
  it.each<[string, Options, ServiceState, Now]>([
    ['stopped', {}, UP, { ActiveState: 'inactive' }],
    ['disabled', {}, UP, { UnitFileState: 'disabled' }],
    ['masked', {}, UP, { LoadState: 'masked', UnitFileState: 'masked' }],
    ['masked', { enabled: false }, { ...UP, enabled: 'disabled' }, { LoadState: 'masked', UnitFileState: 'masked-runtime' }],
    ['started', IDLE, DOWN, { ActiveState: 'activating', UnitFileState: 'disabled' }],
    ['enabled', IDLE, DOWN, { ActiveState: 'inactive', UnitFileState: 'enabled-runtime' }],
  ])('keeps it as it is: %s', (how, options, state, now) => {
    systemd({ 'a.service': {}, 'b.service': now })
    expect(apply({ 'a.service': { options: {}, state: { ...UP, active: 'failed' } }, 'b.service': { options, state } })).toMatchObject({
      what: 'service b.service not changed',
      why: `b.service is not as it was observed: it was ${how} meanwhile`,
      fix: 'run again: the next plan starts from the present state',
      ...{ done: [], culprit: 'b.service' },
    })
    expect(commands()).toBe('')
  })

  it.each<[string, Options, ServiceState, Now]>([
    ['it was as planned already', {}, DOWN, {}],
    ['it was stopped and disabled as planned already', IDLE, UP, { ActiveState: 'inactive', UnitFileState: 'disabled' }],
    ['it failed', {}, UP, { ActiveState: 'failed' }],
    ['a timer started it', IDLE, { ...DOWN, enabled: 'static' }, { UnitFileState: 'static', TriggeredBy: 'b.timer' }],
    ['it did not exist', {}, { ...DOWN, load: 'not-found', enabled: '' }, { ActiveState: 'inactive', UnitFileState: 'disabled' }],
    ['it is a SysV service', {}, UP, { UnitFileState: 'generated' }],
  ])('goes on where %s', (_, options, state, now) => {
    systemd({ 'b.service': now })
    expect(apply({ 'b.service': { options, state } })?.why ?? '').not.toContain('observed')
  })

  it('reads changed unit files once for all units, and only then', () => {
    systemd({ 'a.service': {}, 'b.service': { NeedDaemonReload: 'yes' } })
    apply({ 'a.service': { options: {}, state: UP }, 'b.service': { options: {}, state: UP } })
    expect(commands().match(/daemon-reload/g)).toHaveLength(1)
    host.sh('rm commands')
    systemd({ 'a.service': {} })
    apply({ 'a.service': { options: {}, state: UP } })
    expect(commands()).not.toContain('daemon-reload')
  })

  it('is an error if systemd leaves one out', () => {
    systemd({ 'a.service': {} })
    host.program('systemctl', 'echo LoadState=loaded')
    expect(apply({ 'a.service': { options: {}, state: UP }, 'b.service': { options: {}, state: UP } })?.why).toBe(
      'systemctl did not describe all units',
    )
  })
})

describe('a step of the run itself', () => {
  const stopped = { 'b.service': { ActiveState: 'inactive' } }
  const one = { 'b.service': { options: {}, state: UP } }

  it('may have stopped the unit, or let it stop a moment later', () => {
    host.sh('touch -d @1700000000 T/step.1.from; touch -d @1700000010 T/step.1.to')
    for (const [at, isOfRun] of [
      ['@1699999999', false],
      ['@1700000005', true],
      ['@1700000010.5', true],
      ['@1700000012', false],
    ] as const) {
      systemd(stopped, at)
      expect([at, apply(one)?.why.includes('observed') !== true]).toEqual([at, isOfRun])
    }
  })

  it('may have disabled the unit', () => {
    systemd({ 'b.service': { UnitFileState: 'disabled' } })
    host.sh('touch -d "1 minute ago" etc/systemd/system etc/systemd/system/*')
    expect(apply(one)?.why).toContain('it was disabled meanwhile')
    host.sh('touch -d "2 minutes ago" T/step.1.from')
    expect(apply(one)?.why ?? '').not.toContain('observed')
    host.sh('touch -d "90 seconds ago" T/step.1.to')
    expect(apply(one)?.why).toContain('it was disabled meanwhile')
  })
})

describe('a package that this run installs', () => {
  const installing = 'mkdir -p var/lib/dpkg/info; touch -d @1700000000 T/install.1.from; touch -d @1700000010 T/install.1.to'
  const has = (path: string, at = '@1700000005'): string =>
    `${installing}; echo ${path} >var/lib/dpkg/info/p.list; touch -d ${at} var/lib/dpkg/info/p.list`

  it.each([
    ['may have stopped its own unit', has('/lib/systemd/system/b.service'), true],
    ['may have stopped its own SysV service', has('/etc/init.d/b'), true],
    ['may have stopped a unit that needs its own', has('/usr/lib/systemd/system/needed@.service'), true],
    ['stops no unit of another package', has('/usr/lib/systemd/system/else.service'), false],
    ['stops no unit with a longer name', has('/usr/lib/systemd/system/b.service.d'), false],
    ['is another than one that was installed before', has('/lib/systemd/system/b.service', '@1600000000'), false],
  ])('%s', (_, script, isOfPackage) => {
    host.sh(script)
    systemd({ 'b.service': { ActiveState: 'inactive' } }, '@1700000005')
    expect(apply({ 'b.service': { options: {}, state: UP } })?.why.includes('observed') !== true).toBe(isOfPackage)
  })

  it('may have disabled its own unit only', () => {
    systemd({ 'b.service': { UnitFileState: 'disabled' } })
    const wants = 'touch -d @1700000005 etc/systemd/system etc/systemd/system/*'
    const one = { 'b.service': { options: {}, state: UP } }
    for (const [script, isOfPackage] of [
      [has('/lib/systemd/system/needed@.service'), false],
      [has('/lib/systemd/system/b.service'), true],
      [has('/lib/systemd/system/b.service', '@1600000000'), false],
    ] as const) {
      host.sh(`${script}; ${wants}`)
      expect(apply(one)?.why.includes('observed') !== true).toBe(isOfPackage)
    }
    host.sh(`${has('/lib/systemd/system/b.service')}; touch -d @1700000020 etc/systemd/system etc/systemd/system/*`)
    expect(apply(one)?.why).toContain('it was disabled meanwhile')
  })

  it('does not excuse anything that happens after it was interrupted', () => {
    host.sh(`${has('/lib/systemd/system/b.service')}; rm T/install.1.to`)
    systemd({ 'b.service': { ActiveState: 'inactive' } }, '@1700000005')
    expect(apply({ 'b.service': { options: {}, state: UP } })?.why).toContain('it was stopped meanwhile')
  })
})
