import { describe, expect, it } from 'vitest'
import { link } from '../../../../src/resource/file/link.ts'
import { permissions } from '../../../../src/resource/file/permissions.ts'
import { ABSENT, type InodeState } from '../../../../src/resource/kind/inode.ts'
import type { Resource } from '../../../../src/resource/kind/kind.ts'
import type { Answers } from '../../../../src/resource/kind/queries.ts'
import { pkg } from '../../../../src/resource/package/package.ts'
import type { ServiceState } from '../../../../src/resource/service/observe.ts'
import { service } from '../../../../src/resource/service/service.ts'
import { NOTHING } from '../answers.ts'
import { context } from '../recorded.ts'
import { mine } from '../run-here.ts'
import { CONF, type ServiceHost, serviceHost } from './service-host.ts'

const CURRENT = link({ path: '/etc/web/current', target: '/srv/two' })
const LIBRARY = pkg({ name: 'libweb1' })
const KEY = permissions({ path: '/etc/web/key', mode: '640' })
const ALL = [CURRENT, LIBRARY, KEY]

/** Packages are `NAME ARCHITECTURE STATUS VERSION`. */
const hostWith = (target: string, mode: string, ...packages: readonly string[]): ServiceHost => {
  const host = serviceHost()
  host.program(
    'dpkg-query',
    `cd ${host.root}; echo "$*" >>asked; [ ! -e broken ] || exit 2
while read -r name rest; do for last do :; done; case " $* " in *" $name "*) printf 'fact\\tpackage:%s\\t%s\\n' "$name" "$rest" ;; esac; done <packages
exit 1`,
  )
  host.sh(
    `ln -s '${target}' etc/web/current; : >etc/web/key; chmod ${mode} etc/web/key; printf '%s\\n' ${packages.map((one) => `'${one}'`).join(' ')} >packages`,
  )
  return host
}
const OWNED = `${mine.owner} ${mine.group}`

describe('a service that depends on a link, a package and permissions', () => {
  it('has them in its stamp, and loads them once', () => {
    const host = hostWith('/srv/one', '600', 'libweb1 amd64 installed 1.0-1', 'other amd64 installed 9')
    expect(host.change({ restarts: ALL })).toBeUndefined()
    expect(host.calls()).toEqual(['reload -- web.service'])
    expect(host.stamp()).toEqual([
      '8',
      'fact\tlink:/etc/web/current\t/srv/one',
      `fact\tpermissions:/etc/web/key\t600 ${OWNED}`,
      'fact\tpackage:libweb1\tamd64 installed 1.0-1',
    ])
    expect(host.change({ restarts: ALL })).toBeUndefined()
    expect(host.calls()).toEqual([])
  })

  it.each([
    ['the target', 'ln -sfn /srv/two etc/web/current'],
    ['the version', 'echo "libweb1 amd64 installed 1.1-1" >packages'],
    ['the mode', 'chmod 640 etc/web/key'],
    ['the link itself', 'rm etc/web/current'],
  ])('restarts if %s changed, and reloads if it only loads them', (_, change) => {
    const host = hostWith('/srv/one', '600', 'libweb1 amd64 installed 1.0-1')
    host.change({ restarts: ALL })
    host.calls()
    host.sh(change)
    expect(host.change({ restarts: ALL })).toBeUndefined()
    expect(host.calls()).toEqual(['restart -- web.service'])
    const reloading = hostWith('/srv/one', '600', 'libweb1 amd64 installed 1.0-1')
    reloading.change({ loads: ALL })
    reloading.calls()
    reloading.sh(change)
    expect(reloading.change({ loads: ALL })).toBeUndefined()
    expect(reloading.calls()).toEqual(['reload -- web.service'])
  })

  it('reloads for a file, and does not restart for what did not change', () => {
    const host = hostWith('/srv/one', '600', 'libweb1 amd64 installed 1.0-1')
    host.change({ loads: [CONF], restarts: ALL })
    host.calls()
    host.sh('echo newer >etc/web/web.conf')
    host.change({ loads: [CONF], restarts: ALL })
    expect(host.calls()).toEqual(['reload -- web.service'])
  })

  it('takes no line from the target of a link', () => {
    const host = hostWith('/srv/x\nfact\tpackage:libweb1\tamd64 installed 9', '600', 'libweb1 amd64 installed 1.0-1')
    expect(host.change({ restarts: [CURRENT, LIBRARY] })).toBeUndefined()
    expect(host.stamp()).toEqual([
      '8',
      'fact\tlink:/etc/web/current\t/srv/x?fact?package:libweb1?amd64 installed 9',
      'fact\tpackage:libweb1\tamd64 installed 1.0-1',
    ])
  })
})

