import { describe, expect, it } from 'vitest'
import { type LocalFile, sha256Hex } from '../../../../src/resource/kind/content.ts'
import { unreached } from '../../../../src/resource/kind/inode.ts'
import type { PlanContext } from '../../../../src/resource/kind/kind.ts'
import type { Member } from '../../../../src/resource/kind/queries.ts'
import { HostRefusal } from '../../../../src/resource/kind/step.ts'
import { modifiedOf, type ReleaseState } from '../../../../src/resource/release/observe.ts'
import { release } from '../../../../src/resource/release/release.ts'
import { NOTHING } from '../answers.ts'

const context: PlanContext = { now: new Date(0), packagesPending: false, changes: () => false, members: () => new Map() }
const ROOT = '/srv/site'
const local = (text: string | Uint8Array): LocalFile => {
  const bytes = Buffer.from(text)
  return { type: 'local', path: '/p', sha256: sha256Hex(bytes), size: bytes.length, open: () => bytes }
}
type Files = Readonly<Record<string, string | Uint8Array>>
const wanted = (files: Files, more: object = {}) =>
  release({ root: ROOT, files: Object.entries(files).map(([path, text]) => ({ path, content: local(text) })), ...more }).spec

/** A host on which these files are live, seen by somebody who wants `asked`. */
const live = (files: Files, asked: Files, more: Partial<ReleaseState> = {}): ReleaseState => ({
  current: { type: 'l', mode: '777', owner: 'root', group: 'root', target: `releases/${wanted(files).digest}` },
  tree: new Map<string, Member>([
    ['', { type: 'd', mode: '755', owner: '0:0' }],
    ...Object.entries(files).map(
      ([path, text]) => [path, { type: 'f', mode: '644', owner: '0:0', modified: modifiedOf(local(text)) * 1e6 }] as [string, Member],
    ),
  ]),
  digests: new Map(Object.keys(asked).flatMap((path) => (files[path] === undefined ? [] : [[path, sha256Hex(files[path])] as const]))),
  history: [wanted(files).digest],
  staged: false,
  ...more,
})

const SITE = { 'a.html': 'a\n', 'b.html': 'b\n' }

