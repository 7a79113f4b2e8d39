import { chmodSync, existsSync, mkdirSync, readdirSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { archive } from '../../../../src/resource/fetched/archive.ts'
import { manifestOf } from '../../../../src/resource/fetched/manifest.ts'
import { sha256Hex } from '../../../../src/resource/kind/content.ts'
import { orphan } from '../../../../src/resource/ownership/orphan.ts'
import { readRecord, recordHead, recordLine } from '../../../../src/resource/ownership/record.ts'
import type { Here } from '../run-here.ts'
import { archiveHost, declaredOn, interrupt, local, packedOn } from './archive-host.ts'
import { type FileServer, fileServer } from './server.ts'
import { zipFile } from './zip-file.ts'

let host: Here
const start = (): void => {
  host = archiveHost()
}
const packed = (script: string, words?: string): Uint8Array => packedOn(host, script, words)
const path = () => host.at('opt/app')
const plan = (bytes: Uint8Array, more: object = {}) => host.plan(declaredOn(host, bytes, more))
const reasons = (bytes: Uint8Array, more: object = {}) => plan(bytes, more).map(({ change }) => change.reason)
const apply = (bytes: Uint8Array, more: object = {}) => host.apply(plan(bytes, more), archive.kind)
const files = () => host.sh(`cd opt/app && find . -mindepth 1 -printf '%P %y %m %l\\n' | sort`).split('\n').slice(0, -1)
const isClean = () => [readdirSync(host.at('opt')), readdirSync(host.at('var/cache'))]
const ONE =
  'mkdir -p app-1/bin app-1/doc; echo run >app-1/bin/run; chmod 775 app-1/bin/run; echo read >app-1/doc/a.md; ln -s ../bin/run app-1/doc/run'
const TWO = 'mkdir -p app-2/bin; echo two >app-2/bin/run; chmod 664 app-2/bin/run; echo new >app-2/new'

// Programs of the host change owners, and start others as another account.
describe.runIf(process.getuid?.() === 0)('an archive', () => {
  beforeEach(start)
  afterEach(() => host.remove())

  it('is unpacked with its modes, replaced as a whole, and deleted', () => {
    const one = packed(ONE)
    expect(reasons(one, { strip: 2 })).toEqual(['missing'])
    expect(apply(one, { strip: 2 })).toBeUndefined()
    expect(files()).toEqual(['bin d 755 ', 'bin/run f 755 ', 'doc d 755 ', 'doc/a.md f 644 ', 'doc/run l 777 ../bin/run'])
    expect(plan(one, { strip: 2 })).toEqual([])
    expect(reasons(one, { strip: 2, umask: '027' })).toEqual(['another version'])
    const two = packed(TWO)
    expect(apply(two, { strip: 2, umask: '027' })).toBeUndefined()
    expect(files()).toEqual(['bin d 750 ', 'bin/run f 640 ', 'new f 640 '])
    expect(plan(two, { strip: 2, umask: '027' })).toEqual([])
    expect(isClean()).toEqual([['app'], []])
    expect(reasons(two, { state: 'absent' })).toEqual(['declared absent'])
    expect(apply(two, { state: 'absent' })).toBeUndefined()
    expect(isClean()).toEqual([[], []])
    expect(readdirSync(host.at('state/trees'))).toEqual([])
    expect(plan(two, { state: 'absent' })).toEqual([])
  })

  it.each(['-J .', '-j .', '--zstd .', '.'])('may be compressed otherwise: tar %s', (words) => {
    const names: Record<string, string> = { '-J .': 'a.tar.xz', '-j .': 'a.tbz2', '--zstd .': 'a.tar.zst', '.': 'a.tar' }
    const bytes = packed('echo x >x', words)
    expect(apply(bytes, { content: local(bytes, names[words]) })).toBeUndefined()
    expect(files()).toEqual(['x f 644 '])
  })

  it('may be a zip archive, with packed and stored content, long names and links', () => {
    const long = `app/${'d'.repeat(120)}/x`
    const bytes = zipFile([
      { name: 'app/', mode: 0o40755 },
      { name: 'app/run', content: 'run '.repeat(50_000), mode: 0o100755 },
      { name: 'app/stored', content: 'x'.repeat(150_000), stored: true },
      { name: 'app/empty', stored: true },
      { name: long, content: 'long' },
      { name: 'app/link', content: 'run', mode: 0o120777 },
    ])
    const more = { content: local(bytes, 'app.zip'), strip: 1 }
    expect(apply(bytes, more)).toBeUndefined()
    expect(files()).toEqual([
      ...[`${'d'.repeat(120)} d 755 `, `${'d'.repeat(120)}/x f 644 `, 'empty f 644 ', 'link l 777 run', 'run f 755 ', 'stored f 644 '],
    ])
    expect(host.sh('cd opt/app; cat link stored | sha256sum; stat -c %Y run')).toBe(
      `${sha256Hex('run '.repeat(50_000) + 'x'.repeat(150_000))}  -\n1735732800\n`,
    )
    expect(plan(bytes, more)).toEqual([])
  })

  it.each([
    ['a wrong checksum', [{ name: 'x', content: 'x', crc: 1 }], /damaged|crc error/],
    ['a path above', [{ name: '../evil', content: 'x' }], /Member name contains '\.\.'/],
    ['an absolute path', [{ name: '/evil', content: 'x' }], /Removing leading/],
    ['a link above', [{ name: 'x', content: '../../etc', mode: 0o120777 }], /which leaves the directory/],
    ['rights of its owner', [{ name: 'x', content: 'x', mode: 0o104755 }], /with the rights of its owner/],
    ['encryption', [{ name: 'x', content: 'x', flags: 1 }], /the archive is encrypted/],
    ['content over the limit', [{ name: 'x', content: 'x'.repeat(3_000_000) }], /larger than 2000000 bytes/],
  ])('that is a zip archive with %s is refused', (_, entries, why) => {
    const bytes = zipFile(entries)
    expect(apply(bytes, { content: local(bytes, 'app.zip'), maxUnpackedBytes: 2_000_000 })?.why).toMatch(why)
    expect(isClean()).toEqual([[], []])
  })

  it('that is no zip archive is refused', () => {
    for (const bytes of [Buffer.from('no archive'), zipFile([{ name: 'x', content: 'x' }]).subarray(4)])
      expect(apply(bytes, { content: local(bytes, 'app.zip') })?.why).toMatch(/no zip archive|damaged/)
  })

  it('shows what others changed, and replaces it', () => {
    const one = packed(ONE)
    apply(one, { strip: 2 })
    const at = (name: string) => join(path(), name)
    // Within the same second.
    host.sh('touch -d "$(stat -c %y opt/app/bin/run | sed "s/[.].*//").000000001" opt/app/bin/run')
    chmodSync(at('doc'), 0o700)
    rmSync(at('doc/run'))
    const [work] = plan(one, { strip: 2 })
    expect(work?.change).toMatchObject({
      ...{ action: 'update', certainty: 'exact', reason: '3 entries changed since it was unpacked' },
      differences: [{ key: 'changed', to: 'bin/run, doc, doc/run' }],
    })
    expect(apply(one, { strip: 2 })).toBeUndefined()
    expect(plan(one, { strip: 2 })).toEqual([])
    expect(files()).toHaveLength(5)
  })

  it('has the time of each file in seconds if its manifest is older', () => {
    const one = packed(ONE)
    apply(one)
    host.sh(String.raw`sed -i -E 's/[.][0-9]{9}\x00/\x00/g' state/trees/*`)
    expect(plan(one)).toEqual([])
    utimesSync(join(path(), 'app-1/bin/run'), 1, 1)
    expect(plan(one)).toHaveLength(1)
  })

  it('is not replaced if it changed after it was observed', () => {
    const [one, two] = [packed(ONE), packed(TWO)]
    apply(one)
    const deleting = { delete: true }
    const work = plan(two, deleting)
    writeFileSync(join(path(), 'by hand'), '')
    expect(host.apply(work, archive.kind)?.why).toContain(`${path()} is not as it was observed`)
    expect(readdirSync(path()).sort()).toEqual(['app-1', 'by hand'])
    // The state with the edit is another one, also if the same entry changes again.
    const again = plan(two, deleting)
    writeFileSync(join(path(), 'by hand'), 'more')
    expect(host.apply(again, archive.kind)?.why).toContain('is not as it was observed')
    const third = plan(two)
    chmodSync(join(path(), 'app-1'), 0o700)
    expect(host.apply(third, archive.kind)?.why).toContain('is not as it was observed')
    expect(apply(two, deleting)).toBeUndefined()
    expect([isClean(), plan(two, deleting)]).toEqual([[['app'], []], []])
  })

  it('takes the place of an empty directory, and of no other', () => {
    const one = packed(ONE)
    mkdirSync(path())
    expect(reasons(one)).toEqual(['empty'])
    const work = plan(one, { path: `${path()}-2` })
    // Made by a step of the same run.
    host.sh(': >T/step.1.from; mkdir opt/app-2; : >T/step.1.to')
    expect(host.apply(work, archive.kind)).toBeUndefined()
    writeFileSync(join(path(), 'mine'), '')
    const refused = () => {
      const [{ spec, state } = { spec: undefined, state: undefined }] = plan(one)
      return archive.kind.forbids?.(spec as never, state as never, { deletes: () => false } as never)
    }
    expect(refused()).toMatchObject({ what: `${path()} was not unpacked by provision`, why: 'it is a directory with content of others' })
    rmSync(path(), { recursive: true })
    symlinkSync('/etc', path())
    expect(refused()?.why).toBe('it is no directory')
    rmSync(path())
    expect(refused()).toBeUndefined()
  })

  it('contains what include and exclude select', () => {
    const bytes = packed('mkdir -p a/b c; touch a/x.md a/b/y.md a/b/z c/w top.md')
    expect(apply(bytes, { include: ['a', 'top.md'], exclude: ['**/*.md'] })).toBeUndefined()
    expect(files()).toEqual(['a d 755 ', 'a/b d 755 ', 'a/b/z f 644 '])
    expect(apply(bytes, { include: ['*/*.md', 'c'] })).toBeUndefined()
    expect(files()).toEqual(['a d 755 ', 'a/x.md f 644 ', 'c d 755 ', 'c/w f 644 '])
    expect(apply(bytes, { include: ['none'] })?.why).toContain('nothing to unpack')
  })

  it('that is damaged is refused', () => {
    const bytes = packed('head -c 300000 /dev/urandom >x')
    expect(apply(bytes.subarray(0, 100_000))?.why).toMatch(/Unexpected EOF|not recoverable/)
    expect(apply(Buffer.from('no archive'))?.why).toMatch(/./)
    expect(readdirSync(host.at('var/cache'))).toEqual([])
    expect(existsSync(path())).toBe(false)
  })

  it('is deleted when no role declares it any more, unless others changed it', () => {
    apply(packed(ONE))
    mkdirSync(host.at('state/owned'))
    const line = `${recordHead(['site.yaml'])}${recordLine(`archive:${path()}`, manifestOf(path()), 'disk')}\n`
    const record = host.at('state/owned/app')
    const recorded = () => writeFileSync(record, line.replace('/var/lib/provision', host.at('state')))
    recorded()
    const [owned = expect.fail('no line')] = readRecord(line.split('\n')).lines
    const resource = orphan({ role: 'app', owned, prune: true })
    const changes = () => host.plan(resource).map(({ change: { action, reason } }) => `${action}: ${reason}`)
    writeFileSync(join(path(), 'mine'), '')
    expect(changes()).toEqual(['update: kept, dropped from the ownership record: somebody else changed it: mine'])
    rmSync(join(path(), 'mine'))
    const work = host.plan(resource)
    expect(work.map(({ change }) => change.action)).toEqual(['delete'])
    writeFileSync(join(path(), 'mine'), '')
    expect(host.apply(work, resource.kind)?.why).toContain('is not as it was observed')
    rmSync(join(path(), 'mine'))
    expect(host.apply(host.plan(resource), resource.kind)).toBeUndefined()
    expect([isClean(), readdirSync(host.at('state/trees')), existsSync(record)]).toEqual([[[], []], [], false])
    recorded()
    expect(changes()).toEqual(['update: gone already, dropped from the ownership record'])
  })

  it('is finished by the next run after an interruption', () => {
    const [one, two] = [packed(ONE), packed(TWO)]
    apply(one, { delete: true })
    // Each time to the other version.
    for (const [before, version] of [[1, two] as const, [2, one] as const, [1, two] as const]) {
      const interrupted = interrupt(host, { before })
      expect(apply(version, { delete: true })?.what).toMatch(/exit/)
      interrupted.undo()
      expect(apply(version, { delete: true })).toBeUndefined()
      expect([before, plan(version), isClean()[0]]).toEqual([before, [], ['app']])
    }
  })

  describe('by URL', () => {
    let server: FileServer
    beforeAll(async () => {
      server = await fileServer()
    })
    afterAll(() => server.close())
    it('is fetched and verified by the host', () => {
      const bytes = packed('echo x >x')
      const more = { content: undefined, url: `${server.http}/hex/${Buffer.from(bytes).toString('hex')}`, format: 'tar.gz' }
      expect(apply(bytes, { ...more, sha256: sha256Hex('other') })?.why).toContain('Hash Sum mismatch')
      expect(apply(bytes, { ...more, sha256: sha256Hex(bytes) })).toBeUndefined()
      expect(files()).toEqual(['x f 644 '])
      expect(plan(bytes, { ...more, sha256: sha256Hex(bytes) })).toEqual([])
    })
  })
})

describe.runIf(process.getuid?.() === 0)('an archive with', () => {
  beforeAll(() => {
    start()
    apply(packed('echo former >former'))
  })
  afterAll(() => host.remove())

  it.each([
    ['a path above', 'echo x >../evil', '-z ../evil -P', /Member name contains '\.\.'/],
    ['an absolute path', 'echo x >x', '-z -P $PWD/x', /Removing leading `\/' from member names/],
    ['a link to an absolute path', 'ln -s /etc x', '-z .', /^x in the archive is a link to \/etc, which leaves the directory$/],
    ['a link above', 'mkdir a; ln -s ../../etc a/x', '-z .', /^a\/x in the archive is a link to \.\.\/\.\.\/etc, which leaves/],
    ['a link above through a link', 'mkdir a; ln -s ../b/../.. a/x', '-z .', /which leaves the directory/],
    ['a file behind a link', 'mkdir a; ln -s /tmp l; echo x >a/f', "-z l a/f --transform 's,^a,l,'", /./],
    ['a device', 'mknod x c 1 3', '-z .', /Cannot mknod/],
    ['a named pipe', 'mkfifo x', '-z .', /^x in the archive is neither a file, a directory nor a link$/],
    ['rights of its owner', 'touch x; chmod 4755 x', '-z .', /^x in the archive would run with the rights of its owner or group$/],
    ['a sparse file of absurd size', 'truncate -s 9G x', '-Sz .', /File size limit exceeded|larger than/],
    ['content over the limit', 'head -c 3000000 /dev/zero >x', '-z .', /larger than 2000000 bytes/],
    ['directories without end', 'd=x; for i in $(seq 120); do d=$d/x; done; mkdir -p $d', '-z .', /nested too deep/],
  ])('%s is refused, and nothing is changed', (_, script, words, why) => {
    const work = plan(packed(script, words), { maxUnpackedBytes: 2_000_000 })
    expect(host.apply(work, archive.kind)).toMatchObject({
      ...{ what: expect.stringContaining(`${path()} not unpacked`), why: expect.stringMatching(why) },
      fix: 'correct the archive or its options; nothing was changed, the former content is still there',
    })
    expect([files(), isClean(), readdirSync(host.at('state/trees'))]).toEqual([
      ['former f 644 '],
      [['app'], []],
      [expect.stringMatching(/list$/)],
    ])
  })
})
