import { describe, expect, it } from 'vitest'
import { directory } from '../../../../src/resource/file/directory.ts'
import { file } from '../../../../src/resource/file/file.ts'
import { link } from '../../../../src/resource/file/link.ts'
import { stagedName } from '../../../../src/resource/file/place.ts'
import type { FileState } from '../../../../src/resource/file/spec.ts'
import { readText, writeFiles } from '../../../../src/resource/file/write.ts'
import { bytesOf, type LocalFile, sha256Hex, text } from '../../../../src/resource/kind/content.ts'
import { type Inode, type InodeState, unreached } from '../../../../src/resource/kind/inode.ts'
import type { PlanContext } from '../../../../src/resource/kind/kind.ts'
import { MORE } from '../../../../src/resource/kind/walk-read.ts'
import { Secret } from '../../../../src/secret/secret.ts'
import { NOTHING } from '../answers.ts'
import { faultsOf } from '../faults.ts'
import { context } from '../recorded.ts'

const inode = (type: string, mode = '755', more: object = {}): InodeState => ({
  type,
  mode,
  owner: 'root',
  group: 'root',
  target: '',
  ...more,
})
const HELD = unreached('/srv/a', 'eve', 'is a link that root does not follow')
const local = (size: number): LocalFile => ({
  type: 'local',
  path: '/p',
  sha256: 'a'.repeat(64),
  size,
  open: () => Buffer.alloc(size, 'x'),
})

describe('planning a directory', () => {
  const plan = (options: object, state: InodeState, more: Partial<PlanContext> = {}) =>
    directory.kind.plan(directory({ path: '/d', ...options }).spec, state, { ...context, ...more })

  it('creates it, and corrects mode, owner and type', () => {
    expect(plan({}, inode('d'))).toBeUndefined()
    expect(plan({}, 'absent')).toEqual({ action: 'create', certainty: 'exact', reason: 'missing', differences: [] })
    expect(plan({ mode: '2750', owner: 'shop', group: 'shop' }, inode('d'))).toMatchObject({
      ...{ action: 'update', certainty: 'exact', reason: 'mode, owner and group differ' },
      differences: [
        { key: 'mode', from: '755', to: '2750' },
        { key: 'owner', from: 'root', to: 'shop' },
        { key: 'group', from: 'root', to: 'shop' },
      ],
    })
    expect(plan({}, inode('l', '755'))?.differences).toEqual([{ key: 'type', from: 'a symbolic link', to: 'a directory' }])
    expect(plan({}, HELD)).toMatchObject({ action: 'update', reason: '/srv/a is a link that root does not follow (owner: eve)' })
  })

  it('deletes it, also if a package may bring it', () => {
    expect(plan({ state: 'absent' }, inode('d'))).toMatchObject({ action: 'delete', certainty: 'exact' })
    expect(plan({ state: 'absent' }, 'absent')).toBeUndefined()
    expect(plan({ state: 'absent' }, 'absent', { packagesPending: true })).toMatchObject({ action: 'delete', certainty: 'dependent' })
  })

  it('names what is in it, if that is not deleted before', () => {
    const full = { ...(inode('d') as Inode), within: ['a', 'b', 'c', 'd'] }
    expect(plan({ state: 'absent' }, full)).toEqual({
      ...{ action: 'delete', certainty: 'dependent', differences: [] },
      reason: 'declared absent, not empty: a, b, c and 1 more',
    })
    expect(plan({ state: 'absent' }, full, { deletes: (path) => path !== '/d/c' })?.reason).toBe('declared absent, not empty: c')
    expect(plan({ state: 'absent' }, full, { deletes: () => true })).toMatchObject({ certainty: 'exact', reason: 'declared absent' })
    const many = { ...full, within: ['a', 'b', 'c', 'd', MORE] }
    expect(plan({ state: 'absent' }, many)?.reason).toBe('declared absent, not empty: a, b, c and many more')
    expect(plan({ state: 'absent' }, many, { deletes: (path) => path !== '/d/c' })?.reason).toBe(
      'declared absent, not empty: c and many more',
    )
    expect(plan({ state: 'absent' }, many, { deletes: (path) => /^\/d\/[a-d]$/.test(path) })).toMatchObject({
      ...{ certainty: 'dependent', reason: 'declared absent, not empty: more than 1000 entries' },
    })
    expect(plan({}, full)).toBeUndefined()
    expect(String(directory.kind.observe([directory({ path: '/d' }).spec]).script)).toBe('')
  })
})