describe('planning a release', () => {
  const reason = (files: Files, state: ReleaseState, more: object = {}) => release.kind.plan(wanted(files, more), state, context)?.reason

  it.each<[string, Files, string | undefined]>([
    ['the same', SITE, undefined],
    ['one file', { ...SITE, 'a.html': 'A\n' }, '1 file changed'],
    ['all there is to change', { 'a.html': 'A\n', 'c.html': 'c\n', 'd.html': 'd\n' }, '2 files new, 1 changed, 1 removed'],
  ])('says how many files differ: %s', (_, files, expected) => {
    expect(reason(files, live(SITE, files))).toBe(expected)
  })

  it('detects a damaged and a foreign file in the live release', () => {
    const state = live(SITE, SITE)
    const tree = new Map([...state.tree, ['x.php', { type: 'f', mode: '644', owner: '33:33' }] as const])
    expect(reason(SITE, { ...state, tree, digests: new Map([...state.digests, ['a.html', sha256Hex('z')]]) })).toBe(
      '1 file damaged, 1 unknown',
    )
    expect(reason(SITE, { ...state, tree: new Map([...state.tree, ['a.html', { type: 'l', mode: '777', owner: '0:0' }] as const]) })).toBe(
      '1 file damaged',
    )
  })

  it('gives equal files equal times everywhere, and detects another time', () => {
    expect(modifiedOf(local('a\n'))).toBe(modifiedOf(local('a\n')))
    expect(modifiedOf(local('a\n'))).not.toBe(modifiedOf(local('b\n')))
    const times = ['', 'x', 'y', 'z'].map((text) => new Date(modifiedOf(local(text)) * 1000).getUTCFullYear())
    for (const year of times) expect(2000 <= year && year < 2020).toBe(true)
    const state = live(SITE, SITE)
    const touched = new Map([...state.tree, ['a.html', { type: 'f', mode: '644', owner: '0:0', modified: 1.7e15 }] as const])
    expect(reason(SITE, { ...state, tree: touched })).toBe('1 file with a different time')
    expect(reason({ ...SITE, 'b.html': 'B\n' }, { ...state, tree: touched })).toBe('1 file changed, 1 with a different time')
  })

  it('is about the link, an upload or another release if the files are right', () => {
    const state = live(SITE, SITE)
    const link = state.current as { readonly target: string }
    const at = (more: object) => reason(SITE, { ...state, current: { ...(state.current as object), ...more } as never })
    expect(reason(SITE, { ...state, staged: true })).toBe('earlier upload interrupted')
    expect(at({ target: `releases/${'b'.repeat(64)}` })).toBe('another release is live')
    for (const target of [`/srv/${link.target}`, `${link.target}0`, link.target.toUpperCase(), 'releases/.mended'])
      expect(at({ target })).toBe('another release is live')
    expect(at({ type: 'd' })).toBe('a directory instead of the link')
    expect(reason(SITE, { ...state, current: 'absent' })).toBe('missing, 2 files')
    expect(reason({ a: 'a' }, { ...state, current: 'absent' })).toBe('missing, 1 file')
  })

  it('restores folders, owners and modes, and keeps the folders of its files', () => {
    const files = { 'css/dark/a.css': 'a' }
    const state = live(files, files)
    const member = (path: string, more: Partial<Member>): ReleaseState => {
      const plain = {
        type: path.endsWith('.css') ? 'f' : 'd',
        mode: path.endsWith('.css') ? '644' : '755',
        owner: '0:0',
        modified: modifiedOf(local('a')) * 1e6,
      }
      const tree = new Map([
        ...state.tree,
        ['css', { type: 'd', mode: '755', owner: '0:0' }] as const,
        ['css/dark', { type: 'd', mode: '755', owner: '0:0' }] as const,
      ])
      return { ...state, tree: new Map([...tree, [path, { ...plain, ...more }] as const]) }
    }
    expect(reason(files, member('css', {}))).toBeUndefined()
    for (const more of [{ type: 'l' }, { mode: '775' }, { owner: '0:33' }]) {
      const change = release.kind.plan(wanted(files), member('css', more), context)
      expect([change?.reason, change?.differences]).toEqual(['1 file damaged', [{ key: 'changed', to: 'css/' }]])
      expect(reason(files, member('css/dark/a.css', more))).toBe('1 file damaged')
    }
    expect(reason(files, member('', { mode: '700' }))).toBe('1 file damaged')
    expect(reason(files, { ...state, digests: new Map() })).toBe('1 file damaged')
    expect(reason(files, member('empty', {}))).toBe('1 file unknown')
    expect(reason({ a: 'a' }, member('css', {}))).toBe('1 file new, 1 removed')
  })

  it('names all of five files, and each way in which they differ', () => {
    const files = (n: number, text: string) => Object.fromEntries(Array.from({ length: n }, (_, i) => [`${i}`, text]))
    const differences = (wantedFiles: Files, liveFiles: Files) =>
      release.kind.plan(wanted(wantedFiles), live(liveFiles, wantedFiles), context)?.differences.slice(1)
    expect(differences(files(5, 'a'), files(5, 'b'))).toEqual([{ key: 'changed', to: '0, 1, 2, 3, 4' }])
    expect(differences(files(6, 'a'), files(6, 'b'))).toEqual([{ key: 'changed', to: '0, 1, 2, 3, 4 and 1 more' }])
    expect(differences({}, files(2, 'b'))).toEqual([{ key: 'removed', to: '0, 1' }])
    const state = live(SITE, SITE)
    const touched = new Map([...state.tree, ['a.html', { type: 'f', mode: '644', owner: '0:0', modified: 1 }] as const])
    expect(release.kind.plan(wanted(SITE), { ...state, tree: touched }, context)).toMatchObject({
      ...{ action: 'update', certainty: 'exact' },
      differences: [{ key: 'misdated', to: 'a.html' }],
    })
    expect(release.kind.plan(wanted(SITE), { ...state, current: 'absent' }, context)).toMatchObject({
      ...{ action: 'create', certainty: 'exact' },
      differences: [{ key: 'release', to: wanted(SITE).digest.slice(0, 12) }],
    })
  })

  it('has times from 2000 to 2019', () => {
    const at = (bits: string): string => new Date(modifiedOf({ sha256: `${bits}${'f'.repeat(56)}` }) * 1000).toISOString()
    expect([at('00000000'), at('00000001'), at('259805ff'), at('25980600')].map((time) => time.slice(0, 19))).toEqual([
      ...['2000-01-01T00:00:00', '2000-01-01T00:00:01', '2019-12-26T23:59:59', '2000-01-01T00:00:00'],
    ])
  })

  it('is not deployed below a path of another account', () => {
    const state = { ...live(SITE, SITE), current: unreached('/srv', 'eve', 'can be replaced by another account') }
    expect(release.kind.plan(wanted(SITE), state, context)?.reason).toContain('can be replaced by another account')
    const change = release.kind.plan(wanted(SITE), state, context)
    if (change === undefined) throw new Error('no change')
    expect(() => release.kind.apply([{ id: ROOT, spec: wanted(SITE), state, change }]).next()).toThrow(HostRefusal)
  })

  it('names the first of many files, and the release by its short digest', () => {
    const many = Object.fromEntries(Array.from({ length: 7 }, (_, i) => [`${i}.html`, 'x']))
    expect(release.kind.plan(wanted(many), live({}, many), context)?.differences).toEqual([
      { key: 'release', from: wanted({}).digest.slice(0, 12), to: wanted(many).digest.slice(0, 12) },
      { key: 'added', to: '0.html, 1.html, 2.html, 3.html, 4.html and 2 more' },
    ])
  })

  it('rolls back to the release before the newest deployment, once', () => {
    const [older, newer] = [wanted(SITE).digest, 'b'.repeat(64)]
    const state = live(SITE, {}, { history: [older, newer] })
    expect(reason({}, state, { which: 'previous' })).toBeUndefined()
    expect(reason({}, { ...state, history: [newer, 'c'.repeat(64), older] }, { which: 'previous' })).toBe(
      'rolls back to the previous release',
    )
    const change = (given: ReleaseState) => release.kind.plan(wanted({}, { which: 'previous' }), given, context)
    expect(change({ ...state, history: [newer, older] })).toEqual({
      ...{ action: 'update', certainty: 'exact', reason: 'rolls back to the previous release' },
      differences: [{ key: 'release', from: older.slice(0, 12), to: newer.slice(0, 12) }],
    })
    expect(change({ ...state, current: 'absent', history: [newer, older] })?.differences).toEqual([
      { key: 'release', to: newer.slice(0, 12) },
    ])
    expect(change({ ...state, current: unreached('/srv', 'eve', 'can be replaced by another account') })?.reason).toContain('replaced')
  })

  describe('to be rolled back', () => {
    const [only, newer] = [wanted(SITE).digest, 'b'.repeat(64)]
    const once = live(SITE, {})
    const twice = live(SITE, {}, { history: [newer, only] })
    const about = (state: ReleaseState, others: readonly ReleaseState[] = [], which = 'previous') => {
      const members = new Map([state, ...others].map((one, i) => [`web-0${i}`, one]))
      const [spec, around] = [wanted({}, { which }), { ...context, members: () => members }]
      const { what, why, fix } = release.kind.forbids?.(spec, state, around) ?? {}
      const forbidden = what === undefined ? undefined : [what, why, fix]
      return { forbidden, notices: release.kind.notices?.(spec, state, around), action: release.kind.plan(spec, state, around)?.action }
    }

    it('stays with a warning if it was deployed once everywhere, so that the others of the host are rolled back', () => {
      const stays = {
        forbidden: undefined,
        notices: [
          'release /srv/site is not rolled back: it was deployed once, so it has no earlier release; to change it, restore the files in the project, and run the playbook of the site',
        ],
        action: undefined,
      }
      expect(about(once)).toEqual(stays)
      expect(about(once, [once, { ...once, current: 'absent', history: [] }])).toEqual(stays)
    })

    it.each<[string, ReleaseState, readonly ReleaseState[], string]>([
      ['another host has an earlier one', once, [twice], 'it was deployed to this host once, and other hosts have an earlier release'],
      ['it was never deployed', { ...once, current: 'absent', history: [] }, [], 'it was never deployed to this host'],
      ['nothing is live', { ...once, current: 'absent' }, [], 'it was deployed to this host once, and that release is not live'],
      ['another one is live', { ...once, history: [newer] }, [], 'it was deployed to this host once, and that release is not live'],
    ])('is refused before anything changes if %s', (_, state, others, why) => {
      const fix = 'restore the files in the project, and run the playbook of the site'
      expect(about(state, others)).toEqual({ forbidden: ['/srv/site cannot be rolled back', why, fix], notices: [], action: 'update' })
    })

    it.each([
      ['changed', 'it was changed after its deployment', 'which was changed after its deployment'],
      ['missing', 'it is no longer on the host', 'which is no longer on the host'],
    ] as const)('is refused before anything changes if its earlier one is %s, also where that one is live', (damage, why, suffix) => {
      const what = `/srv/site cannot be rolled back to ${newer.slice(0, 12)}`
      const state = { ...twice, previous: damage }
      const refused = { forbidden: [what, why, 'restore the files in the project, and run the playbook of the site'], notices: [] }
      expect(about(state)).toEqual({ ...refused, action: 'update' })
      const current: ReleaseState['current'] = { type: 'l', mode: '777', owner: 'root', group: 'root', target: `releases/${newer}` }
      const isLive = { ...state, current }
      expect(about(isLive)).toEqual({ ...refused, action: 'update' })
      expect(reason({}, state, { which: 'previous' })).toBe(`rolls back to the previous release, ${suffix}`)
      const held = unreached('/srv', 'eve', 'can be replaced by another account')
      expect(about({ ...state, current: held }).forbidden).toBeUndefined()
      expect(about({ ...isLive, previous: 'whole' })).toEqual({ forbidden: undefined, notices: [], action: undefined })
      expect(about({ ...state, previous: 'whole' })).toEqual({ forbidden: undefined, notices: [], action: 'update' })
    })

    it('is neither refused nor kept if it has an earlier one, is deployed, or is at a path of another account', () => {
      expect(about(twice, [once])).toEqual({ forbidden: undefined, notices: [], action: 'update' })
      expect(about({ ...once, history: [] }, [twice], 'latest')).toMatchObject({ forbidden: undefined, notices: [] })
      const current = unreached('/srv', 'eve', 'can be replaced by another account')
      expect(about({ ...once, current, history: [] }, [twice])).toEqual({ forbidden: undefined, notices: [], action: 'update' })
    })
  })
})

