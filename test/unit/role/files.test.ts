import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { projectFiles } from '../../../src/role/files.ts'
import { projectFile } from '../../../src/role/project-file.ts'

const scratch = mkdtempSync(join(tmpdir(), 'provision-files-'))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

let root = ''
const at = (path: string): string => join(root, path)
beforeEach(() => {
  root = mkdtempSync(join(scratch, 'project-'))
  mkdirSync(at('site/deep'), { recursive: true })
})

describe('the files of a directory of the project', () => {
  test('are found at any depth, sorted, without hidden ones; a link to a file of the project counts as that file', () => {
    for (const path of ['site/b', 'site/deep/c', 'site/.hidden', 'page']) writeFileSync(at(path), path)
    symlinkSync('../page', at('site/a'))
    const found = projectFiles(root, 'site')
    expect(found.map(({ path }) => path)).toEqual(['a', 'b', 'deep/c'])
    expect(found.map(({ content }) => Buffer.from(content.open()).toString())).toEqual(['page', 'site/b', 'site/deep/c'])
  })

  test('are not searched in hidden directories', () => {
    mkdirSync(at('site/.git/deep'), { recursive: true })
    symlinkSync('..', at('site/.git/deep/round'))
    writeFileSync(at('site/b'), '')
    expect(projectFiles(root, 'site').map(({ path }) => path)).toEqual(['b'])
  })

  test('have names in UTF-8: an invalid one is an input error that shows its place, an unusual one is accepted', () => {
    for (const path of ['site/\uFFFD.html', 'site/.\uFFFD']) writeFileSync(at(path), '')
    expect(projectFiles(root, 'site').map(({ path }) => path)).toEqual(['\uFFFD.html'])
    const bytes = (path: string) => Buffer.from(at(path), 'latin1')
    writeFileSync(bytes('site/.h\xfc'), '')
    expect(projectFiles(root, 'site')).toHaveLength(1)
    writeFileSync(bytes('site/deep/f\xfcr.html'), '')
    const refusal = { class: 'input', where: { file: 'site' } }
    const name = { what: 'the name of deep/f\uFFFDr.html is not UTF-8', fix: 'rename it; ls -b site/deep shows its bytes' }
    expect(() => projectFiles(root, 'site')).toThrow(expect.objectContaining({ ...refusal, ...name }))
    mkdirSync(bytes('site/a\xe4'))
    const folder = { what: 'the name of a\uFFFD is not UTF-8', fix: 'rename it; ls -b site shows its bytes' }
    expect(() => projectFiles(root, 'site')).toThrow(expect.objectContaining({ ...refusal, ...folder }))
  })

  test.each<[string, (path: string) => void, string]>([
    ['a link to nothing', (path) => symlinkSync('nowhere', path), 'deep/x is a dangling link'],
    ['a link to a directory', (path) => symlinkSync('.', path), 'deep/x is not a regular file'],
    ['a link to the directory above', (path) => symlinkSync('..', path), 'deep/x is not a regular file'],
    ['a link out of the project', (path) => symlinkSync('/etc/hostname', path), 'deep/x leads out of the project'],
    ['a named pipe', (path) => execFileSync('mkfifo', [path]), 'deep/x is not a regular file'],
    ['a file too large to be held', (path) => execFileSync('truncate', ['-s', '1025M', path]), 'deep/x is larger than 1 GB'],
  ])('with %s among them are an input error', (_, make, what) => {
    make(at('site/deep/x'))
    expect(() => projectFiles(root, 'site')).toThrow(expect.objectContaining({ class: 'input', where: { file: 'site' }, what }))
  })
})

describe('one file of the project', () => {
  const find = (path: string) => projectFile({ files: (directory, name) => projectFiles(root, directory, name) }, path, 'put it there')

  test.each(['page', 'site/deep/c', '.hidden', 'site/deep/.htaccess'])('is found by its path: %s', (path) => {
    writeFileSync(at(path), path)
    expect(Buffer.from(find(path).open()).toString()).toBe(path)
  })

  test('is the only one that is read', () => {
    for (const path of ['page', 'large', 'site/other']) writeFileSync(at(path), path)
    execFileSync('truncate', ['-s', '1025M', at('large')])
    execFileSync('mkfifo', [at('site/pipe')])
    symlinkSync('nowhere', at('dangling'))
    expect(Buffer.from(find('page').open()).toString()).toBe('page')
    expect(Buffer.from(find('site/other').open()).toString()).toBe('site/other')
  })

  test.each<[string, () => void, string]>([
    ['a link to nothing', () => symlinkSync('nowhere', at('site/x')), 'path is a dangling link'],
    ['a directory', () => mkdirSync(at('site/x')), 'path is not a regular file'],
    ['a link out of the project', () => symlinkSync('/etc/hostname', at('site/x')), 'path leads out of the project'],
  ])('is an input error with its own path if it is %s', (_, make, what) => {
    make()
    expect(() => find('site/x')).toThrow(expect.objectContaining({ class: 'input', where: { file: 'site/x' }, what }))
  })

  test('is found in an archive', () => {
    writeFileSync(at('site/b'), 'packed')
    execFileSync('tar', ['-C', at('site'), '-czf', at('site.tar.gz'), '.'])
    expect(Buffer.from(find('site.tar.gz/b').open()).toString()).toBe('packed')
  })

  test('is an input error if it does not exist', () => {
    expect(() => find('site/none')).toThrow(expect.objectContaining({ class: 'input', where: { file: 'site/none' }, fix: 'put it there' }))
  })
})

describe('the files of an archive of the project', () => {
  const pack = (...words: readonly string[]) => execFileSync('tar', ['-C', at('site'), ...words])

  test('are the same as those of the packed directory', () => {
    for (const path of ['site/b', 'site/deep/c', 'site/.hidden']) writeFileSync(at(path), path)
    pack('-czf', at('site.tar.gz'), '.')
    const plain = (name: string) => projectFiles(root, name).map(({ path, content }) => [path, content.type, content.sha256, content.size])
    expect(plain('site.tar.gz')).toEqual(plain('site'))
    // Their order is that of their paths, not that of the archive.
    for (const order of [
      ['deep/c', 'b'],
      ['b', 'deep/c'],
    ]) {
      pack('-cf', at('site.tar'), ...order)
      expect(projectFiles(root, 'site.tar').map(({ path }) => path)).toEqual(['b', 'deep/c'])
    }
  })

  test.each<[string, () => void, string]>([
    ['with a link in it', () => symlinkSync('/etc/passwd', at('site/x')), 'archive contains ./x, which is not a regular file'],
    ['outside the project', () => rmSync(at('site'), { recursive: true }), 'archive is outside the project'],
  ])('%s are an input error', (_, make, what) => {
    make()
    if (what.startsWith('archive contains')) pack('-cf', at('site.tar'), '.')
    else {
      writeFileSync(join(scratch, 'out.tar'), '')
      symlinkSync(join(scratch, 'out.tar'), at('site.tar'))
    }
    expect(() => projectFiles(root, 'site.tar')).toThrow(expect.objectContaining({ class: 'input', where: { file: 'site.tar' }, what }))
  })
})
