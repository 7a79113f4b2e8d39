import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { sha256Hex } from '../../../../src/resource/kind/content.ts'
import { alternatives } from '../../../../src/resource/system/alternatives.ts'
import { hostname } from '../../../../src/resource/system/hostname.ts'
import { timezone } from '../../../../src/resource/system/timezone.ts'
import { faultsOf } from '../faults.ts'
import { context } from '../recorded.ts'
import { here } from '../run-here.ts'

const hostWith = (files: Readonly<Record<string, string>>) => {
  const host = here('/proc', '/etc')
  onTestFinished(() => host.remove())
  mkdirSync(host.at('/etc'), { recursive: true })
  const write = (path: string, text: string): void => {
    mkdirSync(dirname(host.at(path)), { recursive: true })
    writeFileSync(host.at(path), text)
  }
  for (const [path, text] of Object.entries(files)) write(path, text)
  host.program('hostname', `printf '%s\\n' "$2" >${host.at('/proc/sys/kernel/hostname')}`)
  const text = (path: string): string => readFileSync(host.at(path), 'utf8')
  return { host, write, text }
}

describe('the name of a host', () => {
  const BARE = {
    '/proc/sys/kernel/hostname': 'old\n',
    '/etc/hostname': 'old\n',
    '/etc/hosts': '127.0.0.1 localhost\n::1 localhost # us\n127.0.1.1 old.example old\n127.0.1.1 more\n',
  }
  const named = hostname({ name: 'web-01.example.org' })

  it('is set now, at boot and in /etc/hosts, and then has nothing to do', () => {
    const { host, text } = hostWith(BARE)
    const work = host.plan(named)
    expect(work[0]?.change).toEqual({
      ...{ action: 'update', certainty: 'exact', reason: 'name, name at boot and line in /etc/hosts differ' },
      differences: [
        { key: 'name', from: 'old', to: 'web-01' },
        { key: 'name at boot', from: 'old', to: 'web-01' },
        { key: 'line in /etc/hosts', from: 'old.example old more', to: 'web-01.example.org web-01' },
      ],
    })
    expect(host.apply(work, hostname.kind)).toBeUndefined()
    expect(['/proc/sys/kernel/hostname', '/etc/hostname', '/etc/hosts'].map(text)).toEqual([
      ...['web-01\n', 'web-01\n', '127.0.0.1 localhost\n::1 localhost # us\n127.0.1.1 web-01.example.org web-01\n'],
    ])
    expect(host.plan(named)).toEqual([])
    expect(host.plan(hostname({ name: 'web-01', hosts: false }))).toEqual([])
  })

  it('gets a line after that of localhost, and a file where there is none', () => {
    const { host, text } = hostWith({ '/proc/sys/kernel/hostname': 'web-01\n', '/etc/hosts': '127.0.0.1 localhost\n::1 x\n' })
    expect(host.apply(host.plan(hostname({ name: 'web-01' })), hostname.kind)).toBeUndefined()
    expect([text('/etc/hosts'), text('/etc/hostname')]).toEqual(['127.0.0.1 localhost\n127.0.1.1 web-01\n::1 x\n', 'web-01\n'])
  })

  it('is kept by cloud-init', () => {
    const { host, text } = hostWith({ ...BARE, '/etc/cloud/cloud.cfg': '', '/etc/cloud/cloud.cfg.d/05.cfg': '' })
    const work = host.plan(named)
    expect(work[0]?.change.differences).toContainEqual({ key: 'setting of cloud-init', to: 'keep the name' })
    expect(host.apply(work, hostname.kind)).toBeUndefined()
    expect(text('/etc/cloud/cloud.cfg.d/99-provision-hostname.cfg')).toBe('preserve_hostname: true\nmanage_etc_hosts: false\n')
    expect(host.plan(named)).toEqual([])
    const state = { live: 'a', boot: 'a', hosts: ['a'], cloud: sha256Hex('other') }
    expect(hostname.kind.plan(hostname({ name: 'a' }).spec, state, context)?.reason).toBe('setting of cloud-init differs')
  })

  it('is not set over a name of somebody else', () => {
    for (const [path, content, why] of [
      ['/etc/hostname', 'theirs\n', '/etc/hostname is not as it was observed'],
      ['/etc/hosts', '127.0.1.1 theirs\n', '/etc/hosts is not as it was observed'],
      ['/proc/sys/kernel/hostname', 'theirs\n', 'the name of the kernel is not as it was observed'],
    ] as const) {
      const { host, write } = hostWith(BARE)
      const work = host.plan(named)
      write(path, content)
      expect(host.apply(work, hostname.kind)?.why).toBe(why)
    }
  })

  it.each(['', 'Web', 'a_b', '-a', 'a-', 'a..b', 'a b', `${'a'.repeat(64)}`, `a.${'b'.repeat(63)}`])('is not %j', (name) => {
    expect(faultsOf(hostname, { name })).toContain('name')
  })

  it('is reported by the host, or nothing is planned', () => {
    expect(() => hostname.kind.observe([named.spec]).parse(Buffer.alloc(0), { texts: new Map() } as never)).toThrow(
      'the host did not report its name',
    )
  })
})