describe('a directory that is not empty', () => {
  const full = { ...(inode('d') as Inode), within: ['a', 'b'] }
  const forbids = (more: Partial<PlanContext> = {}, state: InodeState & object = full, declared: 'absent' | 'present' = 'absent') =>
    directory.kind.forbids?.(directory({ path: '/srv/d', state: declared }).spec, state, {
      ...context,
      isRootsAlone: (path) => path === '/srv',
      ...more,
    })

  it('is not deleted', () => {
    expect(forbids()).toMatchObject({
      what: 'directory /srv/d is not empty',
      why: 'it is declared absent, and has a, b',
      fix: 'declare what is in it absent before it, or delete it by hand',
    })
    expect(forbids({ deletes: (path) => path === '/srv/d/a' })?.why).toBe('it is declared absent, and has b')
    const many = { ...full, within: ['a', 'b', MORE] }
    expect(forbids({ deletes: (path) => /^\/srv\/d\/[ab]$/.test(path) }, many)?.why).toBe(
      'it is declared absent, and has more than 1000 entries',
    )
  })

  it.each<[string, Partial<PlanContext>, object]>([
    ['an earlier change deletes what is in it', { deletes: (path) => path.startsWith('/srv/d/') }, {}],
    ['an earlier package may do so', { mayBringMore: true }, {}],
    ['another account owns it', {}, { owner: 'eve' }],
    ['a group may write to it', {}, { mode: '775' }],
    ['everybody may write to it', {}, { mode: '757' }],
    ['another account can replace it', { isRootsAlone: () => false }, {}],
    ['it is unknown whether another account can replace it', { isRootsAlone: undefined } as unknown as object, {}],
    ['it is empty', {}, { within: [] }],
  ])('is left to its host where %s', (_, more, state) => {
    expect(forbids(more, { ...full, ...state })).toBeUndefined()
  })

  it('may stay', () => {
    expect(forbids({}, full, 'present')).toBeUndefined()
  })
})

describe('planning a link', () => {
  const plan = (options: object, state: InodeState) => link.kind.plan(link({ path: '/l', target: 'a', ...options }).spec, state, context)

  it('creates it, and corrects its target', () => {
    expect(plan({}, inode('l', '777', { target: 'a' }))).toBeUndefined()
    expect(plan({}, 'absent')).toEqual({
      action: 'create',
      certainty: 'exact',
      reason: 'missing',
      differences: [{ key: 'target', to: 'a' }],
    })
    expect(plan({}, inode('l', '777', { target: 'b' }))).toEqual({
      ...{ action: 'update', certainty: 'exact', reason: 'target differs' },
      differences: [{ key: 'target', from: 'b', to: 'a' }],
    })
    expect(plan({}, inode('f', '644', { target: 'a' }))?.differences).toEqual([{ key: 'target', from: 'a file', to: 'a' }])
    expect(plan({}, HELD)?.reason).toContain('does not follow')
  })

  it('deletes it', () => {
    expect(plan({ state: 'absent' }, inode('l'))).toMatchObject({ action: 'delete' })
    expect(plan({ state: 'absent' }, 'absent')).toBeUndefined()
    expect(link({ path: '/l', state: 'absent' }).spec.target).toBe('/dev/null')
    expect(() => link({ path: '/l', target: '' })).toThrow()
  })
})

