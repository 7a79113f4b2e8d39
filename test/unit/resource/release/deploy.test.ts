import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { queryHost } from '../../../../src/engine/observe/host-query.ts'
import { type LocalFile, sha256Hex } from '../../../../src/resource/kind/content.ts'
import { type Change, keyOf } from '../../../../src/resource/kind/kind.ts'
import { type Answer, HostRefusal, type Step, type Steps } from '../../../../src/resource/kind/step.ts'
import { modifiedOf, type ReleaseState } from '../../../../src/resource/release/observe.ts'
import { release } from '../../../../src/resource/release/release.ts'

const local = (text: string): LocalFile => {
  const bytes = Buffer.from(text)
  return { type: 'local', path: '/p', sha256: sha256Hex(bytes), size: bytes.length, open: () => bytes }
}

/** Runs the scripts of the kind on this machine. They change owners, so only root can. */
describe.runIf(process.getuid?.() === 0)('a release on a real file system', { timeout: 60_000 }, () => {
  let [scratch, root] = ['', '']
  const sh = (script: string, input: Uint8Array = Buffer.alloc(0)): Answer => {
    const env = { ...process.env, PATH: `${scratch}/bin:${process.env.PATH}`, T: scratch, ROOT: root, LC_ALL: 'C' }
    const { status, stdout, stderr } = spawnSync('sh', ['-c', `umask 077; ${script}`], { input, env })
    return { code: status ?? 255, stdout, stderr: stderr.toString() }
  }
  beforeEach(() => {
    // A release is written to disk, which takes long on a busy one.
    scratch = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'provision-release-'))
    root = join(scratch, 'site')
    sh(`mkdir '${scratch}/bin' '${root}'; chmod 755 '${scratch}' '${root}'`)
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
  const run = (steps: Steps): void => {
    for (let next = steps.next(); next.done !== true; ) {
      const step: Step = next.value
      if (step.do !== 'shell') throw new Error(step.do)
      next = steps.next(sh(String(step.script), step.input as Uint8Array | undefined))
    }
  }
  const workOf = (files: Files, more: object = {}) => {
    const { resource, state, change } = planned(files, more)
    const { id, spec } = resource
    return { id, spec, state: state as ReleaseState, change: change as Change }
  }
  const deploy = (files: Files, more: object = {}, byHand = ':'): string | undefined => {
    const work = workOf(files, more)
    if (work.change === undefined) return undefined
    sh(`cd '${root}'; ${byHand}`)
    run(release.kind.apply([work]))
    return work.change.reason
  }
  const digestOf = (files: Files): string => declared(files).spec.digest
  const history = (): readonly string[] => readFileSync(join(root, 'history'), 'utf8').split('\n').slice(0, -1)
  const refusal = (action: () => unknown): HostRefusal => {
    try {
      action()
    } catch (error) {
      if (error instanceof HostRefusal) return error
      throw error
    }
    throw new Error('was not refused')
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
    expect(deploy(ONE)).toBe('1 file with a different time')
    expect(seconds('index.html')).toBe(modifiedOf(local('one\n')))
    // A deployment sends nothing that the host has: the file keeps its inode, and with it its time.
    const before = statSync(join(root, 'current/css/dark/style.css')).ino
    deploy(TWO)
    expect(statSync(join(root, 'current/css/dark/style.css')).ino).toBe(before)
  })

  it('has directories that every account may enter, also if their mode was changed by hand', () => {
    deploy(ONE)
    const modes = () => sh(`cd '${root}/current/' && find . -type d -printf '%P %m\n' | sort`).stdout.toString()
    const asDeployed = modes()
    sh(`cd '${root}/current/' && chmod 700 css && chmod 2775 css/dark`)
    deploy(ONE)
    expect([asDeployed, modes()]).toEqual([' 755\ncss 755\ncss/dark 755\n', asDeployed])
    sh(`cd '${root}/current/' && chmod 700 css && chmod 2775 css/dark`)
    deploy(TWO)
    expect([modes(), planned(TWO).change]).toEqual([asDeployed, undefined])
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

  it('can be read by every account, under any umask, and contains any names', () => {
    const odd = { ...ONE, '-n': 'x', 'a b/ü "$HOME".html': 'y', '*': 'z' }
    deploy(odd)
    expect(planned(odd).change).toBeUndefined()
    deploy({ ...odd, '*': 'Z' })
    expect([live('-n'), live('a b/ü "$HOME".html'), live('*')]).toEqual(['x', 'y', 'Z'])
    expect(sh(`cd '${root}' && stat -c %a releases history releases/*.sums | sort -u`).stdout.toString()).toBe('644\n755\n')
    expect(readdirSync(join(root, 'releases')).filter((name) => name.startsWith('.'))).toEqual([])
  })

  it('may be empty', () => {
    deploy(ONE)
    expect(deploy({})).toBe('2 files removed')
    expect([planned({}).change, readdirSync(join(root, 'current'))]).toEqual([undefined, []])
  })

  it('stays live if the upload is damaged on its way', () => {
    deploy(ONE)
    const content = { ...local('three\n'), open: () => Buffer.from('threX\n') }
    const work = { ...workOf(TWO), spec: release({ root, files: [{ path: 'index.html', content }] }).spec }
    expect(refusal(() => run(release.kind.apply([work])))).toMatchObject({
      what: `${root} not deployed (exit 1)`,
      why: expect.stringContaining('FAILED'),
      fix: 'fix the problem that the host reports, then run again; the previous release is still live',
      culprit: root,
    })
    expect([live('index.html'), readdirSync(join(root, 'releases')).length, history()]).toEqual(['one\n', 2, [digestOf(ONE)]])
  })

  it('is staged again after an interrupted upload', () => {
    deploy(ONE)
    sh(`mkdir '${root}/releases/.new' '${root}/releases/.mended'; echo x >'${root}/releases/.new/x'`)
    expect(deploy(ONE)).toBe('earlier upload interrupted')
    expect(readdirSync(join(root, 'releases')).toSorted()).toEqual([digestOf(ONE), `${digestOf(ONE)}.sums`].toSorted())
  })

  it('serves visitors at every moment while a damaged file is restored', () => {
    deploy(ONE)
    writeFileSync(join(root, 'current/css/dark/style.css'), 'damaged')
    for (const name of ['mv', 'rm', 'cp', 'sync', 'ln'])
      sh(
        `printf '%s\\n' '#!/bin/sh' 'cat "$ROOT/current/index.html" >>"$T/seen" 2>&1' 'exec /bin/${name} "$@"' >'${scratch}/bin/${name}'; chmod 755 '${scratch}/bin/${name}'`,
      )
    expect(deploy(ONE)).toBe('1 file damaged')
    expect([...new Set(readFileSync(join(scratch, 'seen'), 'utf8').trim().split('\n'))]).toEqual(['one'])
    expect([live('css/dark/style.css'), history(), planned(ONE).change]).toEqual(['body {}\n', [digestOf(ONE)], undefined])
    expect(existsSync(join(root, 'releases/.mended'))).toBe(false)
  })

  it('is completed if that was interrupted', () => {
    deploy(ONE)
    sh(`cd '${root}' && mv releases/${digestOf(ONE)} releases/.mended && ln -sfn releases/.mended current`)
    expect(deploy(ONE)).toBe('another release is live')
    expect([live('index.html'), readlinkSync(join(root, 'current')), history()]).toEqual([
      'one\n',
      `releases/${digestOf(ONE)}`,
      [digestOf(ONE)],
    ])
    expect(existsSync(join(root, 'releases/.mended'))).toBe(false)
  })

  it('has a history in the order of deployments, each release once, that begins with what is live', () => {
    const THREE = { 'index.html': 'three\n' }
    deploy(ONE)
    deploy(TWO)
    deploy(ONE)
    expect(history()).toEqual([TWO, ONE].map(digestOf))
    deploy({}, { which: 'previous' })
    expect(live('index.html')).toBe('two\n')
    deploy(THREE)
    expect(history()).toEqual([ONE, TWO, THREE].map(digestOf))
    rmSync(join(root, 'history'))
    sh(`touch '${root}/current/index.html'`)
    deploy(THREE)
    expect(history()).toEqual([digestOf(THREE)])
    // A link by hand is no release.
    sh(`cd '${root}' && mkdir hand && ln -sfn hand current`)
    deploy(TWO)
    expect(history()).toEqual([THREE, TWO].map(digestOf))
  })

  it('completes an interrupted deletion, and keeps entries whose names are not digests', () => {
    deploy(ONE)
    const { sums, digest } = declared({ gone: 'x' }).spec
    writeFileSync(join(root, 'releases', `${digest}.sums`), sums)
    writeFileSync(join(root, 'releases', 'notes.sums'), '')
    deploy(TWO)
    expect(
      readdirSync(join(root, 'releases'))
        .filter((name) => name.endsWith('.sums'))
        .toSorted(),
    ).toEqual([...[ONE, TWO].map((files) => `${digestOf(files)}.sums`), 'notes.sums'].toSorted())
  })

  it('is reverted to what was live before, as long as the host has it', () => {
    deploy(ONE)
    const work = workOf(TWO)
    run(release.kind.apply([work]))
    run(release.kind.revert?.([work]) ?? expect.fail('no way back'))
    expect([live('index.html'), history()]).toEqual(['one\n', [ONE, TWO].map(digestOf)])
    deploy(TWO)
    rmSync(join(root, 'releases', digestOf(ONE)), { recursive: true })
    run(release.kind.revert?.([work]) ?? expect.fail('no way back'))
    expect(live('index.html')).toBe('two\n')
    const none = { ...work, state: { ...work.state, current: 'absent' as const } }
    expect([...(release.kind.revert?.([none]) ?? [])]).toEqual([])
    chmodSync(root, 0o777)
    expect(refusal(() => run(release.kind.revert?.([work]) ?? expect.fail('no way back'))).what).toContain(`${root} not rolled back`)
  })

  it('shows the texts that are live before it replaces them', () => {
    const files = { ...ONE, private: 'secret\n', 'none.txt': '' }
    deploy(files)
    sh(`chmod 600 '${root}/current/private'`)
    const work = workOf({ ...TWO, private: 'new\n' })
    const before = release.kind.before?.([work, { ...work, id: '/previous', spec: declared(ONE, { which: 'previous' }).spec }])
    const texts = before?.read(sh(String(before.script)).stdout)
    expect([...(texts?.keys() ?? [])]).toEqual([root])
    expect(release.kind.diff?.(work, texts?.get(root))).toEqual({
      ...{ name: 'index.html', before: 'one\n', after: 'two\n' },
      more: [{ name: 'none.txt', before: '', after: '' }],
    })
    expect(sh(String(before?.script)).stdout.toString()).not.toContain('secret')
  })

  it.each<[string, string, string]>([
    ['a directory that others can write to', 'chmod 777 "$ROOT"', 'can be replaced by another account'],
    ['a directory of another account', 'chown 65534 "$ROOT"', ''],
    ['releases of another account', 'mkdir "$ROOT/releases"; chown 65534 "$ROOT/releases"', ''],
    [
      'releases behind a link',
      'mkdir "$T/other"; ln -s "$T/other" "$ROOT/releases"',
      'releases is a link, so its target may be used by others',
    ],
    ['a file in the place of its link', 'echo mine >"$ROOT/current"', 'current exists and is not a link'],
    ['a directory in the place of its link', 'mkdir "$ROOT/current"', 'current exists and is not a link'],
  ])('is not deployed into %s', (_, damage) => {
    const first = workOf(ONE)
    sh(damage)
    expect(refusal(() => run(release.kind.apply([first])))).toMatchObject({
      what: expect.stringContaining(`${root} not deployed`),
      done: [],
      culprit: root,
    })
    expect(readdirSync(root).filter((name) => name === 'history')).toEqual([])
  })

  it('is planned with the state of the release to roll back to', () => {
    const previous = () => (planned({}, { which: 'previous' }).state as ReleaseState).previous
    deploy(ONE)
    deploy(TWO)
    expect(previous()).toBe('whole')
    const before = join(root, 'releases', digestOf(ONE))
    // It shares this file with the live release.
    writeFileSync(join(root, 'current/css/dark/style.css'), 'edited\n')
    expect(previous()).toBe('changed')
    deploy(TWO)
    deploy(ONE)
    expect(previous()).toBe('whole')
    const older = join(root, 'releases', digestOf(TWO))
    writeFileSync(`${older}.sums`, '')
    expect(previous()).toBe('changed')
    rmSync(older, { recursive: true })
    expect(previous()).toBe('missing')
    chmodSync(join(root, 'releases'), 0o777)
    expect(previous()).toBeUndefined()
    expect(readdirSync(before).sort()).toEqual(['css', 'index.html'])
    expect((planned(ONE).state as ReleaseState).previous).toBeUndefined()
  })

  it('counts as changed if another account owns a directory of it, or a file is not a regular file', () => {
    const previous = () => (planned({}, { which: 'previous' }).state as ReleaseState).previous
    deploy({ ...ONE, 'a\\b ü.txt': 'odd', 'empty/x': '' })
    deploy(TWO)
    const before = join(root, 'releases', digestOf({ ...ONE, 'a\\b ü.txt': 'odd', 'empty/x': '' }))
    expect(previous()).toBe('whole')
    sh(`chown 12345 '${before}/css'; rm '${before}/css/dark/style.css'; mkfifo '${before}/css/dark/style.css'`)
    expect(previous()).toBe('changed')
    sh(`chown 0 '${before}/css'`)
    expect(previous()).toBe('changed')
    sh(`rm '${before}/css/dark/style.css'; cp '${root}/current/css/dark/style.css' '${before}/css/dark/'`)
    expect(previous()).toBe('whole')
    sh(`chown 12345 '${before}/css'`)
    expect(previous()).toBe('changed')
  })

  it('does not roll back to a release that was changed or is gone', () => {
    deploy(ONE)
    deploy(TWO)
    const before = join(root, 'releases', declared(ONE).spec.digest)
    writeFileSync(join(before, 'index.html'), 'edited\n')
    const changed = {
      what: `${root} not rolled back to ${digestOf(ONE).slice(0, 12)} (exit 1)`,
      why: expect.stringMatching(/it was changed after its deployment$/),
      fix: 'deploy it from the project again',
    }
    expect(refusal(() => deploy({}, { which: 'previous' }))).toMatchObject(changed)
    writeFileSync(join(before, 'index.html'), 'one\n')
    writeFileSync(`${before}.sums`, '')
    expect(refusal(() => deploy({}, { which: 'previous' }))).toMatchObject(changed)
    rmSync(before, { recursive: true })
    expect(refusal(() => deploy({}, { which: 'previous' })).why).toBe('it is no longer on the host')
    expect(live('index.html')).toBe('two\n')
    writeFileSync(join(root, 'history'), '')
    expect(refusal(() => deploy({}, { which: 'previous' }))).toMatchObject({
      what: `${root} not rolled back`,
      why: 'the newest deployment has no predecessor, or the predecessor is no longer on the host',
    })
  })

  it('that cannot be read on the controller fails with the reason of that', () => {
    const missing = new Error('ENOENT: /p')
    const content: LocalFile = {
      ...local('x'),
      open: () => {
        throw missing
      },
    }
    const work = { ...workOf(ONE), spec: release({ root, files: [{ path: 'index.html', content }] }).spec }
    expect(() => run(release.kind.apply([work]))).toThrow(missing)
    expect(existsSync(join(root, 'current'))).toBe(false)
  })

  it('that fails leaves those before it done', () => {
    const other = `${root}2`
    sh(`mkdir -m 755 '${other}'; echo x >'${other}/current'`)
    const [one, two] = [workOf(ONE), workOf(ONE)]
    const second = { ...two, id: other, spec: { ...two.spec, root: other } }
    expect(refusal(() => run(release.kind.apply([one, second])))).toMatchObject({ done: [root], culprit: other })
    expect(live('index.html')).toBe('one\n')
  })

  describe('after a change by hand since the observation', () => {
    const refused = (what: string) => ({
      what: `${root} ${what}`,
      why: expect.stringContaining(`${root}/current is not as it was observed`),
      fix: 'run again: the next plan starts from the present state',
      culprit: root,
    })
    const THEIRS = `mkdir -p releases/theirs; ln -sfn releases/theirs current`
    const isTheirs = (): boolean => readlinkSync(join(root, 'current')) === 'releases/theirs'

    it('leaves the release live that somebody made live', () => {
      expect(() => deploy(ONE, {}, THEIRS)).toThrow(expect.objectContaining(refused('not deployed')))
      expect(isTheirs()).toBe(true)
      rmSync(join(root, 'current'))
      deploy(ONE)
      deploy(TWO)
      sh(`rm -r '${root}/releases/theirs'`)
      expect(() => deploy(ONE, {}, THEIRS)).toThrow(expect.objectContaining(refused('not deployed')))
      expect(isTheirs()).toBe(true)
    })

    it.each([
      ['leaves the release live that somebody made live', THEIRS, {}],
      ['does not repair what was edited', 'echo again >current/index.html', ONE],
    ])('during the upload it %s', (_, byHand, before) => {
      deploy(ONE)
      sh(`echo damaged >'${root}/current/index.html'`)
      const work = workOf(before === ONE ? ONE : TWO)
      writeFileSync(join(scratch, 'bin/tar'), `#!/bin/sh\n/bin/tar "$@"; cd '${root}' && ${byHand}\n`, { mode: 0o755 })
      const state = (): string => sh(`cd '${root}'; readlink current; cat current/index.html history; ls -A releases`).stdout.toString()
      expect(() => run(release.kind.apply([work]))).toThrow(expect.objectContaining({ ...refused('not deployed'), culprit: root }))
      expect(state()).toMatch(before === ONE ? /^releases\/\w+\nagain\n/ : /^releases\/theirs\n/)
      expect(existsSync(join(root, 'releases/.new'))).toBe(false)
    })

    it('does not roll back from it', () => {
      deploy(ONE)
      deploy(TWO)
      const previous = declared(ONE).spec.digest
      const words = refused(`not rolled back to ${previous.slice(0, 12)}`)
      expect(() => deploy({}, { which: 'previous' }, THEIRS)).toThrow(expect.objectContaining(words))
      expect(isTheirs()).toBe(true)
      sh(`ln -sfn 'releases/${declared(TWO).spec.digest}' '${root}/current'`)
      expect(deploy({}, { which: 'previous' }, `ln -sfn releases/${previous} current`)).toBe('rolls back to the previous release')
      expect(live('index.html')).toBe('one\n')
    })

    it('does not repair what was edited once more', () => {
      deploy(ONE)
      const edit = (text: string) => `echo ${text} >current/index.html; touch -d @1700000000.${text.length} current/index.html`
      sh(`cd '${root}'; ${edit('damaged')}`)
      for (const byHand of [
        edit('again'),
        'echo new >current/more.html',
        'chmod 600 current/css/dark/style.css',
        'rm current/index.html',
      ]) {
        expect(() => deploy(ONE, {}, byHand)).toThrow(expect.objectContaining(refused('not deployed')))
      }
      sh(`cd '${root}'; printf x >current/b; printf y >'current/B c'; mkdir current/.e; touch -d @1.5 current/.e`)
      expect(deploy(ONE)).toBe('1 file missing, 1 damaged, 4 unknown')
      expect(live('index.html')).toBe('one\n')
      sh(`cd '${root}'; printf x >"$(printf 'current/\\351')"`)
      expect(deploy(ONE)).toBe('1 file unknown')
      expect(planned(ONE).change).toBeUndefined()
    })

    it('restores no release over another one that is live since', () => {
      deploy(ONE)
      const { resource, state, change } = planned(TWO)
      const { id, spec } = resource
      const work = [{ id, spec, state, change: change as never, members: () => new Map(), allowDataLoss: new Set<string>() }]
      deploy(TWO)
      const revert = (): Answer => {
        const step = resource.kind.revert?.(work).next().value as { readonly script: unknown }
        return sh(String(step.script))
      }
      sh(`cd '${root}'; ${THEIRS}`)
      expect(revert()).toMatchObject({ code: 68 })
      sh(`ln -sfn 'releases/${declared(TWO).spec.digest}' '${root}/current'`)
      expect(revert()).toMatchObject({ code: 0, stderr: '' })
      expect(live('index.html')).toBe('one\n')
    })
  })

  it('replaces no directory that is in the place of its link', () => {
    sh(`mkdir '${root}/current' && echo mine >'${root}/current/file'`)
    expect(() => deploy(ONE)).toThrow('not deployed')
    expect(live('file')).toBe('mine\n')
  })
})
