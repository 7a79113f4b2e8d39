import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, readlinkSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { queryHost } from '../../../../src/engine/observe/host-query.ts'
import { type LocalFile, sha256Hex } from '../../../../src/resource/kind/content.ts'
import { keyOf } from '../../../../src/resource/kind/kind.ts'
import type { Answer, Step } from '../../../../src/resource/kind/step.ts'
import { modifiedOf } from '../../../../src/resource/release/observe.ts'
import { release } from '../../../../src/resource/release/release.ts'

const local = (text: string): LocalFile => {
  const bytes = Buffer.from(text)
  return { type: 'local', path: '/p', sha256: sha256Hex(bytes), size: bytes.length, open: () => bytes }
}

/** Runs the scripts of the kind on this machine. They change owners, so only root can. */
describe.runIf(process.getuid?.() === 0)('a release on a real file system', { timeout: 60_000 }, () => {
  let [scratch, root] = ['', '']
  const sh = (script: string, input: Uint8Array = Buffer.alloc(0)): Answer => {
    const { status, stdout, stderr } = spawnSync('sh', ['-c', script], { input, env: { ...process.env, T: scratch, LC_ALL: 'C' } })
    return { code: status ?? 255, stdout, stderr: stderr.toString() }
  }
  beforeEach(() => {
    scratch = mkdtempSync(join(tmpdir(), 'provision-release-'))
    root = join(scratch, 'site')
    sh(`mkdir '${root}'; chmod 755 '${scratch}' '${root}'`)
  })
  afterEach(() => rmSync(scratch, { recursive: true, force: true }))

  type Files = Readonly<Record<string, string>>
  const declared = (files: Files, more: object = {}) =>
    release({ root, files: Object.entries(files).map(([path, text]) => ({ path, content: local(text) })), ...more })
  const planned = (files: Files, more: object = {}) => {
    const resource = declared(files, more)
    const query = queryHost('here', [{ play: 0, role: 'r', resource }])
    const state = query.read(sh(query.script).stdout).get(keyOf(resource))
    const context = { now: new Date(0), packagesPending: false, changes: () => false, members: () => new Map() }
    return { resource, state, change: resource.kind.plan(resource.spec, state, context) }
  }
  const deploy = (files: Files, more: object = {}): string | undefined => {
    const { resource, state, change } = planned(files, more)
    if (change === undefined) return undefined
    const { id, spec } = resource
    const steps = resource.kind.apply([{ id, spec, state, change, members: () => new Map(), allowDataLoss: new Set() }])
    for (let next = steps.next(); next.done !== true; ) {
      const step: Step = next.value
      if (step.do !== 'shell') throw new Error(step.do)
      next = steps.next(sh(String(step.script), step.input as Uint8Array | undefined))
    }
    return change.reason
  }
  const live = (path: string) => readFileSync(join(root, 'current', path), 'utf8')

  const ONE = { 'index.html': 'one\n', 'css/dark/style.css': 'body {}\n' }
  const TWO = { ...ONE, 'index.html': 'two\n' }

  it('is as declared after its deployment, and rolls back', () => {
    expect(deploy(ONE)).toBe('missing, 2 files')
    expect(planned(ONE).change).toBeUndefined()
    expect(deploy(TWO)).toBe('1 file changed')
    expect(live('index.html')).toBe('two\n')
    expect(deploy({}, { which: 'previous' })).toBe('rolls back to the previous release')
    expect(live('index.html')).toBe('one\n')
    expect(planned(ONE).change).toBeUndefined()
  })

  it('converges in a directory with the set-group-ID bit and another group', () => {
    sh(`chgrp 12345 '${root}'; chmod 2755 '${root}'`)
    deploy(ONE)
    expect(planned(ONE).change).toBeUndefined()
    const found = sh(`cd '${root}/current/' && find . -printf '%P %y %m %U:%G\\n' | sort`).stdout.toString()
    expect(found).toBe(' d 755 0:0\ncss d 755 0:0\ncss/dark d 755 0:0\ncss/dark/style.css f 644 0:0\nindex.html f 644 0:0\n')
  })

  it('gives a file the time that follows from its content, and restores it', () => {
    deploy(ONE)
    const seconds = (path: string) => statSync(join(root, 'current', path)).mtimeMs / 1000
    for (const [path, text] of Object.entries(ONE)) expect(seconds(path)).toBe(modifiedOf(local(text)))
    sh(`touch '${root}/current/index.html'`)
    expect(deploy(ONE)).toBe('1 file with another time')
    expect(seconds('index.html')).toBe(modifiedOf(local('one\n')))
    // A deployment sends nothing that the host has: the file keeps its inode, and with it its time.
    const before = statSync(join(root, 'current/css/dark/style.css')).ino
    deploy(TWO)
    expect(statSync(join(root, 'current/css/dark/style.css')).ino).toBe(before)
  })

  it('keeps so many releases, and deletes only its own', () => {
    sh(`mkdir -p '${root}/releases/${'a'.repeat(64)}' && echo x >'${root}/releases/${'a'.repeat(64)}.sums'`)
    for (const text of ['1', '2', '3', '4']) deploy({ 'index.html': text }, { keep: 2 })
    const kept = ['3', '4'].map((text) => declared({ 'index.html': text }).spec.digest)
    expect(readFileSync(join(root, 'history'), 'utf8')).toBe(`${kept.join('\n')}\n`)
    const left = sh(`ls -A '${root}/releases'`).stdout.toString().trim().split('\n')
    expect(left).toEqual([...kept, 'a'.repeat(64)].flatMap((name) => [name, `${name}.sums`]).sort())
    expect(readlinkSync(join(root, 'current'))).toBe(`releases/${kept[1]}`)
  })

  it('does not roll back to a release that was changed or is gone', () => {
    deploy(ONE)
    deploy(TWO)
    const before = join(root, 'releases', declared(ONE).spec.digest)
    writeFileSync(join(before, 'index.html'), 'edited\n')
    expect(() => deploy({}, { which: 'previous' })).toThrow('not rolled back')
    rmSync(before, { recursive: true })
    expect(() => deploy({}, { which: 'previous' })).toThrow('not rolled back')
    expect(live('index.html')).toBe('two\n')
  })

  it('replaces no directory that is in the place of its link', () => {
    sh(`mkdir '${root}/current' && echo mine >'${root}/current/file'`)
    expect(() => deploy(ONE)).toThrow('not deployed')
    expect(live('file')).toBe('mine\n')
  })
})
