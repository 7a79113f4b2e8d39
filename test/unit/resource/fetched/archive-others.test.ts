import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { archive } from '../../../../src/resource/fetched/archive.ts'
import { formerOf, stagingOf } from '../../../../src/resource/fetched/manifest.ts'
import type { Here } from '../run-here.ts'
import { archiveHost, declaredOn, interrupt, packedOn } from './archive-host.ts'

let host: Here
const path = () => host.at('opt/app')
const packed = (script: string) => packedOn(host, script)
const plan = (bytes: Uint8Array, more: object = {}) => host.plan(declaredOn(host, bytes, more))
const apply = (bytes: Uint8Array, more: object = {}) => host.apply(plan(bytes, more), archive.kind)
/** Files with their content, and directories with their mode. */
const found = () => host.sh(`cd opt/app; find . -type f -printf '%P ' -exec cat {} \\; -o -type d -printf '%P/ %m\\n' | sort`).split('\n')
const paths = () => host.sh(`cd opt/app; find . -mindepth 1 -printf '%P\\n' | sort`).split('\n').slice(0, -1)
const inApp = (script: string) => host.sh(`set -e; cd opt/app; ${script}`)
const isClean = () => [readdirSync(host.at('opt')), readdirSync(host.at('var/cache')), readdirSync(host.at('state/trees')).length]

const ONE = 'mkdir -p bin doc/old; echo one >bin/run; echo read >doc/old/a.md; echo gone >gone; echo changed >changed'
const TWO = 'mkdir -p bin; echo two >bin/run; echo new >new'
/** An application writes into a new directory, directories of the archive, and a file of the archive. */
const WRITE = `mkdir -m 700 data data/empty; echo x >data/x; echo mine >bin/mine; echo mine >doc/old/mine; chmod 700 doc/old
  chown -R 33:33 data; chown 33:33 doc/old; echo edited >changed; ln -s data/x link; mkfifo pipe`
const WRITTEN = ['bin/mine', 'changed', 'data', 'data/empty', 'data/x', 'doc', 'doc/old', 'doc/old/mine', 'link', 'pipe']

