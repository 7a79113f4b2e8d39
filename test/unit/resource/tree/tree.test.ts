import { describe, expect, test } from 'vitest'
import { keyOf } from '../../../../src/resource/kind/kind.ts'
import { matches } from '../../../../src/resource/tree/pattern.ts'
import { tree } from '../../../../src/resource/tree/tree.ts'

const local = (path: string, isExecutable = false) => ({
  path,
  content: {
    type: 'local' as const,
    path: `/p/${path}`,
    sha256: 'a'.repeat(64),
    size: 1,
    open: () => Buffer.from('x'),
    ...(isExecutable && { isExecutable }),
  },
})
const files = [local('etc/a.conf'), local('bin/run', true), local('bin/tool', true), local('top')]
const declared = (options: object = {}) =>
  tree({ path: '/srv/app', files, ...options }).map((resource) => {
    const { mode = '', owner = '', group = '' } = resource.spec as { mode?: string; owner?: string; group?: string }
    return `${keyOf(resource)} ${mode} ${owner}:${group}`
  })

describe('a tree', () => {
  test('is its directories, its files, and what is beside them', () => {
    expect(declared()).toEqual([
      'directory:/srv/app 755 root:root',
      'directory:/srv/app/bin 755 root:root',
      'directory:/srv/app/etc 755 root:root',
      'file:/srv/app/etc/a.conf 644 root:root',
      'file:/srv/app/bin/run 755 root:root',
      'file:/srv/app/bin/tool 755 root:root',
      'file:/srv/app/top 644 root:root',
      'tree:/srv/app  :',
    ])
    expect(declared({ files: [] })).toEqual(['directory:/srv/app 755 root:root', 'tree:/srv/app  :'])
  })

  test('has owner and modes, and executable files for those who can read them', () => {
    const some = declared({ owner: 'shop', group: 'www', mode: '640', directoryMode: '750' })
    expect(some.slice(2, 5)).toEqual([
      'directory:/srv/app/etc 750 shop:www',
      'file:/srv/app/etc/a.conf 640 shop:www',
      'file:/srv/app/bin/run 750 shop:www',
    ])
    expect(
      declared({ executable: ['bin/t*', 'top'] })
        .slice(3, 7)
        .map((one) => one.split(' ')[1]),
    ).toEqual(['644', '644', '755', '755'])
    expect(declared({ executable: [] })).toContain('file:/srv/app/bin/run 644 root:root')
    expect(() => declared({ mode: '4755' })).toThrow('permissions only')
  })

  test('leaves out what is excluded', () => {
    expect(declared({ exclude: ['bin', '*.conf', '**/*.conf'] })).toEqual([
      'directory:/srv/app 755 root:root',
      'file:/srv/app/top 644 root:root',
      'tree:/srv/app  :',
    ])
  })

  test('refuses paths that leave it, and too many files', () => {
    for (const path of ['../a', '/a', 'a//b', 'a/./b', '', 'a\nb']) expect(() => declared({ files: [local(path)] })).toThrow('path')
    for (const path of ['/srv', '/', 'srv/app']) expect(() => declared({ path })).toThrow('path')
    expect(() => declared({ files: Array.from({ length: 5001 }, (_, i) => local(`f${i}`)) })).toThrow('more than 5000 files')
    expect(() => declared({ exclude: ['/a'] })).toThrow('exclude')
    expect(() => declared({ files: [{ path: 'a', content: 'text' }] })).toThrow('file of the project')
  })

  test('is named by one resource, which has the digests of all files', () => {
    const last = tree({ path: '/srv/app', files }).at(-1)
    expect(last?.kind.files?.(last.spec)).toEqual(files.map(({ path }) => ({ path: `/srv/app/${path}`, sha256: 'a'.repeat(64) })))
    expect(last?.kind.effects?.(last.spec)).toEqual([])
  })
})

test('a pattern names a path with all below it', () => {
  const found = (pattern: string) => ['a', 'a/b', 'b/a', 'a.log', 'x/y/a.log', 'ab', 'A'].filter((path) => matches([pattern], path))
  expect(found('a')).toEqual(['a', 'a/b'])
  expect(found('*/a')).toEqual(['b/a'])
  expect(found('**/a')).toEqual(['a', 'a/b', 'b/a'])
  expect(found('**/*.log')).toEqual(['a.log', 'x/y/a.log'])
  expect(found('*.log')).toEqual(['a.log'])
  expect(found('x/**')).toEqual(['x/y/a.log'])
  expect(found('a*')).toEqual(['a', 'a/b', 'a.log', 'ab'])
  expect(found('.')).toEqual([])
})
