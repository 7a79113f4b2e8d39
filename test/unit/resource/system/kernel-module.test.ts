import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { describe, expect, it, onTestFinished } from 'vitest'
import { kernelModule } from '../../../../src/resource/system/kernel-module.ts'
import { faultsOf } from '../faults.ts'
import { context } from '../recorded.ts'
import { here } from '../run-here.ts'

const [LOAD, BLOCK] = ['/etc/modules-load.d/provision.br-netfilter.conf', '/etc/modprobe.d/provision.br-netfilter.conf']

const hostWith = ({ live = [], hasModules = true }: { readonly live?: readonly string[]; readonly hasModules?: boolean } = {}) => {
  const host = here('/etc', '/proc', '/sys/module', '/lib/modules')
  onTestFinished(() => host.remove())
  for (const path of ['/etc', '/proc/sys/kernel', '/sys/module', ...live.map((name) => `/sys/module/${name}`)])
    mkdirSync(host.at(path), { recursive: true })
  writeFileSync(host.at('/proc/sys/kernel/osrelease'), '6.1.0\n')
  if (hasModules) {
    mkdirSync(host.at('/lib/modules/6.1.0'), { recursive: true })
    writeFileSync(host.at('/lib/modules/6.1.0/modules.builtin'), 'kernel/fs/ext4/ext4.ko\nkernel/drivers/char/hw-random.ko.xz\n')
  }
  host.program(
    'modprobe',
    `[ "$2" != broken ] || { echo "modprobe: FATAL: Module broken not found" >&2; exit 1; }; mkdir -p ${host.at('/sys/module')}/br_netfilter; echo "$*" >>${host.at('calls')}`,
  )
  return host
}
const module = (state?: 'loaded' | 'blocked' | 'absent') => kernelModule({ name: 'br-netfilter', ...(state !== undefined && { state }) })

describe('a kernel module', () => {
  it('is loaded now and at boot, blocked, and given back', () => {
    const host = hostWith()
    const change = (state: 'loaded' | 'blocked' | 'absent') => {
      const work = host.plan(module(state))
      expect(host.apply(work, kernelModule.kind)).toBeUndefined()
      expect(host.plan(module(state))).toEqual([])
      return work[0]?.change
    }
    expect(change('loaded')).toMatchObject({
      action: 'create',
      certainty: 'exact',
      reason: 'not set',
      differences: [
        { key: 'loaded', from: 'no', to: 'yes' },
        { key: 'setting at boot', to: 'loaded' },
      ],
    })
    expect([host.sh('cat calls'), readFileSync(host.at(LOAD), 'utf8')]).toEqual(['-- br-netfilter\n', 'br-netfilter\n'])
    expect(change('blocked')).toMatchObject({ action: 'update', reason: 'setting at boot differs' })
    expect(host.sh('ls etc/modules-load.d etc/modprobe.d')).toBe('etc/modprobe.d:\nprovision.br-netfilter.conf\n\netc/modules-load.d:\n')
    expect(readFileSync(host.at(BLOCK), 'utf8')).toBe('blacklist br-netfilter\ninstall br-netfilter /bin/false\n')
    expect(change('absent')).toMatchObject({ action: 'delete' })
    expect(host.sh('ls etc/modprobe.d; cat calls')).toBe('-- br-netfilter\n')
  })

  it('is not loaded again if it is there, or a part of the kernel', () => {
    const stateOf = (host: ReturnType<typeof hostWith>, name: string) => host.plan(kernelModule({ name }))[0]?.change.differences
    expect(stateOf(hostWith({ live: ['br_netfilter'] }), 'br-netfilter')).toEqual([{ key: 'setting at boot', to: 'loaded' }])
    expect(stateOf(hostWith(), 'ext4')).toEqual([{ key: 'setting at boot', to: 'loaded' }])
    expect(stateOf(hostWith(), 'hw_random')).toEqual([{ key: 'setting at boot', to: 'loaded' }])
    expect(stateOf(hostWith(), 'ext')).toHaveLength(2)
  })

  it('is refused in a container, and depends on a package that may bring it', () => {
    const [work] = hostWith({ hasModules: false }).plan(module())
    const asked = (more: object) => [
      kernelModule.kind.forbids?.(module().spec, work?.state as never, { ...context, ...more })?.what,
      kernelModule.kind.plan(module().spec, work?.state as never, { ...context, ...more })?.certainty,
    ]
    expect(asked({})).toEqual(['kernel module br-netfilter cannot be loaded on this host', 'exact'])
    expect(asked({ packagesPending: true })).toEqual([undefined, 'dependent'])
  })

  it('that cannot be loaded writes nothing for the boot, and a blocked one that is loaded is reported', () => {
    const host = hostWith()
    const work = host.plan(kernelModule({ name: 'broken' }))
    expect(host.apply(work, kernelModule.kind)).toMatchObject({
      what: 'kernel module broken not loaded (exit 1)',
      why: 'modprobe: FATAL: Module broken not found',
    })
    expect(host.sh('ls etc')).toBe('')
    const state = { load: 'absent', block: 'absent', isLive: true, hasModules: true } as const
    expect(kernelModule.kind.notices?.(module('blocked').spec, state, context)).toEqual([
      'kernel module br-netfilter is blocked, and loaded: it stays until the next boot',
    ])
    expect(kernelModule.kind.notices?.(module().spec, state, context)).toEqual([])
    expect(kernelModule.kind.notices?.(module('blocked').spec, { ...state, hasModules: false }, context)).toEqual([
      'kernel module br-netfilter is blocked here only: the host has no modules, and the machine that runs it loads its own',
    ])
  })

  it('has one file in the record', () => {
    expect(
      [module(), module('blocked'), module('absent')].map(({ spec }) => kernelModule.kind.files?.(spec).map(({ path }) => path)),
    ).toEqual([[LOAD], [BLOCK], []])
  })

  it.each(['a b', '../x', '-a', 'a.ko', ''])('is not %j', (name) => {
    expect(faultsOf(kernelModule, { name })).toEqual(['name'])
  })
})
