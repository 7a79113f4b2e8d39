import { describe, expect, it } from 'vitest'
import { type QuadletState, quadlet } from '../../../../src/resource/container/quadlet.ts'
import type { PlanContext, Work } from '../../../../src/resource/kind/kind.ts'
import type { Answers } from '../../../../src/resource/kind/queries.ts'
import type { ShellStep } from '../../../../src/resource/kind/step.ts'
import { context } from '../recorded.ts'

const { kind } = quadlet
const IMAGE = 'quay.io/shop/web:1'
const specOf = (more: object = {}) => kind.schema.parse({ name: 'shop.container', content: 'hello\n', images: [IMAGE], ...more })
const SHA = '5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03'
const inode = { type: 'f', mode: '644', owner: 'root', group: 'root', target: '' }
const there = (more: Partial<QuadletState> = {}): QuadletState =>
  ({ file: { ...inode, sha256: SHA }, isStale: false, hasGenerator: true, oldRelease: undefined, missing: [], ...more }) as QuadletState
const NEW = there({ file: 'absent' as never, missing: [IMAGE] })
const plan = (state: QuadletState, more: Partial<PlanContext> = {}) => kind.plan(specOf(), state, { ...context, ...more })

const PATH = '/etc/containers/systemd/shop.container'
const GENERATOR = '/usr/lib/systemd/system-generators/podman-system-generator'
const answers = (more: object = {}): Answers => ({
  ...{ changed: new Map(), trees: new Map(), digests: new Map([[PATH, SHA]]), texts: new Map() },
  inodes: new Map<string, never>([
    [PATH, inode as never],
    [GENERATOR, { ...inode, type: 'l' } as never],
  ]),
  units: new Map([['shop.service', new Map([['NeedDaemonReload', 'no']])]]),
  ...more,
})
const stateIn = (stdout: string, given = answers()) => kind.observe([specOf()]).parse(Buffer.from(stdout), given).get('shop.container')
const listing = (...images: readonly object[]): string => `${JSON.stringify(images)}\nend\n`

describe('an observation', () => {
  it('knows images by tag and by digest', () => {
    expect(stateIn(listing({ Names: [IMAGE], RepoDigests: null }))).toEqual(there())
    expect(stateIn(listing({ Names: null, RepoDigests: [IMAGE] }))?.missing).toEqual([])
    expect(stateIn(listing({ Names: ['quay.io/shop/web:2'] }))?.missing).toEqual([IMAGE])
    expect(stateIn('end\n')?.missing).toEqual([IMAGE])
  })

  it('is an error if podman listed no images', () => {
    for (const text of ['', '[]', '[{]\nend\n', '{"Names":1}\nend\n']) expect(() => stateIn(text)).toThrow()
  })

  it('reads whether systemd has an older version, and whether podman can read the file', () => {
    const units = new Map([['shop.service', new Map([['NeedDaemonReload', 'yes']])]])
    expect(stateIn(listing(), answers({ units }))?.isStale).toBe(true)
    const inodes = new Map<string, unknown>([
      [PATH, inode],
      [GENERATOR, 'absent'],
    ])
    expect(stateIn('end\n', answers({ inodes }))?.hasGenerator).toBe(false)
    expect(stateIn('end\n', answers({ units: new Map() }))).toBeUndefined()
  })

  it.each([
    ['ID=debian\nVERSION_ID="12"', 'debian 12'],
    ['ID=debian\nVERSION_ID="13"', undefined],
    ['ID=ubuntu\nVERSION_ID="22.04"', 'ubuntu 22.04'],
    ['ID=ubuntu\nVERSION_ID="24.04"', undefined],
    ['ID=debian', undefined],
    ['ID=fedora\nVERSION_ID=1', undefined],
  ])('reads a release whose podman is too old: %j', (text, old) => {
    expect(stateIn('end\n', answers({ texts: new Map([['/usr/lib/os-release', text.split('\n')]]) }))?.oldRelease).toBe(old)
  })

  it('asks podman only about declared images', () => {
    expect(String(kind.observe([specOf()]).script)).toContain('image ls')
    expect(String(kind.observe([specOf({ images: [] })]).script)).toBe('echo end')
  })

  it.each([
    ['shop.container', 'shop.service'],
    ['shop.network', 'shop-network.service'],
    ['shop.volume', 'shop-volume.service'],
    ['shop.pod', 'shop-pod.service'],
  ])('%s is the service %s', (name, unit) => {
    expect(specOf({ name })).toMatchObject({ unit })
    const { orphan } = kind
    expect(orphan !== undefined && 'delete' in orphan && typeof orphan.stops === 'function' && orphan.stops(name)).toBe(unit)
  })
})