const target = (to: string): InodeState => ({ type: 'l', mode: '777', owner: 'root', group: 'root', target: to })
const file = (mode: string): InodeState => ({ type: 'f', mode, owner: 'root', group: 'web', target: '' })
const STAMP = [
  '7',
  'fact\tlink:/etc/web/current\t/srv/one',
  'fact\tpermissions:/etc/web/key\t600 root web',
  'fact\tpackage:libweb1\tamd64 installed 1.0-1',
]

interface Now {
  readonly to?: InodeState
  readonly key?: InodeState
  readonly packages?: string
  readonly stamp?: readonly string[]
  readonly changed?: Answers['changed']
}

const stateWith = (restarts: readonly Resource[], now: Now = {}): ServiceState => {
  const { to = target('/srv/one'), key = file('600'), packages = 'fact\tpackage:libweb1\tamd64 installed 1.0-1\n', stamp = STAMP } = now
  const properties = Object.entries({
    ...{ LoadState: 'loaded', ActiveState: 'active', UnitFileState: 'enabled', StateChangeTimestampMonotonic: '7' },
    StateChangeTimestamp: 'Mon 2026-11-23 17:00:03.500000 UTC',
  })
  const { spec } = service({ unit: 'web.service', restarts: [...restarts] })
  const state = service.kind
    .observe([spec])
    .parse(Buffer.from(packages), {
      ...NOTHING,
      inodes: new Map([
        ['/etc/web/current', to],
        ['/etc/web/key', key],
      ]),
      texts: new Map([['/run/provision/loaded/web.service', stamp]]),
      units: new Map([['web.service', new Map(properties)]]),
      ...(now.changed !== undefined && { changed: now.changed }),
    })
    .get('web.service')
  if (state === undefined) throw new Error('not observed')
  return state
}
const planWith = (restarts: readonly Resource[], now: Now = {}, changing: readonly string[] = []) => {
  const { spec } = service({ unit: 'web.service', restarts: [...restarts] })
  return service.kind.plan(spec, stateWith(restarts, now), { ...context, changes: (key) => changing.includes(key) })
}

describe('the plan of such a service', () => {
  it('is empty while it has loaded what is there', () => {
    expect(planWith(ALL)).toBeUndefined()
  })

  it.each<[string, Now]>([
    ['link /etc/web/current', { to: target('/srv/two') }],
    ['link /etc/web/current', { to: ABSENT }],
    ['permissions /etc/web/key', { key: file('640') }],
    ['package libweb1', { packages: 'fact\tpackage:libweb1\tamd64 installed 1.1-1\n' }],
    ['package libweb1', { packages: 'fact\tpackage:libweb1\tamd64 config-files 1.0-1\n' }],
    ['package libweb1', { packages: '' }],
  ])('finishes an interrupted change of %s', (what, now) => {
    expect(planWith(ALL, now)).toMatchObject({ certainty: 'exact', reason: `runs with an older ${what}`, unfinished: true })
  })

  it.each([
    [CURRENT, 'exact'],
    [KEY, 'exact'],
    [LIBRARY, 'dependent'],
  ] as const)('follows a change of this run, also without a stamp: %#', (resource, certainty) => {
    const key = `${resource.kind.name}:${resource.id}`
    for (const stamp of [STAMP, []]) {
      const change = planWith(ALL, { stamp }, [key])
      expect(change).toMatchObject({ certainty, reason: `runs with an older ${key.replace(':', ' ')}` })
      expect(change?.unfinished).toBeUndefined()
    }
  })

  it('restarts nothing that somebody restarted since', () => {
    const stamp = ['6', ...STAMP.slice(1)]
    expect(planWith(ALL, { stamp, to: target('/srv/two') })).toBeUndefined()
  })

  it('sees without a stamp that a link was replaced after the start, and not that a file with permissions was written', () => {
    const later = (path: string) => new Map([[path, Date.parse('2026-11-23T17:00:09Z') * 1000]])
    expect(planWith(ALL, { stamp: [], changed: later('/etc/web/current') })?.reason).toBe('files changed after it loaded them')
    expect(planWith(ALL, { stamp: [], changed: later('/etc/web/key') })).toBeUndefined()
  })

  it('knows the architecture that a package names', () => {
    const foreign = pkg({ name: 'libweb1:i386' })
    const packages = 'fact\tpackage:libweb1\tamd64 installed 2\nfact\tpackage:libweb1\ti386 installed 1\n'
    const stamp = ['7', 'fact\tpackage:libweb1\tamd64 installed 1', 'fact\tpackage:libweb1\ti386 installed 1']
    expect(planWith([foreign], { packages, stamp })).toBeUndefined()
    expect(planWith([LIBRARY], { packages, stamp })?.reason).toBe('runs with an older package libweb1')
  })
})