describe('an alternative', () => {
  const vim = '/usr/bin/vim.basic'
  const known = ['auto', '/usr/bin/editor', '', '/bin/nano', '40', vim, '30', '']
  const state = { path: '/bin/nano', mode: 'auto', known } as const
  const editor = alternatives({ name: 'editor', path: vim })
  const planOf = (one: typeof editor, now: object = {}, more: object = {}) =>
    alternatives.kind.plan(one.spec, { ...state, ...now }, { ...context, ...more })
  const forbidden = (one: typeof editor, now: object = {}, more: object = {}) =>
    alternatives.kind.forbids?.(one.spec, { ...state, ...now }, { ...context, ...more })

  it('is chosen by hand, or by the packages', () => {
    expect(planOf(editor)).toMatchObject({ certainty: 'exact', reason: 'mode and path differ' })
    expect(planOf(editor, { path: vim, mode: 'manual' })).toBeUndefined()
    expect(planOf(editor, { path: vim })).toMatchObject({ reason: 'mode differs' })
    const automatic = alternatives({ name: 'editor', automatic: true })
    expect([planOf(automatic), planOf(automatic, { mode: undefined, known: [] })]).toEqual([undefined, undefined])
    expect(planOf(automatic, { mode: 'manual' })?.differences).toEqual([{ key: 'mode', from: 'manual', to: 'auto' }])
  })

  it('must be one of those that the packages have, now or later in the run', () => {
    const other = alternatives({ name: 'editor', path: '/usr/bin/ed' })
    expect(forbidden(editor)).toBeUndefined()
    expect(forbidden(other)).toMatchObject({ what: '/usr/bin/ed is no alternative for editor', why: `the host has /bin/nano, ${vim}` })
    expect(forbidden(other, { mode: undefined, known: [] })?.why).toBe('the host has no alternatives for editor')
    expect([forbidden(other, {}, { packagesPending: true }), planOf(other, {}, { packagesPending: true })?.certainty]).toEqual([
      undefined,
      'dependent',
    ])
  })

  it('is observed, set, and not set over the choice of somebody else', () => {
    const { host, write } = hostWith({ '/etc/alternatives/x': '' })
    host.program('update-alternatives', `echo "$*" >>${host.at('calls')}`)
    host.sh('ln -s /bin/nano etc/alternatives/editor')
    const work = (one: typeof editor) =>
      [{ id: 'editor', spec: one.spec, state, change: { action: 'update', certainty: 'exact', reason: '', differences: [] } }] as never
    expect(host.apply(work(editor), alternatives.kind)).toBeUndefined()
    expect(host.apply(work(alternatives({ name: 'editor', automatic: true })), alternatives.kind)).toBeUndefined()
    expect(host.sh('cat calls')).toBe(`--quiet --set editor ${vim}\n--quiet --auto editor\n`)
    host.sh('ln -sfn /usr/bin/ed etc/alternatives/editor')
    expect(host.apply(work(editor), alternatives.kind)).toMatchObject({
      why: 'the alternative for editor is not as it was observed',
      culprit: 'editor',
    })
    write('/etc/alternatives/y', '')
  })

  it.each([
    { name: 'a/b', path: '/x' },
    { name: '--auto', path: '/x' },
    { name: 'a' },
    { name: 'a', path: '/x', automatic: true },
    { name: 'a', path: 'x' },
  ])('is refused as %j', (options) => {
    expect(faultsOf(alternatives, options)).toHaveLength(1)
  })
})

describe('a time zone', () => {
  it('is a link, a name and the package', () => {
    expect(timezone({ name: 'Europe/Berlin' }).map(({ kind, id, spec }) => [kind.name, id, (spec as { target?: string }).target])).toEqual([
      ...[
        ['package', 'tzdata', undefined],
        ['link', '/etc/localtime', '/usr/share/zoneinfo/Europe/Berlin'],
      ],
      ['file', '/etc/timezone', undefined],
    ])
    expect(timezone({ name: 'Etc/UTC' })).toHaveLength(3)
    for (const name of ['America/Argentina/Buenos_Aires', 'America/Port-au-Prince', 'Asia/Kolkata', 'Etc/GMT+3', 'UTC'])
      expect(timezone({ name })).toHaveLength(3)
  })

  it.each(['Europe/Berlim', '', '../etc/passwd', 'Europe', '+01:00', 'europe/berlin', 'ASIA/KOLKATA', 'etc/utc'])('is not %j', (name) => {
    expect(() => timezone({ name })).toThrow('must be a time zone')
  })

  it.each(['US/Eastern', 'Canada/Yukon', 'Asia/Calcutta', 'Europe/Kiev', 'GB', 'EST5EDT'])(
    'has no former name, which current releases lack: %s',
    (name) => {
      expect(() => timezone({ name })).toThrow('must be the present name of the zone')
    },
  )
})