describe('observing releases', () => {
  const latest = wanted(SITE)
  const previous = release({ root: '/srv/other', which: 'previous' }).spec

  it('asks for the declared files, and for nothing but the history of a release to roll back', () => {
    expect(release.kind.observe([latest, previous]).shared).toEqual({
      inodes: [`${ROOT}/current`, `${ROOT}/releases/.new`, '/srv/other/current', '/srv/other/releases/.new'],
      guarded: [`${ROOT}/current`, '/srv/other/current'],
      trees: [`${ROOT}/current`],
      digests: [`${ROOT}/current/a.html`, `${ROOT}/current/b.html`],
      texts: [`${ROOT}/history`, '/srv/other/history'],
    })
  })

  it('reads what is live', () => {
    const state = live(SITE, SITE)
    const answers = {
      ...NOTHING,
      inodes: new Map<string, ReleaseState['current']>([
        [`${ROOT}/current`, state.current],
        [`${ROOT}/releases/.new`, state.current],
        ['/srv/other/current', 'absent'],
        ['/srv/other/releases/.new', 'absent'],
      ]),
      trees: new Map([[`${ROOT}/current`, state.tree]]),
      digests: new Map([[`${ROOT}/current/a.html`, 'd1']]),
      texts: new Map([[`${ROOT}/history`, ['no digest', 'a'.repeat(64), 'b'.repeat(65), `x${'b'.repeat(64)}`]]]),
    }
    const found = release.kind.observe([latest, previous]).parse(Buffer.from('changed\n'), answers)
    expect(found.get(ROOT)).toEqual({ ...state, digests: new Map([['a.html', 'd1']]), history: ['a'.repeat(64)], staged: true })
    expect(found.get('/srv/other')).toEqual({
      current: 'absent',
      tree: new Map(),
      digests: new Map(),
      history: [],
      staged: false,
      previous: 'changed',
    })
    const unread = release.kind.observe([previous, latest]).parse(Buffer.from('\n'), answers)
    expect(unread.get('/srv/other')).not.toHaveProperty('previous')
    expect(unread.get(ROOT)).not.toHaveProperty('previous')
    for (const cut of ['', 'whole', 'whole\nwhole\n'])
      expect(() => release.kind.observe([previous]).parse(Buffer.from(cut), answers)).toThrow('of 1 releases to roll back to')
  })
})