describe('before a run changes one of them', () => {
  const owe = (host: ServiceHost, more: Partial<ServiceState>) => {
    const resource = service({ unit: 'web.service', loads: [CONF], restarts: ALL })
    const state = { ...stateWith(ALL), stamp: undefined, ...more }
    const steps = service.kind.triggers?.owe?.([{ id: 'web.service', spec: resource.spec, state, keys: ['link:/etc/web/current'] }])
    let next = steps?.next()
    while (next !== undefined && next.done !== true) {
      if (next.value.do !== 'shell') throw new Error('another step')
      next = steps?.next(host.run(String(next.value.script)))
    }
  }

  it('is named by its key', () => {
    const keys = (resource: Resource) => service.kind.triggers?.keys(resource.spec as never)
    expect(keys(service({ unit: 'web.service', loads: [CONF, LIBRARY], restarts: [CURRENT] }))).toEqual([
      'package:libweb1',
      'link:/etc/web/current',
    ])
    expect(keys(service({ unit: 'web.service', loads: [CONF] }))).toEqual([])
  })

  it('a service without a stamp gets one, so that an interrupted run still restarts it', () => {
    const host = hostWith('/srv/one', '600', 'libweb1 amd64 installed 1.0-1')
    owe(host, {})
    expect(host.stamp()).toEqual([
      '7',
      'present /etc/web/web.conf',
      'fact\tlink:/etc/web/current\t/srv/one',
      `fact\tpermissions:/etc/web/key\t600 ${OWNED}`,
      'fact\tpackage:libweb1\tamd64 installed 1.0-1',
    ])
    expect(host.calls()).toEqual([])
    host.sh('chmod 640 etc/web/key')
    expect(host.change({ loads: [CONF], restarts: ALL })).toBeUndefined()
    expect(host.calls()).toEqual(['restart -- web.service'])
  })

  it('files that it has not loaded yet stay due', () => {
    const host = hostWith('/srv/one', '600')
    owe(host, { touched: true })
    expect(host.stamp()).toEqual(['7', 'fact\tlink:/etc/web/current\t/srv/one', `fact\tpermissions:/etc/web/key\t600 ${OWNED}`])
  })

  it('a valid stamp stays, and a service that does not run gets none', () => {
    const host = hostWith('/srv/one', '600')
    owe(host, { active: 'inactive' })
    expect(host.stamp()).toEqual([])
    host.sh('printf "7\\nkept\\n" >run/provision/loaded/web.service')
    owe(host, {})
    expect(host.stamp()).toEqual(['7', 'kept'])
    host.sh('printf "6\\nold\\n" >run/provision/loaded/web.service')
    owe(host, {})
    expect(host.stamp()[0]).toBe('7')
  })

  it('the run stops if that fails', () => {
    const host = hostWith('/srv/one', '600', 'libweb1 amd64 installed 1')
    host.sh('rm -r run/provision/loaded; : >run/provision/loaded')
    expect(() => owe(host, {})).toThrow('it was not recorded what services have loaded')
  })
})

it('a failing dpkg-query is no answer', () => {
  const host = hostWith('/srv/one', '600', 'libweb1 amd64 installed 1')
  const { script } = service.kind.observe([service({ unit: 'web.service', restarts: [LIBRARY] }).spec])
  expect(host.run(`set -e; ${script}`).code).toBe(0)
  host.sh(': >broken')
  expect(host.run(`set -e; ${script}`).code).not.toBe(0)
})
