import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { READER } from '../../../../../roles/monitoring/checks/reader.ts'

// Every account may write to /dev/shm, so its files could be replaced. The reader skips /tmp.
const root = mkdtempSync('/dev/shm/provision-reader-')
const at = (name: string) => join(root, name)
const program = at('reader')

beforeAll(() => {
  writeFileSync(program, READER)
  writeFileSync(at('right'), 'right')
  writeFileSync(at('wrong'), 'wrong')
  writeFileSync(at('two words'), 'right')
  symlinkSync('/etc/passwd', at('link'))
  symlinkSync(root, at('loop'))
  spawnSync('mkfifo', [at('fifo')])
  writeFileSync(at('sparse'), '')
  truncateSync(at('sparse'), 3 * 2 ** 30)
  linkSync(at('right'), at('hard'))
})
afterAll(() => rmSync(root, { recursive: true, force: true }))

const digest = (text: string | Buffer): string => createHash('sha256').update(text).digest('hex')
const RIGHT = digest('right')
const run = (words: readonly string[], input = '') => spawnSync('perl', [program, ...words], { input, encoding: 'utf8', timeout: 20_000 })
const owned = (...lines: readonly string[]) =>
  run(['owned'], lines.map((line) => `${line}\n`).join(''))
    .stdout.split('\n')
    .slice(0, -1)
const file = (path: string, sum: string): string => `file:${path} ${path} ${sum}`.replaceAll('two words', 'two%20words')

describe('the reader of the checks', () => {
  it('has valid Perl syntax', () => {
    expect(spawnSync('perl', ['-c'], { input: READER, encoding: 'utf8' })).toMatchObject({ status: 0, stderr: '- syntax OK\n' })
  })

  it('reports files that differ from the record, and the number of files', () => {
    expect(
      owned(
        file(at('right'), RIGHT),
        file(at('two words'), RIGHT),
        file(at('wrong'), RIGHT),
        file(at('gone'), RIGHT),
        file(at('gone too'), 'absent'),
        file(at('right/below'), 'absent'),
        `certificate:/x ${at('hard')} disk`,
        `certificate:/x ${at('never')} disk`,
      ),
    ).toEqual([`missing\t${at('gone')}`, `missing\t${at('never')}`, `changed\t${at('wrong')}`, 'watched 8'])
    expect(owned(file(at('wrong'), 'absent'))).toEqual([`present\t${at('wrong')}`, 'watched 1'])
    expect(owned(file('/tmp/gone', RIGHT), file('/var/tmp/gone', RIGHT), file('/tmpfiles', RIGHT))).toEqual([
      'missing\t/tmpfiles',
      'watched 1',
    ])
  })

  it('reads files of root through links of root', () => {
    const path = '/usr/bin/env'
    const real = digest(readFileSync(path))
    expect(owned(file(path, RIGHT))).toEqual([`changed\t${path}`, 'watched 1'])
    // On merged systems /bin is a link.
    expect(owned(file(path, real), file('/bin/env', real))).toEqual(['watched 2'])
  })

  it('reports every file whose digest cannot be computed', () => {
    mkdirSync(at('bin'))
    writeFileSync(at('bin/sha256sum'), '#!/bin/sh\nexit 1\n', { mode: 0o755 })
    const path = '/usr/bin/env'
    const { stdout } = spawnSync('perl', [program, 'owned'], {
      input: `${file(path, digest(readFileSync(path)))}\n${file(at('right'), RIGHT)}\n`,
      env: { PATH: `${at('bin')}:${process.env.PATH}` },
      encoding: 'utf8',
    })
    expect(stdout.split('\n').toSorted()).toEqual(['', `changed\t${at('right')}`, `changed\t${path}`, 'watched 2'])
  })

  it('follows no link of others, skips FIFOs, and limits what it reads', () => {
    const passwd = digest(readFileSync('/etc/passwd'))
    expect(
      owned(
        file(at('fifo'), RIGHT),
        file(at('link'), passwd),
        file(at('loop/right'), RIGHT),
        file(at('sparse'), RIGHT),
        `certificate:/x ${at('fifo.pem')} disk`,
      ),
    ).toEqual([
      `changed\t${at('fifo')}`,
      `missing\t${at('fifo.pem')}`,
      `changed\t${at('link')}`,
      `changed\t${at('loop/right')}`,
      `too large to be read\t${at('sparse')}`,
      'watched 5',
    ])
    expect(run(['text', at('link'), '100'])).toMatchObject({ status: 1, stdout: '' })
    expect(run(['text', at('fifo'), '100'])).toMatchObject({ status: 1, stdout: '' })
    expect(run(['text', at('../passwd'), '100'])).toMatchObject({ status: 1, stdout: '' })
    expect(run(['text', at('sparse'), '100']).stdout).toHaveLength(100)
  })

  it('checks a release through its link and its list of digests', () => {
    const release = at('site')
    const list = `${RIGHT}  a.html\n${RIGHT}  b/two words.html\n`
    const live = `releases/${digest(list)}`
    mkdirSync(join(release, live, 'b'), { recursive: true })
    writeFileSync(join(release, `${live}.sums`), list)
    writeFileSync(join(release, live, 'a.html'), 'right')
    writeFileSync(join(release, live, 'b/two words.html'), 'right')
    symlinkSync(live, join(release, 'current'))
    const said = () => owned(`release:${release}`)
    expect(said()).toEqual(['watched 0'])
    writeFileSync(join(release, live, 'a.html'), 'wrong')
    expect(said()).toEqual([`changed\t${release}/current/a.html`, 'watched 0'])
    writeFileSync(join(release, `${live}.sums`), `${digest('wrong')}  a.html\n${RIGHT}  ../../../../../../../etc/passwd\n`)
    expect(said()).toEqual([`changed\t${release}/${live}.sums`, 'watched 0'])
    // An attacker who writes a list can also name the release by its digest.
    const own = `${digest('x')}  ../../../../../../../etc/passwd\n`
    writeFileSync(join(release, `releases/${digest(own)}.sums`), own)
    rmSync(join(release, 'current'))
    symlinkSync(`releases/${digest(own)}`, join(release, 'current'))
    expect(said()).toEqual([`changed\t${release}/current/../../../../../../../etc/passwd`, 'watched 0'])
    renameSync(join(release, 'current'), join(release, 'old'))
    symlinkSync('/etc', join(release, 'current'))
    expect(said()).toEqual([`missing\t${release}/current`, 'watched 0'])
  })

  it('prints the first bytes of a file, and nothing of anything else', () => {
    expect(run(['text', at('two words'), '3'])).toMatchObject({ status: 0, stdout: 'rig' })
    expect(run(['text', at('right'), '100'])).toMatchObject({ status: 0, stdout: 'right' })
    // Paths are written as in the record.
    expect(run(['text', at('two%20words'), '100'])).toMatchObject({ status: 0, stdout: 'right' })
    for (const path of ['right', './right', `${root}/./right`, `${root}/../../etc/passwd`, root, at('gone'), at('right/x'), '/'])
      expect([path, run(['text', path, '100'])]).toMatchObject([path, { status: 1, stdout: '' }])
    // An empty name and the name of no directory lead nowhere else.
    expect(run(['text', `/${root}//right`, '100']).stdout).toBe('right')
  })

  it('ends with an error for another request', () => {
    for (const words of [['all'], []]) expect(run(words, `${file(at('wrong'), RIGHT)}\n`)).toMatchObject({ status: 255, stdout: '' })
    expect(run(['all']).stderr).toBe('unknown: all\n')
  })

  it('reads each line of the record that names a file with its digest', () => {
    expect(
      owned(
        `file:/x ${at('wrong')} ${RIGHT} more`,
        `file:/x ${at('wrong')} ${RIGHT.slice(1)}`,
        `file:/x wrong ${RIGHT}`,
        `user:ann`,
        `link:/x ${at('wrong')} ${RIGHT}`,
        `file:${at('fifo')} ${at('fifo')} absent`,
        `file:${at('link')} ${at('link')} absent`,
        `file:/x ${at('gone')}%25 ${RIGHT}`,
      ),
    ).toEqual([`present\t${at('fifo')}`, `missing\t${at('gone')}%`, `present\t${at('link')}`, `changed\t${at('wrong')}`, 'watched 4'])
  })
})