it('is never deleted because no role declares it', () => {
  expect(release.kind.orphan).toHaveProperty('keep')
})

describe('the diff of a release', () => {
  const shown = (files: Files, state: ReleaseState) => {
    const spec = wanted(files)
    const change = release.kind.plan(spec, state, context)
    if (change === undefined) throw new Error('nothing to show')
    const old = Object.entries(SITE).map(([path, text]) => `${Buffer.from(text).toString('base64')} ${path}\n`)
    return release.kind.diff?.({ id: ROOT, spec, state, change }, Buffer.from(old.join('')))
  }

  it('shows each changed text by its name, and no binary content', () => {
    const files = { 'a.html': 'A\n', 'c.html': 'c\n', 'd.png': Buffer.from([0, 255]) }
    expect(shown(files, live(SITE, files))).toEqual({
      name: 'a.html',
      before: 'a\n',
      after: 'A\n',
      more: [
        { name: 'c.html', before: '', after: 'c\n' },
        { name: 'b.html', before: 'b\n', after: '' },
      ],
    })
  })

  it('shows texts below 16 KB, of eight files at most', () => {
    const [small, large] = ['x'.repeat(16_383), 'x'.repeat(16_384)]
    const names = (files: Files) => {
      const diff = shown(files, live(SITE, files))
      return diff === undefined ? [] : [diff, ...(diff.more ?? [])].map(({ name }) => name)
    }
    expect(names({ ...SITE, small, large })).toEqual(['small'])
    expect(names(Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`${i}`, 'x'])))).toEqual(['0', '1', '2', '3', '4', '5', '6', '7'])
    const work = { id: ROOT, spec: wanted({ 'a.html': 'A' }), state: live(SITE, { 'a.html': 'A' }), change: {} as never }
    const shownWith = (text: string | Buffer) =>
      release.kind.diff?.(work, Buffer.from(`${Buffer.from(text).toString('base64')} a.html\n`))?.name
    expect([shownWith(small), shownWith(large), shownWith(Buffer.from([0]))]).toEqual(['a.html', 'b.html', 'b.html'])
    expect(release.kind.diff?.({ ...work, spec: wanted({}, { which: 'previous' }) }, undefined)).toBeUndefined()
  })

  it('shows no folders', () => {
    const files = { 'css/a.css': 'a' }
    const state = live(files, files)
    const tree = new Map([...state.tree, ['css', { type: 'd', mode: '700', owner: '0:0' }] as const])
    expect(shown(files, { ...state, tree })).toBeUndefined()
  })

  it('shows no private files and no first release', () => {
    const files = { ...SITE, 'a.html': 'A\n' }
    const state = live(SITE, files)
    const withMode = (mode: string, type = 'f') => new Map([...state.tree, ['a.html', { type, mode, owner: '0:0' }] as const])
    for (const mode of ['600', '640', '641', '653']) expect(shown(files, { ...state, tree: withMode(mode) })).toBeUndefined()
    expect(shown(files, { ...state, tree: withMode('777', 'l') })).toBeUndefined()
    expect(shown(files, { ...state, tree: withMode('604') })?.name).toBe('a.html')
    expect(shown(files, { ...state, current: 'absent', tree: new Map() })).toBeUndefined()
  })
})

it.each<[string, object]>([
  ['one release', { keep: 1 }],
  ['more than a hundred', { keep: 101 }],
  ['content that is no file of the project', { files: [{ path: 'a', content: 'text' }] }],
  ['content that is nothing', { files: [{ path: 'a', content: null }] }],
  ['an unknown release', { which: 'next' }],
])('refuses %s', (_, more) => {
  expect(() => release({ root: ROOT, ...more })).toThrow()
})

it('has the list of its files in the format of sha256sum, and its name from that', () => {
  const { sums, digest, keep } = wanted(SITE)
  expect(sums).toBe(`${sha256Hex('a\n')}  a.html\n${sha256Hex('b\n')}  b.html\n`)
  expect([digest, keep]).toEqual([sha256Hex(sums), 5])
})

it.each(['../x', '.', 'a/../b', '/etc/passwd', 'a//b', 'a\nb', ''])('refuses the path %j', (path) => {
  expect(() => release({ root: ROOT, files: [{ path, content: local('x') }] })).toThrow()
})