describe('a plan', () => {
  it('is empty as declared', () => {
    expect(plan(there())).toBeUndefined()
  })

  it('names the file, and the image to pull', () => {
    expect(plan(NEW)).toMatchObject({ action: 'create', certainty: 'exact', reason: 'missing', differences: [{ key: 'image', to: IMAGE }] })
    expect(plan({ ...NEW, hasGenerator: false }, { packagesPending: true })).toMatchObject({ certainty: 'dependent' })
    expect(plan(there({ missing: [IMAGE] }))).toMatchObject({ action: 'update', reason: 'image missing' })
    expect(plan(there({ isStale: true }))).toMatchObject({ reason: 'not read by systemd yet' })
  })

  it('of an absent file pulls nothing', () => {
    expect(specOf({ state: 'absent' }).images).toEqual([])
  })

  it('refuses a host without Quadlets', () => {
    const forbids = (state: QuadletState, more: Partial<PlanContext> = {}, options = {}) =>
      kind.forbids?.(specOf(options), state, { ...context, ...more })
    const none = { ...NEW, hasGenerator: false }
    expect(forbids(none)?.fix).toMatch(/package podman/)
    expect(forbids(none, { packagesPending: true })).toBeUndefined()
    expect(forbids({ ...none, oldRelease: 'debian 12' }, { packagesPending: true })?.why).toMatch(/podman of debian 12 is older/)
    expect(forbids({ ...there(), oldRelease: 'debian 12' })).toBeUndefined()
    expect(forbids(none, {}, { state: 'absent' })).toBeUndefined()
  })
})

describe('a change', () => {
  const steps = (state: QuadletState, code = 0, options = {}): readonly string[] => {
    const spec = specOf(options)
    const change = kind.plan(spec, state, context)
    if (change === undefined) throw new Error('nothing to change')
    const work: Work<typeof spec, QuadletState> = { id: spec.name, spec, state, change }
    const all = kind.apply([work])
    const sent: string[] = []
    for (let next = all.next(); next.done !== true; ) {
      sent.push(String((next.value as ShellStep).script))
      next = all.next({ code, stdout: Buffer.alloc(0), stderr: 'words' })
    }
    return sent
  }

  it('pulls, lets the generator read the file, writes it, and reloads systemd', () => {
    const sent = steps(NEW)
    expect(sent[0]).toContain(`pull -q ${IMAGE}`)
    expect(sent.findIndex((one) => one.includes('--dryrun'))).toBeGreaterThan(0)
    expect(sent.join('\n')).toContain('/etc/containers/systemd')
    expect(sent.at(-1)).toContain('systemctl daemon-reload')
  })

  it('pulls an image that is missing, and nothing else', () => {
    expect(steps(there({ missing: [IMAGE] }))).toHaveLength(1)
  })

  it('pulls every image where podman was installed in this run', () => {
    expect(steps({ ...NEW, hasGenerator: false, missing: [] })[0]).toContain('pull -q')
    expect(steps({ ...NEW, missing: [] })[0]).not.toContain('pull -q')
  })

  it('only reloads systemd for a file that is as declared', () => {
    const sent = steps(there({ isStale: true }))
    expect(sent.at(-1)).toContain('systemctl daemon-reload')
    expect(sent.some((one) => one.includes('pull -q'))).toBe(false)
  })

  it('deletes without a check', () => {
    expect(steps(there(), 0, { state: 'absent' }).some((one) => one.includes('--dryrun'))).toBe(false)
  })

  it('ends with the words of podman', () => {
    expect(() => steps(NEW, 1)).toThrow(/image quay.io\/shop\/web:1 not pulled \(exit 1\): words/)
    expect(() => steps({ ...NEW, missing: [] }, 1)).toThrow(/words/)
  })
})

it.each([
  [{ name: 'shop.service' }, 'name'],
  [{ name: '../shop.container' }, 'name'],
  [{ images: ['web'] }, 'images.0'],
])('the options %j are refused', (options, path) => {
  const result = kind.schema.safeParse({ name: 'shop.container', ...options })
  expect(result.error?.issues[0]?.path.join('.')).toBe(path)
})
