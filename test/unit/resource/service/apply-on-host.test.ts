import { describe, expect, it } from 'vitest'
import { service } from '../../../../src/resource/service/service.ts'
import { CONF, serviceHost } from './service-host.ts'

type Options = NonNullable<Parameters<ReturnType<typeof serviceHost>['change']>[0]>

const ON = {}
const OFF = { running: false, enabled: false }
const STOPPED = { ActiveState: 'inactive' }
const SYSV = { UnitFileState: 'generated', SourcePath: '/etc/init.d/web' }
const UNMASK = ['unmask -q -- web.service', 'unmask -q --runtime -- web.service']
const ENABLE = 'enable -q -- web.service'
const DISABLE = 'disable -q -- web.service'
const START = ['reset-failed -- web.service', 'start -- web.service']
const STOP = 'stop -- web.service'

describe('a unit on a host', () => {
  it.each<[string, Record<string, string>, Options, readonly string[]]>([
    ['that is as declared', {}, ON, []],
    ['that is disabled', { UnitFileState: 'disabled' }, ON, [ENABLE]],
    ['that is enabled until the next boot', { UnitFileState: 'enabled-runtime' }, ON, [ENABLE]],
    ['that is disabled and does not run', { ...STOPPED, UnitFileState: 'disabled' }, ON, [ENABLE, ...START]],
    ['that is disabled, as declared', { ...STOPPED, UnitFileState: 'disabled' }, { enabled: false }, START],
    ['that is masked', { ...STOPPED, LoadState: 'masked', UnitFileState: 'masked' }, ON, [...UNMASK, ENABLE, ...START]],
    [
      'that is masked, and starts at boot only',
      { LoadState: 'masked', UnitFileState: 'masked' },
      { running: false },
      [...UNMASK, ENABLE, STOP],
    ],
    ['that is masked, and is started by others', { LoadState: 'masked', UnitFileState: 'disabled' }, { enabled: false }, UNMASK],
    ['that is masked and must not run', { LoadState: 'masked', UnitFileState: 'masked' }, OFF, [STOP]],
    ['that is masked until the next boot and must not run', { LoadState: 'masked', UnitFileState: 'masked-runtime' }, OFF, [STOP]],
    ['that must not run', {}, OFF, [STOP, DISABLE]],
    ['that is disabled and must not run', { UnitFileState: 'disabled' }, OFF, [STOP]],
    ...['static', 'alias', 'indirect', 'generated', 'transient', ''].flatMap(
      (state): [string, Record<string, string>, Options, readonly string[]][] => [
        [`that cannot be enabled (${state})`, { UnitFileState: state }, ON, []],
        [`that cannot be disabled (${state})`, { UnitFileState: state }, OFF, [STOP]],
      ],
    ),
    ['of SysV, in a runlevel', { ...SYSV, WantedBy: 'graphical.target multi-user.target' }, ON, []],
    ['of SysV, in a runlevel, that must not run', { ...SYSV, WantedBy: 'multi-user.target' }, OFF, [STOP, DISABLE]],
    ['of SysV, in none', { ...SYSV, WantedBy: 'my-multi-user.target' }, ON, [ENABLE]],
    ['of SysV, in none, that must not run', { ...SYSV, WantedBy: '' }, OFF, [STOP]],
    ['with a changed unit file', { NeedDaemonReload: 'yes', UnitFileState: 'disabled' }, ON, ['daemon-reload', ENABLE]],
  ])('%s', (_, properties, options, calls) => {
    const host = serviceHost()
    host.unit(properties)
    expect([host.change(options), host.calls()]).toEqual([undefined, calls])
  })

  it('that does not start is disabled again, unless it was enabled before', () => {
    const host = serviceHost()
    host.unit({ ...STOPPED, UnitFileState: 'disabled' })
    host.sh(': >fails/start')
    expect([host.change()?.what, host.calls()]).toEqual(['web.service did not start', [ENABLE, ...START, STOP, DISABLE]])
    for (const state of ['enabled', 'static']) {
      host.unit({ UnitFileState: state })
      expect([host.change()?.what, host.calls()]).toEqual(['web.service did not start', [...START, STOP]])
    }
    host.unit({ UnitFileState: 'disabled' })
    expect([host.change({ enabled: false })?.what, host.calls()]).toEqual(['web.service did not start', [...START, STOP]])
  })

  it('that is stopped has no stamp', () => {
    const host = serviceHost()
    host.change({ loads: [CONF] })
    expect(host.stamp()).toEqual(['8', 'present /etc/web/web.conf'])
    host.change(OFF)
    expect(host.stamp()).toEqual([])
  })

  it.each<[string, Record<string, string>, Options, readonly string[]]>([
    ['enable', { ...STOPPED, UnitFileState: 'disabled' }, ON, [ENABLE]],
    ['stop', {}, OFF, [STOP]],
    ['disable', {}, OFF, [STOP, DISABLE]],
    ['daemon-reload', { NeedDaemonReload: 'yes', UnitFileState: 'disabled' }, ON, ['daemon-reload']],
  ])('is not changed any further if systemctl cannot %s', (verb, properties, options, calls) => {
    const host = serviceHost()
    host.unit(properties)
    host.sh(`: >fails/${verb}`)
    expect(host.change(options)).toMatchObject({ what: 'service not changed (exit 1)', done: [] })
    expect(host.calls()).toEqual(calls)
  })

  it('that was changed before another failed counts as done', () => {
    const host = serviceHost()
    const late = service({ unit: 'late.service', loads: [CONF] })
    host.sh(': >fails/reload-late.service')
    expect(host.change({ loads: [CONF] }, late)).toMatchObject({
      what: 'late.service rejected its new configuration',
      done: ['web.service'],
    })
    expect(host.calls()).toEqual(['reload -- web.service', 'reload -- late.service'])
    host.sh('rm -f fails/*')
    host.unit({ StateChangeTimestampMonotonic: '20' })
    host.sh(': >fails/reload-web.service')
    expect(host.change({ loads: [CONF] }, late)).toMatchObject({ what: 'web.service rejected its new configuration', done: [] })
    expect(host.calls()).toEqual(['reload -- web.service'])
  })
})
