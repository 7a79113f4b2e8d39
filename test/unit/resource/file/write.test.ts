import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { type CurrentFile, type NewFile, readText, writeFiles } from '../../../../src/resource/file/write.ts'
import { sha256Hex } from '../../../../src/resource/kind/content.ts'
import { FIX_UNSAFE } from '../../../../src/resource/kind/inode.ts'

const scratch = mkdtempSync(join(tmpdir(), 'write-files-'))
afterAll(() => rmSync(scratch, { recursive: true }))

const account = spawnSync('id', ['-un'], { encoding: 'utf8' }).stdout.trim()
const group = spawnSync('id', ['-gn'], { encoding: 'utf8' }).stdout.trim()

/** Writes files below a directory of this machine, with provision's own directory in it. Without the last bytes of the input, if `cut`. */
const writeCut = (cut: number, ...files: readonly Omit<NewFile, 'owner' | 'group'>[]): void => {
  const steps = writeFiles(files.map((one) => ({ ...one, path: join(scratch, one.path), owner: account, group })))
  const step = steps.next().value
  if (step?.do !== 'shell') throw new Error('no step for the host')
  const script = String(step.script).replaceAll('/var/lib/provision', join(scratch, 'state'))
  const { status, stdout, stderr } = spawnSync('sh', ['-c', `cat >"$0/input"; ( ${script}\n) <"$0/input"`, scratch], {
    input: (step.input as Buffer).subarray(0, (step.input as Buffer).length - cut),
  })
  steps.next({ code: status ?? 1, stdout, stderr: stderr.toString() })
}
const write = (...files: readonly Omit<NewFile, 'owner' | 'group'>[]): void => writeCut(0, ...files)
const at = (path: string): string => readFileSync(join(scratch, path), 'utf8')

describe('writing files from a kind', () => {
  it('replaces the observed file, with mode, and leaves no other file', () => {
    write({ path: 'hosts', observed: 'absent', content: 'one\n', mode: '600' })
    write({ path: 'hosts', observed: sha256Hex('one\n'), content: 'two\n', mode: '640' })
    expect(at('hosts')).toBe('two\n')
    expect(statSync(join(scratch, 'hosts')).mode & 0o7777).toBe(0o640)
    expect(readdirSync(scratch).filter((name) => name.startsWith('.'))).toEqual([])
  })

  it.each([
    ['was changed', 'edited', sha256Hex('original\n')],
    ['appeared', 'appeared', 'absent'],
  ])('refuses a file that %s after it was observed, and writes none of the others', (_, path, observed) => {
    writeFileSync(join(scratch, path), 'by somebody else\n')
    const other = { path: `${path}.other`, observed: 'absent', content: 'x' }
    expect(() => write(other, { path, observed, content: 'ours\n' })).toThrow(
      expect.objectContaining({
        name: 'HostRefusal',
        what: '2 files were not written',
        why: expect.stringContaining(`${join(scratch, path)} is not as it was observed`),
        fix: 'run again: the next plan starts from the present state',
      }),
    )
    expect(at(path)).toBe('by somebody else\n')
    expect(existsSync(join(scratch, `${path}.other`))).toBe(false)
  })

  it.each([
    ['in the last file', 1],
    ['before the last file', 6],
    ['in the words of the last file', 30],
  ])('leaves every file as it was if the input is cut %s', (_, cut) => {
    write({ path: 'first', observed: '', content: 'old\n' }, { path: 'last', observed: '', content: 'old\n' })
    const next = ['first', 'last'].map((path) => ({ path, observed: sha256Hex('old\n'), content: 'newer\n' }))
    expect(() => writeCut(cut, ...next)).toThrow(expect.objectContaining({ why: expect.stringContaining('the input was truncated') }))
    expect([at('first'), at('last'), readdirSync(join(scratch, 'state'))]).toEqual(['old\n', 'old\n', []])
    expect(readdirSync(scratch).filter((name) => name.startsWith('.'))).toEqual([])
  })

  it('refuses a link at the path of a file', () => {
    symlinkSync('hosts', join(scratch, 'link'))
    expect(() => write({ path: 'link', observed: sha256Hex(at('hosts')), content: 'x' })).toThrow('link was not written')
  })

  it('deletes what was observed, and only that', () => {
    writeFileSync(join(scratch, 'gone'), 'ours\n')
    expect(() => write({ path: 'gone', observed: sha256Hex('older\n'), content: undefined })).toThrow('gone was not written')
    write({ path: 'gone', observed: sha256Hex('ours\n'), content: undefined })
    expect(existsSync(join(scratch, 'gone'))).toBe(false)
  })
})

describe('reading a text from a kind', () => {
  const read = (path: string): CurrentFile => {
    const steps = readText(path)
    const step = steps.next().value
    if (!('do' in step) || step.do !== 'shell') throw new Error('no step for the host')
    const { status, stdout, stderr } = spawnSync('sh', ['-c', String(step.script)])
    const { value } = steps.next({ code: status ?? 1, stdout, stderr: stderr.toString() })
    if ('do' in value) throw new Error('a second step')
    return value
  }

  it('returns content, owner and mode, and what `writeFiles` compares with', () => {
    const content = readFileSync('/etc/passwd', 'utf8')
    const file = { path: '/etc/passwd', observed: sha256Hex(content), content, mode: '644', owner: 'root', group: 'root' }
    expect(read('/etc/passwd')).toEqual(file)
    expect(read('/etc/no-such-file')).toEqual({ path: '/etc/no-such-file', observed: 'absent', content: '' })
  })

  it('keeps a byte order mark', () => {
    const steps = readText('/etc/x')
    steps.next()
    const { value } = steps.next({ code: 0, stdout: Buffer.from('644 root root\n\uFEFFone\n'), stderr: '' })
    expect(value).toMatchObject({ content: '\uFEFFone\n', observed: sha256Hex('\uFEFFone\n') })
  })

  it.each([
    ['a directory', '/etc/apt', '/etc/apt is not a regular file', ' (exit 1)', undefined],
    ['a path that another account can replace', '/tmp/file', '/tmp can be replaced by another account (owner: everybody)', '', FIX_UNSAFE],
  ])('refuses %s', (_, path, why, code, fix) => {
    expect(() => read(path)).toThrow(expect.objectContaining({ name: 'HostRefusal', what: `${path} was not read${code}`, why, fix }))
  })
})