describe('the members of a path kind', () => {
  const kinds = { file, directory, link } as const
  const forbids = (name: keyof typeof kinds, state: InodeState, more: Partial<PlanContext> = {}) => {
    const { spec, kind } = kinds[name]({ path: '/srv/x', ...(name === 'link' ? { target: 'a' } : {}) } as never)
    return kind.forbids?.(spec as never, state as never, { ...context, isRootsAlone: (path) => path === '/srv', ...more })
  }

  it.each<[keyof typeof kinds, string, string]>([
    ['file', 'd', '/srv/x is a directory'],
    ['file', 'p', '/srv/x is a special file'],
    ['directory', 'f', '/srv/x is a file'],
    ['link', 'f', '/srv/x is a file'],
    ['link', 'd', '/srv/x is a directory'],
  ])('refuses a %s in place of another type (%s)', (name, type, what) => {
    expect(forbids(name, inode(type))).toMatchObject({ what, fix: 'correct the path, or move it away by hand' })
    for (const kind of ['file', 'link', 'directory'])
      expect(forbids(name, inode(type), { changes: (key) => key === `${kind}:/srv/x` })).toBeUndefined()
    expect(forbids(name, inode(type), { deleted: new Set(['/srv/x']) })).toBeUndefined()
    // Where another account decides what is there, its host alone refuses.
    expect(forbids(name, inode(type), { isRootsAlone: () => false })).toBeUndefined()
  })

  it.each([
    ['file', file, 'd', '/srv/x is a directory', 'a file'],
    ['directory', directory, 'f', '/srv/x is a file', 'a directory'],
    ['link', link, 'f', '/srv/x is a file', 'a link'],
  ] as const)('says whether a %s is declared or declared absent', (name, make, type, what, noun) => {
    const refused = (state: 'present' | 'absent') =>
      make.kind.forbids?.(make({ path: '/srv/x', state }).spec as never, inode(type) as never, { ...context, isRootsAlone: () => true })
    expect([make.kind.name, refused('present'), refused('absent')]).toMatchObject([
      name,
      { what, why: `${noun} is declared at this path, and provision does not replace it` },
      { what, why: `${noun} is declared absent at this path, and provision does not delete it` },
    ])
  })

  it('names where a link leads', () => {
    expect(forbids('directory', inode('l', '777', { target: '/data/x' }))).toMatchObject({
      what: '/srv/x is a symbolic link to /data/x',
      fix: 'declare a directory at /data/x, where the link leads, or delete the link',
    })
    expect(forbids('directory', inode('l', '777', { target: 'data' }))?.fix).toContain('at /srv/data,')
    const { spec } = directory({ path: '/srv/x', state: 'absent' })
    expect(directory.kind.forbids?.(spec, inode('l', '777', { target: 'a' }) as never, { ...context, isRootsAlone: () => true })?.fix).toBe(
      'declare it as a link with state: absent, or delete it by hand',
    )
  })

  it.each<[keyof typeof kinds, InodeState]>([
    ['file', inode('f')],
    ['file', inode('l')],
    ['directory', inode('d')],
    ['link', inode('l')],
    ['file', 'absent'],
    ['file', HELD],
    ['directory', HELD],
  ])('lets a %s be: %j', (name, state) => {
    expect(forbids(name, state)).toBeUndefined()
  })

  it('return what each needs, what it creates and what happens to orphans', () => {
    for (const kind of [file.kind, directory.kind, link.kind]) {
      expect(kind.directories?.({ path: '/srv/a/x' } as never)).toEqual(['/srv/a'])
      expect(kind.contained).toBe(true)
    }
    expect([file, directory, link].map(({ kind }) => kind.orphan)).toEqual([
      { delete: 'file' },
      { delete: 'directory' },
      { delete: 'link' },
    ])
    const owned = { owner: 'shop', group: 'www' }
    expect(file.kind.accounts?.(file({ path: '/f', ...owned }).spec)).toEqual({ users: ['shop'], groups: ['www'] })
    expect(directory.kind.accounts?.(directory({ path: '/f', ...owned }).spec)).toEqual({ users: ['shop'], groups: ['www'] })
    expect(file.kind.accounts?.(file({ path: '/f', state: 'absent' }).spec)).toEqual({})
    expect(directory.kind.accounts?.(directory({ path: '/f', state: 'absent' }).spec)).toEqual({})
    expect(link.kind.recorded?.(link({ path: '/l', target: 'a' }).spec)).toEqual(['/l', '->a'])
  })

  it.each([file, directory, link])('refuses a step below a path that was not observed', (make) => {
    const { id, spec, kind } = make({ path: '/srv/a/x' } as never)
    const change = { action: 'update', certainty: 'exact', reason: '', differences: [] } as const
    expect(() => kind.apply([{ id, spec: spec as never, state: HELD as never, change }]).next()).toThrow('does not follow (owner: eve)')
  })
})