describe.runIf(process.getuid?.() === 0)('entries of others in an archive', () => {
  beforeEach(() => {
    host = archiveHost()
  })
  afterEach(() => host.remove())

  it('are no difference, and go into each other version', () => {
    const [one, two] = [packed(ONE), packed(TWO)]
    expect(apply(one)).toBeUndefined()
    inApp('echo mine >bin/mine; mkdir data; echo x >data/x')
    expect(plan(one)).toEqual([])
    inApp(`rm bin/mine; rm -r data; ${WRITE}`)
    expect(plan(one)).toMatchObject([{ change: { reason: '2 entries changed since it was unpacked' } }])
    expect(plan(two)).toMatchObject([
      { change: { reason: 'another version', differences: [{}, { key: 'changed', to: 'changed, doc/old' }] } },
    ])
    expect(apply(two)).toBeUndefined()
    expect(paths()).toEqual([...WRITTEN, 'bin', 'bin/run', 'new'].sort())
    expect(inApp('cat bin/run changed doc/old/mine data/x; stat -c "%a %u %g" data doc/old doc')).toBe(
      'two\nedited\nmine\nx\n700 33 33\n700 33 33\n755 0 0\n',
    )
    expect(plan(two)).toEqual([])
    // A file of the former version that somebody edited is no more the archive's.
    expect(apply(one)).toMatchObject({ why: expect.stringContaining('changed is in the new version too') })
    inApp('rm changed')
    expect(apply(one)).toMatchObject({ why: expect.stringContaining('doc/old/mine could be read by more accounts') })
    inApp('chmod 755 doc/old')
    expect(apply(one)).toBeUndefined()
    expect(paths()).toEqual([...WRITTEN, 'bin', 'bin/run', 'doc/old/a.md', 'gone'].sort())
    expect([plan(one), isClean()]).toEqual([[], [['app'], [], 1]])
  })

  it('are deleted with delete: true, and the plan names them', () => {
    const [one, two] = [packed(ONE), packed(TWO)]
    apply(one)
    inApp('mkdir data; for i in 1 2 3 4 5 6; do echo >data/$i; done; rm gone')
    expect(plan(one, { delete: true })).toMatchObject([
      {
        change: {
          reason: '1 entry changed since it was unpacked, 7 entries not in the archive',
          differences: [
            { key: 'changed', to: 'gone' },
            { key: 'deletes', to: 'data, data/1, data/2, data/3, data/4 and 2 more' },
          ],
        },
      },
    ])
    const work = plan(two, { delete: true })
    expect(work).toMatchObject([{ change: { differences: [{ key: 'content' }, { key: 'changed' }, { key: 'deletes' }] } }])
    inApp('echo >late')
    expect(host.apply(work, archive.kind)?.why).toContain('is not as it was observed')
    expect(apply(two, { delete: true })).toBeUndefined()
    expect([paths(), plan(two, { delete: true }), isClean()]).toEqual([['bin', 'bin/run', 'new'], [], [['app'], [], 1]])
  })

  it.each([
    ['a file that the new version has too', 'echo mine >new', 'new is in the new version too'],
    ['a directory where the new version has a file', 'mkdir new', 'new is in the new version too'],
    ['a file where the new version has a directory', 'echo mine >own', 'own is in the new version too', 'mkdir own'],
    ['a file below what is a file now', 'echo mine >doc/mine', 'doc/mine is in the new version too', 'echo now >doc'],
    ['a directory that the new version opens', 'mkdir -m 700 own; echo >own/x', 'own/x could be read by more accounts', 'mkdir own'],
    [
      'a file in a closed directory',
      'chmod 700 bin; echo >bin/x',
      'bin/x could be read by more accounts in the new version, where its directory (owner: root) has',
    ],
  ])('refuse a version: %s', (_, write, why, more = ':') => {
    const one = packed(ONE)
    apply(one)
    inApp(write)
    const before = found()
    const two = packed(`${TWO}; ${more}`)
    expect(apply(two)).toMatchObject({
      what: `${path()} not unpacked, because others have entries in it that the new version cannot keep`,
      ...{ why: expect.stringContaining(why), fix: expect.stringContaining('nothing was changed') },
    })
    expect([found(), isClean()]).toEqual([before, [['app'], [], 1]])
    expect(apply(two, { delete: true })).toBeUndefined()
    expect(plan(two, { delete: true })).toEqual([])
  })

  it('have a directory of both versions in common', () => {
    apply(packed(ONE))
    inApp('mkdir own; echo mine >own/mine')
    const two = packed(`${TWO}; mkdir own; echo its >own/its`)
    expect(apply(two)).toBeUndefined()
    expect([paths(), plan(two)]).toEqual([['bin', 'bin/run', 'new', 'own', 'own/its', 'own/mine'], []])
  })

  it('prevent the deletion, also those of an interrupted version', () => {
    const [one, two] = [packed(ONE), packed(TWO)]
    apply(one)
    inApp('echo mine >mine')
    const [{ spec, state } = { spec: undefined, state: undefined }] = plan(one, { state: 'absent' })
    expect(archive.kind.forbids?.(spec as never, state as never, { deletes: () => false } as never)?.why).toMatch(/: mine$/)
    // The exchange is the third call: the former version is in the staging directory then.
    const interrupted = interrupt(host, { before: 4 })
    expect(apply(two)).toBeDefined()
    interrupted.undo()
    expect([existsSync(`${path()}/mine`), existsSync(`${stagingOf(path())}/tree/mine`)]).toEqual([false, true])
    expect(apply(two, { state: 'absent' })?.why).toContain('is not as it was observed')
    expect([paths(), existsSync(formerOf(path()))]).toEqual([['bin', 'bin/run', 'mine', 'new'], false])
  })

  it.each([
    ['', true, 99],
    [' without renameat2', false, 9],
  ])(
    'are all there after an interruption at any call%s',
    (_, exchanges, last) => {
      const [one, two] = [packed(ONE), packed(TWO)]
      apply(one)
      inApp(WRITE)
      host.sh('cp -a opt first.opt; cp -a state first.state')
      let wasInterrupted = true
      let before = 1
      for (; wasInterrupted && before <= last; before += before < 12 ? 1 : 3) {
        rmSync(host.at('opt'), { recursive: true })
        host.sh('rm -rf state var/cache/*; cp -a first.opt opt; cp -a first.state state')
        const interrupted = interrupt(host, { before, exchanges })
        wasInterrupted = apply(two) !== undefined
        // The next run is interrupted too.
        if (wasInterrupted && before % 3 === 0) apply(two)
        interrupted.undo()
        expect([before, apply(two)]).toEqual([before, undefined])
        expect([before, paths()]).toEqual([before, [...WRITTEN, 'bin', 'bin/run', 'new'].sort()])
        expect(inApp('cat bin/run changed doc/old/mine data/x; stat -c "%a %u %g" data doc/old doc')).toBe(
          'two\nedited\nmine\nx\n700 33 33\n700 33 33\n755 0 0\n',
        )
        expect([before, plan(two), isClean()]).toEqual([before, [], [['app'], [], 1]])
      }
      expect(before).toBeGreaterThan(Math.min(last, 15))
    },
    600_000,
  )

  it.each([
    ['a new file', 4, 'echo late >$APP/data', 'data is in the new version too', 'rm data'],
    // The new version is still in the staging directory.
    ['a link', 3, 'mv $NEW/bin $NEW/b; ln -s $OUT $NEW/bin', 'bin/mine is in the new version too', 'rm bin; mv b bin'],
  ])('are not moved over or through what appears in the new version: %s', (_, before, script, why, decide) => {
    apply(packed(ONE))
    inApp('mkdir data; echo x >data/x; echo mine >bin/mine')
    mkdirSync(host.at('out'))
    const run = `APP=${path()} OUT=${host.at('out')} NEW=${stagingOf(path())}/tree; ${script}`
    const interrupted = interrupt(host, { before, run })
    const two = packed(TWO)
    const refused = apply(two)
    interrupted.undo()
    expect(refused).toMatchObject({ what: expect.stringContaining('has the new version'), why: expect.stringContaining(why) })
    expect([readdirSync(host.at('out')), readdirSync(`${stagingOf(path())}/tree`).length > 0]).toEqual([[], true])
    // It is refused until somebody decides.
    expect(apply(two)?.why).toContain(why)
    inApp(decide)
    expect(apply(two)).toBeUndefined()
    expect([paths(), plan(two)]).toEqual([['bin', 'bin/mine', 'bin/run', 'data', 'data/x', 'new'], []])
  })

  it('do not lead out of the former version, and a directory of root in its place stays closed', () => {
    apply(packed(ONE))
    inApp('mkdir -m 700 secret; echo key >secret/key; echo mine >bin/mine')
    mkdirSync(host.at('out'))
    writeFileSync(host.at('out/foreign'), '')
    const old = `${stagingOf(path())}/tree`
    // The owner of the tree has it as working directory.
    const swap = `cd ${old} && mv bin b && mv secret bin && mv doc d && ln -s ${host.at('out')} doc`
    const interrupted = interrupt(host, { before: 4, run: swap })
    const two = packed(TWO)
    const refused = apply(two)
    interrupted.undo()
    expect(refused?.why).toContain('bin/key could be read by more accounts')
    expect(readdirSync(host.at('out'))).toEqual(['foreign'])
    expect(host.sh(`find opt -name key -printf '%h '; stat -c %a ${old}/bin`)).toBe(`opt/${old.slice(host.at('opt/').length)}/bin 700\n`)
    host.sh(`cd ${old}; mv bin secret`)
    expect(apply(two)).toBeUndefined()
    expect(inApp('cat bin/mine secret/key; readlink doc; stat -c %a secret')).toBe(`mine\nkey\n${host.at('out')}\n700\n`)
  })

  it('are moved too if they appear in the former version after the exchange', () => {
    apply(packed(ONE))
    const two = packed(TWO)
    // The first call after the exchange deletes a file that the archive brought.
    const interrupted = interrupt(host, { before: 4, run: `echo late >${stagingOf(path())}/tree/doc/old/late` })
    expect(apply(two)).toBeUndefined()
    interrupted.undo()
    expect([inApp('cat doc/old/late'), plan(two), isClean()]).toEqual(['late\n', [], [['app'], [], 1]])
  })

  it('that an interrupted version left are not guessed', () => {
    apply(packed(ONE))
    inApp('echo mine >mine')
    const two = packed(TWO)
    const interrupted = interrupt(host, { before: 4 })
    apply(two)
    interrupted.undo()
    const staging = stagingOf(path())
    // As after a restored backup: the inodes are others.
    host.sh(`mv ${staging} hold; cp -a hold ${staging}`)
    expect(apply(two)?.why).toContain(`${staging} can hold what others made in ${path()}; move it away, then delete`)
    expect(existsSync(`${staging}/tree/mine`)).toBe(true)
    rmSync(staging, { recursive: true })
    expect(plan(two)).toMatchObject([{ change: { reason: 'earlier unpacking interrupted' } }])
    expect(apply(two)).toBeUndefined()
    expect([plan(two), isClean()]).toEqual([[], [['app'], [], 1]])
  })

  it('include no mount points', () => {
    host.remove()
    host = archiveHost('/proc/self/mountinfo')
    mkdirSync(host.at('proc/self'), { recursive: true })
    const mount = (at: string) => writeFileSync(host.at('proc/self/mountinfo'), `36 35 98:0 / ${at} rw - ext4 /dev/x rw\n`)
    mount(`${path()}2/x`)
    apply(packed(ONE))
    inApp('mkdir "a b"')
    expect(apply(packed(TWO))).toBeUndefined()
    mount(`${path()}/a\\040b`)
    for (const more of [{}, { delete: true }, { state: 'absent' }]) {
      expect(apply(packed(ONE), more)?.why).toContain(`${path()}/a b is a mount point`)
      expect(paths()).toEqual(['a b', 'bin', 'bin/run', 'new'])
    }
  })
})
