import { spawnSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { file } from '../../../../src/resource/file/file.ts'
import type { FileSpec, FileState } from '../../../../src/resource/file/spec.ts'
import { sha256Hex, text } from '../../../../src/resource/kind/content.ts'
import type { PlanContext } from '../../../../src/resource/kind/kind.ts'
import { tar } from '../../../../src/resource/kind/tar.ts'
import { Secret } from '../../../../src/secret/secret.ts'
import { here, mine } from '../run-here.ts'

const context: PlanContext = { now: new Date(0), packagesPending: false, changes: () => false, members: () => new Map() }
const HELLO = '5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03'
const seenHello: FileState = { type: 'f', mode: '644', owner: 'root', group: 'root', target: '', sha256: HELLO }
const unmade = { later: 'thumbprint', get: () => undefined }

const plan = (options: Parameters<typeof file>[0], state: FileState, packagesComing = false) => {
  const change = file.kind.plan(file(options).spec, state, { ...context, packagesPending: packagesComing })
  return change && `${change.action} ${change.certainty} ${change.reason}`
}

describe('planning a file', () => {
  it.each<[string, Parameters<typeof file>[0], FileState, string | undefined]>([
    ['as wanted', { path: '/f', content: 'hello\n' }, seenHello, undefined],
    ['mode written with a leading zero', { path: '/f', content: 'hello\n', mode: '0644' }, seenHello, undefined],
    ['not there', { path: '/f', content: 'hello\n' }, 'absent', 'create exact missing'],
    ['other content', { path: '/f', content: 'bye\n' }, seenHello, 'update exact content differs'],
    [
      'other mode and owner',
      { path: '/f', content: 'hello\n', mode: '600', owner: 'nobody' },
      seenHello,
      'update exact mode and owner differ',
    ],
    ['a link in its place', { path: '/f', content: 'hello\n' }, { ...seenHello, type: 'l', target: '/g' }, 'update exact type differs'],
    ['content still to be made, not there', { path: '/f', content: text`${unmade}` }, 'absent', 'create dependent missing'],
    ['content still to be made, there', { path: '/f', content: text`${unmade}` }, seenHello, 'update dependent content differs'],
    ['content that was made', { path: '/f', content: text`${{ later: 'x', get: () => 'hello\n' }}` }, seenHello, undefined],
    ['absent as wanted', { path: '/f', state: 'absent' }, 'absent', undefined],
    ['to be removed', { path: '/f', state: 'absent' }, seenHello, 'delete exact declared absent'],
  ])('%s', (_, options, state, expected) => {
    expect(plan(options, state)).toBe(expected)
  })

  it('deletes a file that a pending package may create', () => {
    expect(plan({ path: '/f', state: 'absent' }, 'absent', true)).toBe('delete dependent a package may contain it')
  })
})

it('does not empty a file that has content, if none is declared', () => {
  const refused = (options: Partial<Parameters<typeof file>[0]>, state: FileState): string | undefined =>
    file.kind.forbids?.(file({ path: '/f', ...options }).spec, state, context)?.what
  const empty = { ...seenHello, sha256: sha256Hex('') }
  expect(refused({ mode: '640' }, seenHello)).toBe('/f is not emptied')
  expect(refused({}, empty)).toBeUndefined()
  expect(refused({}, 'absent')).toBeUndefined()
  expect(refused({ content: '' }, seenHello)).toBeUndefined()
  expect(refused({ state: 'absent' }, seenHello)).toBeUndefined()
  expect(refused({ overwrite: false }, seenHello)).toBeUndefined()
})

describe('the diff of a file', () => {
  const diff = (options: Parameters<typeof file>[0], state: FileState, before?: string) => {
    const spec = file(options).spec
    const change = file.kind.plan(spec, state, context)
    if (change === undefined) throw new Error('nothing to show')
    return file.kind.diff?.({ id: '/f', spec, state, change }, before === undefined ? undefined : Buffer.from(before))
  }

  it('shows old and new text', () => {
    expect(diff({ path: '/f', content: 'bye\n' }, seenHello, 'hello\n')).toEqual({ before: 'hello\n', after: 'bye\n' })
  })

  it('names a value that this run creates', () => {
    expect(diff({ path: '/f', content: text`t=${unmade}\n` }, 'absent')).toEqual({ before: '', after: 't=‹made in this run›\n' })
    const longer = { ...unmade, soFar: () => 'one and ' }
    expect(diff({ path: '/f', content: text`t=${longer}\n` }, 'absent')).toEqual({ before: '', after: 't=one and ‹made in this run›\n' })
  })

  it.each<[string, Parameters<typeof file>[0], FileState]>([
    ['a file with a secret', { path: '/f', mode: '640', content: text`p=${new Secret('poison')}` }, seenHello],
    ['a file that only root may read', { path: '/f', content: 'poison', mode: '600' }, seenHello],
    ['an old file that only root may read', { path: '/f', content: 'x' }, { ...seenHello, mode: '600' }],
  ])('shows nothing of %s', (_, options, state) => {
    expect(diff(options, state, 'poison')).toBeUndefined()
  })

  const long = 'line\n'.repeat(13_108)

  it.each<[string, Parameters<typeof file>[0], FileState, string | undefined]>([
    [
      'a secret',
      { path: '/f', content: text`p=${new Secret('poison')}`, mode: '600' },
      seenHello,
      'not shown, because it contains a secret',
    ],
    ['a new secret', { path: '/f', content: text`p=${new Secret('x')}`, mode: '600' }, 'absent', 'not shown, because it contains a secret'],
    ['a closed file', { path: '/f', content: 'x', mode: '640' }, seenHello, 'not shown, because other accounts cannot read it (mode 640)'],
    [
      'a new closed file',
      { path: '/f', content: 'x', mode: '640' },
      'absent',
      'not shown, because other accounts cannot read it (mode 640)',
    ],
    [
      'a file that was closed',
      { path: '/f', content: 'x' },
      { ...seenHello, mode: '600' },
      'not shown, because other accounts cannot read it (mode 600)',
    ],
    ['a long file', { path: '/f', content: long }, seenHello, '65540 bytes, too long to show'],
    ['a new long file', { path: '/f', content: long }, 'absent', '65540 bytes, too long to show'],
    ['an open file', { path: '/f', content: 'ab' }, seenHello, '2 bytes'],
    ['a new open file', { path: '/f', content: 'ab' }, 'absent', undefined],
    ['content still to be made', { path: '/f', content: text`${unmade}` }, seenHello, undefined],
  ])('is replaced by a reason, or by the size: %s', (_, options, state, expected) => {
    const differences = file.kind.plan(file(options).spec, state, context)?.differences
    expect(differences?.find(({ key }) => key === 'content')?.to).toBe(expected)
  })

  it('compares whole texts only', () => {
    const host = here()
    try {
      const shown = (old: string, content: string): unknown => {
        host.sh(`cat >a <<'E'\n${old}E`)
        const [work] = host.plan(file({ path: host.at('a'), content, ...mine }))
        const { script, read } = file.kind.before?.([work as never]) ?? {}
        if (work === undefined || read === undefined) throw new Error('nothing to show')
        return file.kind.diff?.(work as never, read(host.run(String(script)).stdout).get(work.id))
      }
      const fits = long.slice(5)
      expect(shown('x\n', fits)).toEqual({ before: 'x\n', after: fits })
      expect(shown(fits, 'x\n')).toEqual({ before: fits, after: 'x\n' })
      expect(shown(long, 'x\n')).toBeUndefined()
      expect(shown('x\n', long)).toBeUndefined()
      expect(shown('x\n', 'é'.repeat(32_769))).toBeUndefined()
    } finally {
      host.remove()
    }
  })

  it('requests no text that it does not show', () => {
    const spec: FileSpec = file({ path: '/f', content: 'x' }).spec
    const state = { ...seenHello, mode: '600' }
    const change = file.kind.plan(spec, state, context)
    if (change === undefined) throw new Error('nothing to ask')
    expect(String(file.kind.before?.([{ id: '/f', spec, state, change }]).script)).toBe('')
  })
})

describe('options of a file', () => {
  it.each([
    ['a relative path', { path: 'etc/motd' }],
    ['a path that climbs', { path: '/etc/../motd' }],
    ['a doubled slash', { path: '/etc//motd' }],
    ['a trailing slash', { path: '/etc/' }],
    ['a line break in the path', { path: '/etc/a\nb' }],
    ['a mode that is none', { path: '/f', mode: 'rw-r--r--' }],
    ['an owner that is none', { path: '/f', owner: 'root; rm' }],
    ['an unknown option', { path: '/f', mod: '644' }],
    ['a set that the file is not in', { path: '/f', set: { name: 'nginx', root: '/etc/nginx', check: ['true'] } }],
  ])('refuse %s', (_, options) => {
    expect(() => file(options as Parameters<typeof file>[0])).toThrow()
  })
})

describe('the archive that carries files', () => {
  it('is read by tar: long names, binary, empty files, owners by name', () => {
    const long = `d/${'n'.repeat(150)}`
    const archive = tar([
      { name: 'a', mode: '640', owner: 'root', group: 'daemon', bytes: Buffer.from([0, 255, 10]) },
      { name: long, mode: '755', owner: 'nobody', group: 'root', bytes: Buffer.alloc(513, 120) },
      { name: 'empty', mode: '4755', owner: 'root', group: 'root', bytes: Buffer.alloc(0) },
    ])
    const listed = spawnSync('tar', ['-tvf', '-'], { input: archive, encoding: 'utf8', env: { ...process.env, LC_ALL: 'C' } })
    expect(listed.stderr).toBe('')
    expect(
      listed.stdout
        .trim()
        .split('\n')
        .map((line) => line.replace(/\s+\S+ \S+ (\S+)$/, ' $1').replace(/\s+/g, ' ')),
    ).toEqual(
      ['-rw-r----- root/daemon 3 a', `-rwxr-xr-x nobody/root 513 ${long}`, '-rwsr-xr-x root/root 0 empty'].map((line) =>
        expect.stringMatching(new RegExp(`^${line.split(' ')[0]} ${line.split(' ')[1]} .*${line.split(' ')[3]}$`)),
      ),
    )
    expect(spawnSync('tar', ['-xOf', '-', 'a'], { input: archive }).stdout).toEqual(Buffer.from([0, 255, 10]))
  })
})

it.each([
  [['nginx', '-t'], 'nginx'],
  [['setpriv', '--reuid=mysql', 'sh', '-c', 'true'], 'shop'],
])('a rejected set names its checker: %j', (check, name) => {
  const { spec } = file({ path: '/etc/shop/a', content: 'x', set: { name: 'shop', root: '/etc/shop', check } })
  const change = { action: 'create', certainty: 'exact', reason: '', differences: [] } as const
  const steps = file.kind.apply([{ id: '/etc/shop/a', spec, state: 'absent', change }])
  steps.next()
  const refused = { code: 65, stdout: Buffer.from(''), stderr: 'line 3\n' }
  expect(() => steps.next(refused)).toThrow(`${name} rejected the new configuration: line 3`)
})