describe('a file', () => {
  it('is recorded with its digest, if that is known', () => {
    const files = (options: object) => file.kind.files?.(file({ path: '/f', ...options }).spec)[0]?.sha256
    expect([
      files({ content: 'a' }),
      files({ state: 'absent' }),
      files({ content: text`${{ later: 'x', get: () => undefined }}` }),
    ]).toEqual([...[sha256Hex('a'), 'absent', 'later']])
    expect(file.kind.content?.(file({ path: '/f', content: 'a' }).spec)).toEqual({ type: 'text', parts: ['a'] })
  })

  it('is observed with its digest, and the size of a file of the project', () => {
    const specs = [file({ path: '/f', content: 'a' }), file({ path: '/g', content: local(7) })].map(({ spec }) => spec)
    const query = file.kind.observe(specs)
    expect(query.shared).toEqual({ inodes: ['/f', '/g'], digests: ['/f', '/g'], sizes: new Map([['/g', 7]]) })
    const inodes = new Map<string, InodeState>([
      ['/f', inode('f', '644')],
      ['/g', 'absent'],
    ])
    const states = query.parse(Buffer.alloc(0), { ...NOTHING, inodes, digests: new Map([['/f', 'd1']]) })
    expect([states.get('/f'), states.get('/g')]).toEqual([{ ...(inode('f', '644') as object), sha256: 'd1' }, 'absent'])
  })

  it('has as content text, a secret or a file of the project, and a set that it is in', () => {
    for (const content of ['a', new Secret('s'), text`a`, local(1)]) expect(() => file({ path: '/f', mode: '600', content })).not.toThrow()
    for (const content of [null, 7, [], {}]) expect(() => file({ path: '/f', content: content as never })).toThrow()
    const set = { name: 'shop', root: '/etc/shop', check: ['true'] }
    expect(file({ path: '/etc/shop/a', set }).spec.set).toEqual(set)
    for (const wrong of [{ name: 'Shop' }, { name: '-a' }, { name: 'a/b' }, { root: 'etc' }, { check: [] }, { root: '/etc/sho' }])
      expect(() => file({ path: '/etc/shop/a', set: { ...set, ...wrong } })).toThrow()
  })

  it('is shown with its size, and as a diff only if its content changes', () => {
    const content = (size: number, state: FileState) =>
      file.kind.plan(file({ path: '/f', content: local(size) }).spec, state, context)?.differences
    expect(content(65_537, 'absent')).toEqual([{ key: 'content', to: '65537 bytes, too long to show' }])
    expect(content(65_536, 'absent')).toEqual([])
    const state: FileState = { ...(inode('f', '600') as Exclude<InodeState, 'absent'>), mode: '664', sha256: 'a'.repeat(64) }
    const { spec } = file({ path: '/f', content: local(7) })
    const change = file.kind.plan(spec, state, context)
    expect(change?.differences).toEqual([{ key: 'mode', from: '664', to: '644' }])
    const work = { id: '/f', spec, state, change: change as never }
    expect(file.kind.diff?.(work, Buffer.from('x'))).toBeUndefined()
    const deleting = {
      ...work,
      spec: file({ path: '/f', state: 'absent' }).spec,
      change: { action: 'delete', certainty: 'exact', reason: '', differences: [] },
    } as const
    expect(file.kind.diff?.(deleting, Buffer.from('x'))).toEqual({ before: 'x', after: '' })
    expect(file.kind.diff?.({ ...deleting, state: { ...state, type: 'l' } }, Buffer.from('x'))).toBeUndefined()
    expect(file.kind.diff?.(deleting, Buffer.from([0, 255]))).toBeUndefined()
  })

  it('has a name for its next version that no other path has', () => {
    expect(stagedName('/a')).toMatch(/^\.[0-9a-f]{16}\.provision-new$/)
    expect(new Set([stagedName('/a'), stagedName('/b'), stagedName('/a', '.link')]).size).toBe(3)
    expect(stagedName('/a', '.link')).toContain('.link.provision-new')
  })
})

