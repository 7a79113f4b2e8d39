import { describe, expect, it } from 'vitest'
import { type LocalFile, sha256Hex } from '../../../../src/resource/kind/content.ts'
import type { PlanContext } from '../../../../src/resource/kind/kind.ts'
import type { Member } from '../../../../src/resource/kind/queries.ts'
import { modifiedOf, type ReleaseState } from '../../../../src/resource/release/observe.ts'
import { release } from '../../../../src/resource/release/release.ts'

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
      '1 file damaged, 1 not ours',
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
    expect(reason(SITE, { ...state, tree: touched })).toBe('1 file with another time')
    expect(reason({ ...SITE, 'b.html': 'B\n' }, { ...state, tree: touched })).toBe('1 file changed, 1 with another time')
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
    expect(reason({}, { ...state, history: [older] }, { which: 'previous' })).toBe('no release before the newest deployment')
  })
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

  it('shows no private files and no first release', () => {
    const files = { ...SITE, 'a.html': 'A\n' }
    const state = live(SITE, files)
    const hidden = new Map([...state.tree, ['a.html', { type: 'f', mode: '600', owner: '0:0' }] as const])
    expect(shown(files, { ...state, tree: hidden })).toBeUndefined()
    expect(shown(files, { ...state, current: 'absent', tree: new Map() })).toBeUndefined()
  })
})

it.each(['../x', 'a/../b', '/etc/passwd', 'a//b', 'a\nb', ''])('refuses the path %j', (path) => {
  expect(() => release({ root: ROOT, files: [{ path, content: local('x') }] })).toThrow()
})
