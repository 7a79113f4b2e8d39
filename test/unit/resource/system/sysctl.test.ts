import { describe, expect, it } from 'vitest'
import { pathQueries } from '../../../../src/resource/kind/path-queries.ts'
import { mergeQueries } from '../../../../src/resource/kind/queries.ts'
import { type SysctlState, sysctl } from '../../../../src/resource/system/sysctl.ts'
import { NOTHING } from '../answers.ts'
import { context, recorded } from '../recorded.ts'

describe('a kernel setting', () => {
  it.each<[string, Parameters<typeof sysctl>[0], SysctlState, string | undefined]>([
    ['as wanted', { key: 'a.b', value: 1 }, { live: '1', boot: '1' }, undefined],
    ['a list, written with more blanks', { key: 'a.b', value: ' 1  2\t3'.replace('\t', ' ') }, { live: '1 2 3', boot: '1 2 3' }, undefined],
    ['never set', { key: 'a.b', value: 1 }, { live: '0', boot: undefined }, 'create not set'],
    ['so by chance', { key: 'a.b', value: 1 }, { live: '1', boot: undefined }, 'create not set for the next boot'],
    ['changed by hand', { key: 'a.b', value: 1 }, { live: '0', boot: '1' }, 'update value differs'],
    ['unknown to the kernel, and optional', { key: 'a.b', value: 1, optional: true }, { live: undefined, boot: undefined }, undefined],
    ['unknown to the kernel', { key: 'a.b', value: 1 }, { live: undefined, boot: undefined }, 'create not set'],
    ['another value after the next boot', { key: 'a.b', value: 1 }, { live: '1', boot: '2' }, 'update value at boot differs'],
  ])('%s', (_, options, state, expected) => {
    const change = sysctl.kind.plan(sysctl(options).spec, state, context)
    expect(change && `${change.action} ${change.reason}`).toBe(expected)
  })

  it('is read from a recorded answer', () => {
    const specs = ['net.ipv4.conf.all.accept_redirects', 'net.ipv4.tcp_rmem', 'net.ipv4.no_such'].map(
      (key) => sysctl({ key, value: 0 }).spec,
    )
    const { shared: asks, parse } = sysctl.kind.observe(specs)
    const ask = pathQueries(mergeQueries([asks])).texts
    const state = parse(Buffer.alloc(0), { ...NOTHING, texts: ask.read(recorded('sysctl')) })
    expect([...state]).toEqual([
      ['net.ipv4.conf.all.accept_redirects', { live: '0', boot: '0' }],
      ['net.ipv4.tcp_rmem', { live: '4096 131072 33554432', boot: undefined }],
      ['net.ipv4.no_such', { live: undefined, boot: undefined }],
    ])
    expect(() => ask.read(Buffer.from(recorded('sysctl').toString().replace('end:2\n', '')))).toThrow('could not read')
  })

  it('matches every name', () => {
    const { spec } = sysctl({ key: 'net.ipv4.conf.*.rp_filter', value: 2 })
    const path = (name: string): string => `/proc/sys/net/ipv4/conf/${name}/rp_filter`
    const read = (all: string, eth0: string) => {
      const texts = new Map([all, eth0].map((value, i) => [path(i === 0 ? 'all' : 'eth0'), [value]]))
      return sysctl.kind
        .observe([spec])
        .parse(Buffer.alloc(0), { ...NOTHING, texts })
        .get(sysctl.kind.id(spec))
    }
    expect(read('2', '2')).toEqual({ live: '2', boot: undefined })
    expect(read('2', '1')?.live).toBe('2 or 1')
    expect(sysctl.kind.files?.(spec)[0]?.path).toBe('/etc/sysctl.d/zz-provision.net.ipv4.conf.+.rp_filter.conf')
  })

  it('has one identity for every spelling', () => {
    expect(sysctl({ key: 'net/ipv4/ip_forward', value: 1 }).id).toBe(sysctl({ key: 'net.ipv4.ip_forward', value: 1 }).id)
    expect(sysctl.kind.files?.(sysctl({ key: 'net/ipv4/conf/eth0.5/rp_filter', value: 1 }).spec)[0]?.path).toBe(
      '/etc/sysctl.d/zz-provision.net.ipv4.conf.eth0.5.rp_filter.conf',
    )
  })

  it.each([
    { key: '../etc/passwd', value: 1 },
    { key: 'net/../../etc', value: 1 },
    { key: 'net.ipv4.ip_forward', value: '1\nkernel.panic = 1' },
    { key: 'a', value: 1 },
    { key: 'net.ipv4.*', value: 1 },
  ])('is refused: %j', (options) => {
    expect(() => sysctl(options)).toThrow()
  })
})
