import { describe, expect, it } from 'vitest'
import { HostRefusal } from '../../../../src/resource/kind/step.ts'
import { upgrade } from '../../../../src/resource/package/upgrade.ts'
import type { UpgradeState } from '../../../../src/resource/package/upgrade-spec.ts'
import { NOTHING } from '../answers.ts'
import { faultsOf } from '../faults.ts'
import { context } from '../recorded.ts'

/** What apt 2.6 of Debian 12 printed. */
const APT = `Reading package lists...
Building dependency tree...
Calculating upgrade...
The following packages were automatically installed and are no longer required:
  libunneeded1
The following packages have been kept back:
  held1 held2
  held3
The following NEW packages will be installed:
  linux-image-6.1.0-40-amd64
The following packages will be upgraded:
  base-files haproxy
2 upgraded, 1 newly installed, 0 to remove and 3 not upgraded.
Inst base-files [12.4+deb12u11] (12.4+deb12u12 Debian:12.12/oldstable [amd64])
Conf base-files (12.4+deb12u12 Debian:12.12/oldstable [amd64])
Inst linux-image-6.1.0-40-amd64 (6.1.153-1 Debian:12.12/oldstable, Debian-Security:12/oldstable-security [amd64])
Inst haproxy [2.6.12-1+deb12u2] (2.6.12-1+deb12u3 Debian-Security:12/oldstable-security [amd64]) []
Remv obsolete [1.0]
Conf haproxy (2.6.12-1+deb12u3 Debian-Security:12/oldstable-security [amd64])
`
const said = (heading: string, text = APT): string => `upgrade ${heading}\n${text.replaceAll(/^(?=.)/gm, 'apt ')}end\n`
const parsed = (stdout: string, options = {}): UpgradeState => {
  const { spec } = upgrade(options)
  const state = upgrade.kind.observe([spec]).parse(Buffer.from(stdout), NOTHING).get(spec.name)
  if (state === undefined) throw new Error('no state')
  return state
}
const FOUND = parsed(said('0 read'))
const NONE: UpgradeState = { ...FOUND, upgrades: [], removes: [], kept: [] }
const planned = (state: UpgradeState, options = {}, more = {}) => upgrade.kind.plan(upgrade(options).spec, state, { ...context, ...more })

describe('upgrades', () => {
  it('are read from what apt simulates', () => {
    expect(FOUND).toEqual({
      isPossible: true,
      upgrades: [
        { name: 'base-files', from: '12.4+deb12u11', to: '12.4+deb12u12', isSecurity: false },
        { name: 'linux-image-6.1.0-40-amd64', to: '6.1.153-1', isSecurity: true },
        { name: 'haproxy', from: '2.6.12-1+deb12u2', to: '2.6.12-1+deb12u3', isSecurity: true },
      ],
      removes: ['obsolete'],
      kept: ['held1', 'held2', 'held3'],
      words: expect.arrayContaining(['The following packages will be upgraded:']),
      ...{ isFresh: true, usesSudo: false },
    })
    expect(parsed(said('100 old sudo', 'E: broken\n'))).toMatchObject({
      isPossible: false,
      isFresh: false,
      usesSudo: true,
      words: ['E: broken'],
    })
  })

  it.each(['', 'end\n', said('0 read').replace('end\n', ''), `${said('0 read')}${said('0 read')}`])('are not read from %j', (stdout) => {
    expect(() => parsed(stdout)).toThrow('apt did not simulate the upgrade')
  })

  it('of the same options are simulated once, others each', () => {
    const script = (...options: readonly object[]): number =>
      String(upgrade.kind.observe(options.map((one, i) => upgrade({ name: `n${i}`, ...one }).spec)).script).split('apt-get').length - 1
    expect(script({}, { packages: 'security' }, {})).toBe(1)
    expect(script({}, { removes: true }, { cacheHours: 1 })).toBe(3)
    expect(parsed(said('0 read'), { name: 'x' })).toEqual(FOUND)
  })

  it('are planned with both versions', () => {
    expect(planned(FOUND)).toEqual({
      action: 'update',
      certainty: 'exact',
      reason: '3 upgrades',
      differences: [
        { key: 'base-files', from: '12.4+deb12u11', to: '12.4+deb12u12' },
        { key: 'linux-image-6.1.0-40-amd64', to: '6.1.153-1' },
        { key: 'haproxy', from: '2.6.12-1+deb12u2', to: '2.6.12-1+deb12u3' },
        { key: 'obsolete', to: 'removed' },
      ],
    })
    expect(planned(FOUND, { packages: 'security' })).toMatchObject({ reason: '1 upgrade', differences: [{ key: 'haproxy' }] })
    expect(planned(NONE)).toBeUndefined()
  })

  it.each([
    ['packages of an earlier resource', { anyPackagesPending: true }],
    ['any earlier change', { mayBringMore: true }],
    ['an earlier script', { opaquePending: true }],
    ['another repository', { changesBelow: (path: string) => path === '/etc/apt/sources.list.d' }],
  ])('depend on %s', (_, more) => {
    expect(planned(FOUND, {}, more)?.certainty).toBe('dependent')
    expect(upgrade.kind.forbids?.(upgrade({}).spec, { ...NONE, isPossible: false }, { ...context, ...more })).toBeUndefined()
  })

  it('depend on package lists that are old', () => {
    expect(planned({ ...NONE, isFresh: false }, { cacheHours: 2 })).toMatchObject({
      certainty: 'dependent',
      reason: 'package lists are missing, older than their sources, or older than 2 h; 0 upgrades in them',
    })
    expect(planned({ ...FOUND, isFresh: false })?.reason).toMatch(/; 3 upgrades in them$/)
  })

  it('that apt cannot make are refused with its words', () => {
    const broken = { ...NONE, isPossible: false, words: ['E: Unmet dependencies'] }
    expect(upgrade.kind.forbids?.(upgrade({}).spec, broken, context)).toMatchObject({
      what: 'packages cannot be upgraded',
      why: 'E: Unmet dependencies',
    })
    expect(upgrade.kind.forbids?.(upgrade({}).spec, { ...broken, isFresh: false }, context)).toBeUndefined()
    expect(planned(broken)).toMatchObject({ certainty: 'dependent' })
  })

  it('that would remove the way in are refused', () => {
    const state = { ...FOUND, removes: ['openssh-server'] }
    expect(upgrade.kind.forbids?.(upgrade({ removes: true }).spec, state, context)).toBeInstanceOf(HostRefusal)
    expect(upgrade.kind.forbids?.(upgrade({ removes: true }).spec, { ...FOUND, removes: ['sudo'] }, context)).toBeUndefined()
    expect(
      upgrade.kind.forbids?.(upgrade({ removes: true }).spec, { ...FOUND, removes: ['sudo'], usesSudo: true }, context),
    ).toBeInstanceOf(HostRefusal)
    expect(upgrade.kind.forbids?.(upgrade({}).spec, FOUND, context)).toBeUndefined()
  })

  it('that apt keeps back are named', () => {
    expect(upgrade.kind.notices?.(upgrade({}).spec, FOUND, context)).toEqual([
      'apt keeps the version of held1, held2, held3: held, phased, or in need of a removal',
    ])
    expect(upgrade.kind.notices?.(upgrade({}).spec, NONE, context)).toEqual([])
  })

  it.each([
    ['packages', { packages: 'some' }],
    ['cacheHours', { cacheHours: -1 }],
    ['cacheHours', { cacheHours: 1e308 }],
    ['name', { name: 'A b' }],
  ])('have an invalid %s: %j', (option, options) => {
    expect(faultsOf(upgrade, options)).toEqual([option])
  })
})