// These need files that root alone can write.
describe.skipIf(process.getuid?.() !== 0)('the reader of the checks, below directories of root', () => {
  const safe = mkdtempSync(join(homedir(), '.provision-reader-'))
  const inside = (name: string) => join(safe, name)
  afterAll(() => rmSync(safe, { recursive: true }))

  it('follows relative and absolute links, but not in circles', () => {
    mkdirSync(inside('a'))
    writeFileSync(inside('a/file'), 'right')
    symlinkSync('a/file', inside('relative'))
    symlinkSync(inside('a'), inside('absolute'))
    symlinkSync('../absolute/./file', inside('a/dots'))
    symlinkSync('round', inside('round'))
    symlinkSync('/nowhere', inside('dangling'))
    expect(
      owned(
        ...['relative', 'absolute/file', 'round', 'dangling', 'a'].map((name) => file(inside(name), RIGHT)),
        file(inside('dangling'), 'absent'),
      ),
    ).toEqual([`changed\t${inside('a')}`, `changed\t${inside('round')}`, 'watched 5'])
    expect(run(['text', inside('absolute/file'), '9']).stdout).toBe('right')
    for (let i = 0; i < 22; i++) symlinkSync(i === 0 ? 'a/file' : `chain${i - 1}`, inside(`chain${i}`))
    expect(run(['text', inside('chain20'), '9']).stdout).toBe('right')
    expect(run(['text', inside('chain21'), '9'])).toMatchObject({ status: 1, stdout: '' })
  })

  it('compares hundreds of files together, and those that others can write one by one', () => {
    mkdirSync(inside('many'))
    const names = Array.from({ length: 450 }, (_, i) => inside(`many/${String(i).padStart(3, '0')}`))
    for (const [i, name] of names.entries()) writeFileSync(name, i % 100 === 7 ? 'wrong' : 'right')
    expect(owned(...names.map((name) => file(name, RIGHT)))).toEqual([
      ...[7, 107, 207, 307, 407].map((i) => `changed\t${names[i]}`),
      'watched 450',
    ])
    for (const mode of [0o620, 0o602]) {
      const name = inside(`shared-${mode}`)
      writeFileSync(name, '')
      chmodSync(name, mode)
      // More than may be read of a file that others can write.
      truncateSync(name, 2 ** 30 + 1)
      expect(owned(file(name, RIGHT))).toEqual([`too large to be read\t${name}`, 'watched 1'])
    }
    mkdirSync(inside('open'))
    chmodSync(inside('open'), 0o777)
    symlinkSync('/etc/passwd', inside('open/link'))
    expect(owned(file(inside('open/link'), RIGHT))).toEqual([`changed\t${inside('open/link')}`, 'watched 1'])
    writeFileSync(inside('theirs'), 'right')
    chownSync(inside('theirs'), 65534, 65534)
    truncateSync(inside('theirs'), 2 ** 30 + 1)
    expect(owned(file(inside('theirs'), RIGHT))).toEqual([`too large to be read\t${inside('theirs')}`, 'watched 1'])
  })
})