describe('the options of a path kind', () => {
  it('are refused by their name', () => {
    const secret = text`p=${new Secret('s')}`
    expect(['604', '644', '640'].map((mode) => faultsOf(file, { path: '/f', mode, content: secret }))).toEqual([['mode'], ['mode'], []])
    expect(faultsOf(file, { path: '/f', content: undefined })).toEqual(['content'])
    expect(faultsOf(file, { path: '/f', owner: 'a b', group: 'c d' })).toEqual(['owner', 'group'])
  })

  it.each([file, directory, link])('have two states', (make) => {
    const states = ['present', 'absent', 'gone'].map((state) => faultsOf(make, { path: '/x', state }))
    expect(states).toEqual([[], [], ['state']])
    expect(make({ path: '/x' }).spec.state).toBe('present')
  })
})

describe('a file that a kind writes', () => {
  const ok = (text: string | Buffer) => ({ code: 0, stdout: Buffer.from(text), stderr: '' })

  it('is one request, with the description of the kind', () => {
    expect(writeFiles([]).next().done).toBe(true)
    const one = { path: '/etc/x', observed: 'absent', content: 'x' }
    const step = writeFiles([one], 'writing hosts').next().value
    expect(step).toMatchObject({ do: 'shell', doing: 'writing hosts' })
    expect(writeFiles([one]).next().value).not.toHaveProperty('doing')
    const input = step !== undefined && 'input' in step ? Buffer.from(step.input as Uint8Array).toString() : ''
    expect(input.split('\0')).toEqual([
      'file',
      '/etc/x',
      'absent',
      '',
      stagedName('/etc/x'),
      '644',
      'root',
      'root',
      sha256Hex('x'),
      '1',
      'x',
    ])
    const refused = (code: number) => {
      const steps = writeFiles([one])
      steps.next()
      return () => steps.next({ code, stdout: Buffer.alloc(0), stderr: 'why' })
    }
    expect(refused(68)).toThrow(expect.objectContaining({ what: '/etc/x was not written', fix: expect.stringContaining('run again') }))
    expect(refused(67)).toThrow(
      expect.objectContaining({ what: '/etc/x was not written', fix: expect.stringContaining('a directory of root') }),
    )
    expect(refused(1)).toThrow(expect.objectContaining({ what: '/etc/x was not written (exit 1)' }))
  })

  it('is read up to 1 MiB, as text', () => {
    const read = (answer: ReturnType<typeof ok>) => {
      const steps = readText('/etc/x')
      steps.next()
      return steps.next(answer).value
    }
    const whole = 'x'.repeat(1_048_576)
    expect(read(ok(`600 a b\n${whole}`))).toEqual({
      path: '/etc/x',
      observed: sha256Hex(whole),
      content: whole,
      mode: '600',
      owner: 'a',
      group: 'b',
    })
    for (const bytes of [`600 a b\n${whole}x`, Buffer.from([54, 48, 48, 10, 0, 1])])
      expect(() => read(ok(bytes))).toThrow('not a text of at most 1 MiB')
    expect(() => read({ ...ok(''), code: 1, stderr: 'why' })).toThrow(
      expect.objectContaining({ what: '/etc/x was not read (exit 1)', why: 'why' }),
    )
  })
})

it('an empty file is content, and none is the same', () => {
  expect(Buffer.from(bytesOf(file({ path: '/f' }).spec.content)).toString()).toBe('')
})
