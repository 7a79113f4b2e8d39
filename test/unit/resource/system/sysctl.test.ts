import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it, onTestFinished } from 'vitest'
import { pathQueries } from '../../../../src/resource/kind/path-queries.ts'
import { mergeQueries } from '../../../../src/resource/kind/queries.ts'
import { type SysctlState, sysctl } from '../../../../src/resource/system/sysctl.ts'
import { isRoot, throwaway } from '../account/throwaway.ts'
import { NOTHING } from '../answers.ts'
import { context, recorded } from '../recorded.ts'
import { here } from '../run-here.ts'

describe('a kernel setting', () => {
  it.each<[string, Parameters<typeof sysctl>[0], SysctlState, string | undefined]>([
    ['as wanted', { key: 'a.b', value: 1 }, { live: '1', boot: '1' }, undefined],
    ['a list, written with more blanks', { key: 'a.b', value: ' 1  2\t3'.replace('\t', ' ') }, { live: '1 2 3', boot: '1 2 3' }, undefined],
    ['never set', { key: 'a.b', value: 1 }, { live: '0', boot: undefined }, 'create exact not set'],
    ['so by chance', { key: 'a.b', value: 1 }, { live: '1', boot: undefined }, 'create exact not set for the next boot'],
    ['changed by hand', { key: 'a.b', value: 1 }, { live: '0', boot: '1' }, 'update exact value differs'],
    ['unknown to the kernel, and optional', { key: 'a.b', value: 1, optional: true }, { live: undefined, boot: undefined }, undefined],
    ['unknown to the kernel', { key: 'a.b', value: 1 }, { live: undefined, boot: undefined }, 'create exact not set'],
    ['another value after the next boot', { key: 'a.b', value: 1 }, { live: '1', boot: '2' }, 'update exact value at boot differs'],
  ])('%s', (_, options, state, expected) => {
    const change = sysctl.kind.plan(sysctl(options).spec, state, context)
    expect(change && `${change.action} ${change.certainty} ${change.reason}`).toBe(expected)
  })

  it.each<[string, string, string, boolean]>([
    ['a hexadecimal number', '0x1F', '31', true],
    ['an octal number', '010', '8', true],
    ['another number', '0x1F', '32', false],
    ['a negative number', '-1', '-1', true],
    ['the first numbers of a list', '3', '3 4 1 7', true],
    ['a longer list', '3 4 1 7 9', '3 4 1 7', false],
    ['another first number', '4', '3 4 1 7', false],
    ['a list of ranges', '9000-9002,8080,8081', '8080-8081,9000-9002', true],
    ['ranges that overlap', '5-9,1-6', '1-9', true],
    ['a list that lacks one', '8080', '8080-8081', false],
    ['a range of one', '8080-8080', '8080', true],
    ['a list with a gap', '1-3', '1,3', false],
    ['ranges within another', '1-9', '1-9,2-3', true],
    ['a word', 'bbr', 'cubic', false],
    ['words that begin with a number', '1x', '1y', false],
    ['words that end with a number', 'x1', 'y1', false],
    ['a word instead of no number', 'none', '0', false],
    ['a number with a unit', '3x', '3', false],
    ['a number behind a letter', 'x3', '3', false],
    ['a number before a word', '3', '3 x', false],
    ['a signed number', '+5', '5', true],
    ['a negative number instead of a positive one', '-1', '1', false],
    ['a negative hexadecimal number', '-0x1', '-1', true],
    ['a number that ends with zeros', '100', '0x64', true],
    ['the first of several words', 'cubic', 'cubic reno', false],
  ])('compares %s as the kernel reads it', (_, value, live, same) => {
    const change = sysctl.kind.plan(sysctl({ key: 'a.b', value }).spec, { live, boot: value }, context)
    expect(change?.reason).toBe(same ? undefined : 'value differs')
    const created = sysctl.kind.plan(sysctl({ key: 'a.b', value }).spec, { live, boot: undefined }, context)
    expect(created).toMatchObject(same ? { reason: 'not set for the next boot', differences: [] } : { reason: 'not set' })
  })

  it('is refused before any change if the kernel lacks it, or the host cannot set it', () => {
    const refusal = (state: SysctlState, more: object = {}, options: object = {}) =>
      sysctl.kind.forbids?.(sysctl({ key: 'net.a.b', value: 1, ...options }).spec, state, { ...context, ...more })
    const missing = { live: undefined, boot: undefined }
    expect(refusal(missing)).toMatchObject({ what: 'kernel has no setting net.a.b', why: '/proc/sys/net/a/b does not exist' })
    expect(refusal(missing, {}, { optional: true })).toBeUndefined()
    const below = (place: string) => ({ changesBelow: (directory: string) => directory === place })
    expect(refusal(missing, below('/srv'))).toBeDefined()
    for (const more of [
      ...[{ packagesPending: true }, { anyPackagesPending: true }, { opaquePending: true }],
      ...['/etc/modules-load.d', '/etc/provision/nftables', '/etc/systemd/system'].map(below),
    ]) {
      // A setting that exists needs none of them.
      const found = { live: '0', boot: undefined }
      expect(sysctl.kind.plan(sysctl({ key: 'net.a.b', value: 1 }).spec, found, { ...context, ...more })?.certainty).toBe('exact')
      expect(refusal(missing, more)).toBeUndefined()
      expect(sysctl.kind.plan(sysctl({ key: 'net.a.b', value: 1 }).spec, missing, { ...context, ...more })?.certainty).toBe('dependent')
    }
    const fixed = { boot: undefined, readOnly: '/proc/sys/net/a/b' }
    expect(refusal({ ...fixed, live: '0' })).toMatchObject({
      what: 'kernel setting net.a.b cannot be changed on this host',
      why: '/proc/sys/net/a/b is read-only, as in a container; its value is 0',
    })
    expect(refusal({ ...fixed, live: '1' })).toBeUndefined()
    expect(refusal({ ...fixed, live: undefined })?.why).toBe('/proc/sys/net/a/b is read-only, as in a container')
    expect(refusal({ ...fixed, live: undefined }, {}, { optional: true })).toBeUndefined()
    expect(refusal({ ...fixed, live: '0' }, {}, { optional: true })).toBeDefined()
    // A module does not write a setting that cannot be written.
    expect(refusal({ ...fixed, live: '0' }, { packagesPending: true })).toBeDefined()
    expect(refusal({ live: '0', boot: '0' })).toBeUndefined()
  })

  it.skipIf(!isRoot)('knows from the host which settings are read-only', () => {
    const machine = throwaway()
    onTestFinished(() => machine.end())
    const specs = ['net.a.*.c', 'net.d', 'net.none'].map((key) => sysctl({ key, value: 0 }).spec)
    const { script, parse } = sysctl.kind.observe(specs)
    const stdout = machine.ask(`mount -t tmpfs tmpfs /proc/sys; cd /proc/sys; mkdir -p net/a/eth0 net/a/eth1
for file in net/a/eth0/c net/a/eth1/c net/d; do echo 0 >$file; done
mount --bind net/a/eth1/c net/a/eth1/c; mount -o remount,ro,bind net/a/eth1/c
${script}`)
    expect(stdout.toString()).toBe('read-only /proc/sys/net/a/eth1/c\n')
    expect([...parse(stdout, NOTHING).values()].map(({ readOnly }) => readOnly)).toEqual(['/proc/sys/net/a/eth1/c', undefined, undefined])
  })

  it('shows its present value, and the one of the next boot', () => {
    const differences = (state: SysctlState) => sysctl.kind.plan(sysctl({ key: 'a.b', value: 1 }).spec, state, context)?.differences
    const value = { key: 'value', from: '0', to: '1' }
    expect(differences({ live: '0', boot: undefined })).toEqual([value])
    expect(differences({ live: '0', boot: '2' })).toEqual([value, { key: 'value at boot', from: '2', to: '1' }])
    expect(differences({ live: '1', boot: '2' })).toEqual([{ key: 'value at boot', from: '2', to: '1' }])
  })

  it('is deleted with its file, which is all that it creates', () => {
    expect(sysctl.kind.orphan).toMatchObject({ delete: 'file' })
    expect(sysctl.kind.contained).toBe(true)
  })

  it('is observed with all settings that its pattern matches', () => {
    const host = here('/proc/sys', '/etc/sysctl.d')
    onTestFinished(() => host.remove())
    host.sh('mkdir -p /proc/sys/net/a/one /proc/sys/net/a/two /etc/sysctl.d; echo 1 >/proc/sys/net/a/one/x; echo 0 >/proc/sys/net/a/two/x')
    const all = sysctl({ key: 'net.a.*.x', value: 1 })
    expect(host.plan(all).map(({ change }) => change.differences)).toEqual([[{ key: 'value', from: '1 or 0', to: '1' }]])
    expect(host.apply(host.plan(all), all.kind, 'umask 077')).toBeUndefined()
    expect(host.plan(all)).toEqual([])
    // The record of the host has the digest of the file as it is.
    const [owned] = sysctl.kind.files?.(all.spec) ?? []
    expect(host.sh('cd /etc/sysctl.d; sha256sum *')).toBe(`${owned?.sha256}  ${owned?.path.slice('/etc/sysctl.d/'.length)}\n`)
    host.sh(`echo 'net/a/*/x = 2' >${owned?.path}`)
    expect(host.plan(all).map(({ change }) => change.reason)).toEqual(['value at boot differs'])
    host.sh(`echo 'net/b = 1' >${owned?.path}`)
    expect(host.plan(all).map(({ change }) => change.reason)).toEqual(['not set for the next boot'])
  })

  it('is written in the format of sysctl.d after the kernel accepted it, and only for the next boot if it is set', () => {
    const here = mkdtempSync(join(tmpdir(), 'sysctl-'))
    onTestFinished(() => rmSync(here, { recursive: true }))
    const apply = (state: SysctlState) => {
      const { id, spec } = sysctl({ key: 'net.a.b', value: '1 2' })
      const change = { action: 'create', certainty: 'exact', reason: '', differences: [] } as const
      const step = sysctl.kind.apply([{ id, spec, state, change }]).next().value
      const script =
        step?.do === 'shell' ? String(step.script).replaceAll('/proc/sys', here).replaceAll('/etc/sysctl.d', join(here, 'd')) : ''
      return spawnSync('sh', ['-c', script], { encoding: 'utf8' }).status
    }
    const boot = join(here, 'd', 'zz-provision.net.a.b.conf')
    expect(apply({ live: '0', boot: undefined })).not.toBe(0)
    expect(existsSync(boot)).toBe(false)
    mkdirSync(join(here, 'net/a'), { recursive: true })
    // As the kernel prints it: written by the script, it would have a space.
    writeFileSync(join(here, 'net/a/b'), '1\t2\n')
    expect(apply({ live: '1 2', boot: undefined })).toBe(0)
    expect([readFileSync(join(here, 'net/a/b'), 'utf8'), readFileSync(boot, 'utf8')]).toEqual(['1\t2\n', 'net/a/b = 1 2\n'])
    writeFileSync(join(here, 'net/a/b'), '0\n')
    expect(apply({ live: '0', boot: undefined })).toBe(0)
    expect(readFileSync(join(here, 'net/a/b'), 'utf8')).toBe('1 2\n')
    expect(statSync(boot).mode & 0o777).toBe(0o644)
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

  it('of the kernel itself is compared as a whole, not by its first digit', () => {
    const host = here('/etc/sysctl.d')
    onTestFinished(() => host.remove())
    host.sh('mkdir -p /etc/sysctl.d')
    const value = readFileSync('/proc/sys/kernel/pid_max', 'utf8').trim()
    expect(value.length).toBeGreaterThan(1)
    const resource = sysctl({ key: 'kernel.pid_max', value })
    const work = host.plan(resource)
    expect(work.map(({ change }) => change.reason)).toEqual(['not set for the next boot'])
    expect(host.apply(work, resource.kind)).toBeUndefined()
    expect(host.sh('cat /etc/sysctl.d/*')).toBe(`kernel/pid_max = ${value}\n`)
  })

  describe('that was changed since the observation', () => {
    const host = here('/proc/sys', '/etc/sysctl.d')
    afterAll(() => host.remove())
    const [one, all] = [sysctl({ key: 'net.a.one.x', value: 1 }), sysctl({ key: 'net.a.*.x', value: '1\t2'.replace('\t', ' ') })]
    const change = { action: 'update', certainty: 'exact', reason: '', differences: [] } as const
    const work = (states: readonly [SysctlState, SysctlState]) =>
      [one, all].map(({ id, spec }, i) => ({ id, spec, state: states[i], change }))
    const prepare = (values: string): void => {
      host.sh(
        `rm -rf /proc/sys /etc/sysctl.d; mkdir -p /proc/sys/net/a/one /proc/sys/net/a/two /etc/sysctl.d; cd /proc/sys/net/a; ${values}`,
      )
    }
    const settings = (): string => host.sh('cat /proc/sys/net/a/*/x; cat /etc/sysctl.d/*')
    const none = { live: '0', boot: undefined }

    it('is not set, nor is any other, and is named', () => {
      prepare('echo 0 >one/x; echo 9 >two/x')
      expect(host.apply(work([none, none]), sysctl.kind)).toMatchObject({
        what: 'kernel parameter net.a.*.x not set',
        why: 'net.a.*.x is "0 or 9" and was observed as "0"',
        fix: 'run again: the next plan starts from the present state',
        done: [],
        culprit: 'net.a.*.x',
      })
      expect(settings()).toBe('0\n9\n')
    })

    it('for the next boot is not set either', () => {
      prepare("echo 0 >one/x; echo 0 >two/x; echo 'net/a/one/x = 7' >/etc/sysctl.d/zz-provision.net.a.one.x.conf")
      expect(host.apply(work([none, none]), sysctl.kind)?.why).toBe('net.a.one.x is "7" and was observed as ""')
      expect(host.apply(work([{ live: '0', boot: '7' }, none]), sysctl.kind)).toBeUndefined()
      expect(settings()).toBe('1 2\n1 2\nnet/a/*/x = 1 2\nnet/a/one/x = 1\n')
    })

    it('is set if the kernel had no such setting before', () => {
      prepare('echo 0 >one/x; echo 0 >two/x')
      const absent = { live: undefined, boot: undefined }
      expect(host.apply(work([absent, absent]), sysctl.kind)).toBeUndefined()
      expect(settings()).toContain('1 2\n1 2\n')
    })

    it('may have characters in its value that a shell would expand', () => {
      const odd = sysctl({ key: 'net.a.one.x', value: '/* \\n' })
      prepare(
        "printf '%s\\n' '/e* \\t' 'a second line' >one/x; printf '%s\\n' 'net/a/one/x = /e* \\t' >/etc/sysctl.d/zz-provision.net.a.one.x.conf",
      )
      const { id, spec } = odd
      const state = { live: '/e* \\t', boot: '/e* \\t' }
      expect(host.apply([{ id, spec, state, change }], sysctl.kind)).toBeUndefined()
      expect(host.sh('cat /proc/sys/net/a/one/x /etc/sysctl.d/*')).toBe('/* \\n\nnet/a/one/x = /* \\n\n')
    })

    it('is set if it is as declared now, also if one setting changes another', () => {
      prepare('printf "1\\t2\\n" >one/x; printf "1  2\\n" >two/x')
      expect(
        host.apply(
          work([
            { live: '1 2', boot: undefined },
            { live: '1 2', boot: undefined },
          ]),
          sysctl.kind,
        ),
      ).toBeUndefined()
      expect(host.apply(work([none, none]), sysctl.kind)?.culprit).toBe('net.a.one.x')
    })
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
    { key: 'net.a.b', value: '' },
    { key: 'net.a.b', value: ' ' },
    { key: 'net.a.b', value: 'a\tb' },
  ])('is refused: %j', (options) => {
    expect(() => sysctl(options)).toThrow()
  })
})
