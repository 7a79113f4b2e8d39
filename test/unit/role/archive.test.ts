import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { unpack } from '../../../src/role/archive.ts'

const LONG = `${'deep-folder/'.repeat(12)}${'n'.repeat(90)}.html`
let root: string
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'archive-'))
  mkdirSync(join(root, 'site', LONG, '..'), { recursive: true })
  writeFileSync(join(root, 'site/index.html'), 'hello')
  writeFileSync(join(root, 'site/ä b.bin'), Buffer.from([0, 255]))
  writeFileSync(join(root, 'site', LONG), 'long')
  symlinkSync('/etc/passwd', join(root, 'link'))
})
afterAll(() => rmSync(root, { recursive: true }))

const tar = (...words: readonly string[]): Buffer => spawnSync('tar', ['-c', ...words], { cwd: root, maxBuffer: 1e8 }).stdout
const namesIn = (archive: Uint8Array) =>
  unpack(archive, 1e6)
    .map(({ path }) => path)
    .sort()

/** An archive of an empty file with this name, given as bytes. */
const odd = (format: string, name: string): Uint8Array => {
  const path = Buffer.from(join(root, name), 'latin1')
  writeFileSync(path, '')
  onTestFinished(() => rmSync(path))
  return spawnSync('sh', ['-c', `cd '${root}' && exec tar --format=${format} -cf - -- *${name.slice(-1)}`]).stdout
}

describe('an archive', () => {
  it.each([['ustar'], ['gnu'], ['pax'], ['gnu', '-z']])('of the format %s is read as tar wrote it', (format, ...more) => {
    const archive = tar(`--format=${format}`, ...more, '-C', 'site', '.')
    expect(namesIn(archive)).toEqual([LONG, 'index.html', 'ä b.bin'].sort())
    expect(unpack(archive, 1e6).find(({ path }) => path === 'ä b.bin')?.bytes).toEqual(Buffer.from([0, 255]))
  })

  it.each<[string, () => Uint8Array, string]>([
    ['a link', () => tar('link'), 'contains link, which is not a regular file'],
    ['a path that climbs', () => tar('-P', '--transform', 's,^site,../site,', 'site/index.html'), 'leads out of the archive'],
    ['an absolute path', () => tar('-P', join(root, 'site/index.html')), 'leads out of the archive'],
    ['half of itself', () => tar('site').subarray(0, 700), 'is truncated'],
    ['half of its gzip', () => tar('-z', 'site').subarray(0, 100), 'is truncated'],
    ['more than it may unpack to', () => Buffer.from(spawnSync('gzip', ['-c'], { input: Buffer.alloc(2e6) }).stdout), 'is larger than'],
    ['a name that is not UTF-8', () => odd('ustar', 'f\xfcr'), 'contains f\uFFFDr, whose name is not UTF-8'],
    [
      'a long name that is not UTF-8',
      () => odd('gnu', `\xfc${'x'.repeat(120)}`),
      `contains \uFFFD${'x'.repeat(120)}, whose name is not UTF-8`,
    ],
    ['a pax name that is not UTF-8', () => odd('pax', `\xfc${'x'.repeat(120)}`), 'whose name is not UTF-8'],
    ['no archive', () => Buffer.alloc(2048, 65), 'is not a tar archive'],
  ])('with %s is refused', (_, make, words) => {
    expect(() => unpack(make(), 1e6)).toThrow(words)
  })
})
