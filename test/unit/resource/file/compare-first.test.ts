import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { directory } from '../../../../src/resource/file/directory.ts'
import { file } from '../../../../src/resource/file/file.ts'
import { link } from '../../../../src/resource/file/link.ts'
import { filesAsInput, placeScript } from '../../../../src/resource/file/place.ts'
import type { FileSpec, FileState } from '../../../../src/resource/file/spec.ts'
import type { Resource } from '../../../../src/resource/kind/kind.ts'
import { requireBatch } from '../../../../src/resource/kind/one-by-one.ts'
import { CHANGED, PARTLY } from '../../../../src/resource/kind/walk.ts'
import { type Here, here, mine } from '../run-here.ts'

let host: Here
beforeEach(() => {
  host = here()
})
afterEach(() => host.remove())

const fileAt = (path: string, content: string, mode = '644'): Resource => file({ path: host.at(path), content, mode, ...mine })
const directoryAt = (path: string, mode = '755'): Resource => directory({ path: host.at(path), mode, ...mine })
const linkAt = (path: string, target: string): Resource => link({ path: host.at(path), target })
const digestIn = (state: FileState): string | undefined => (typeof state === 'object' && state.type === 'f' ? state.sha256 : undefined)
const goneAt = (kind: typeof file | typeof directory | typeof link, path: string): Resource =>
  kind({ path: host.at(path), state: 'absent' })

/** Plans, lets somebody change the host by hand, applies. */
const changedBetween = (resources: readonly Resource[], byHand: string) => {
  const [first] = resources
  if (first === undefined) throw new Error('nothing declared')
  const work = host.plan(...resources)
  host.sh(byHand)
  return host.apply(work, first.kind)
}

describe('a change by hand between observation and write', () => {
  it.each<[string, string, string, () => Resource]>([
    ['new content', 'echo old >a', 'echo theirs >a', () => fileAt('a', 'ours\n')],
    ['a new mode', 'echo old >a', 'chmod 600 a', () => fileAt('a', 'ours\n')],
    ['a file that appeared', '', 'echo theirs >a', () => fileAt('a', 'ours\n')],
    ['a file that was deleted', 'echo old >a', 'rm a', () => fileAt('a', 'ours\n')],
    ['a link in place of a file', 'echo old >a', 'rm a; ln -s b a', () => fileAt('a', 'ours\n')],
    ['another target of a link that a file replaces', 'ln -s b a', 'ln -sfn c a', () => fileAt('a', 'ours\n')],
    ['new content of a file to delete', 'echo old >a', 'echo theirs >a', () => goneAt(file, 'a')],
    ['another target', 'ln -s b a', 'ln -sfn theirs a', () => linkAt('a', 'ours')],
    ['a link that appeared', '', 'ln -s theirs a', () => linkAt('a', 'ours')],
    ['another target of a link to delete', 'ln -s b a', 'ln -sfn theirs a', () => goneAt(link, 'a')],
    ['a new mode of a directory', 'mkdir -m 700 a', 'chmod 711 a', () => directoryAt('a')],
    ['a directory that appeared', '', 'mkdir -m 711 a', () => directoryAt('a')],
    ['a directory that was deleted', 'mkdir -m 700 a', 'rmdir a', () => directoryAt('a')],
    ['a file in place of a directory', 'mkdir -m 700 a', 'rmdir a; echo theirs >a', () => directoryAt('a')],
    ['a new mode of a directory to delete', 'mkdir a', 'chmod 711 a', () => goneAt(directory, 'a')],
  ])('is never overwritten: %s', (_, before, byHand, declared) => {
    host.sh(before)
    const resource = declared()
    const refusal = changedBetween([resource], byHand)
    const theirs = host.sh("find a -printf '%y %m %l ' 2>/dev/null; cat a 2>/dev/null")
    expect(refusal).toMatchObject({ done: [], culprit: resource.id, fix: 'run again: the next plan starts from the present state' })
    expect(refusal?.why).toContain(`${resource.id} is not as it was observed`)
    host.sh(`rm -rf a; ${before}; ${byHand}`)
    expect(host.sh("find a -printf '%y %m %l ' 2>/dev/null; cat a 2>/dev/null")).toBe(theirs)
    const isOfOtherType = byHand.startsWith('rmdir a; echo')
    expect(host.apply(host.plan(resource), resource.kind) === undefined).toBe(!isOfOtherType)
    expect(host.plan(resource)).toHaveLength(isOfOtherType ? 1 : 0)
  })

  it.each([
    ['new content', 'echo theirs >b'],
    ['other content of the same length', 'echo new >b'],
    ['a new mode', 'chmod 600 b'],
    ['a file that appeared', 'echo theirs >c'],
    ['new content of a file to delete', 'echo theirs >gone'],
  ])('while the files are written is never overwritten: %s', (_, byHand) => {
    host.sh('echo old >a; echo old >b; echo old >gone')
    const work = host.plan(fileAt('a', 'ours\n'), fileAt('b', 'ours\n'), fileAt('c', 'ours\n'), goneAt(file, 'gone'))
    const files = work.map(({ spec, state }) => ({
      ...(spec as FileSpec),
      inode: state as FileState,
      observed: digestIn(state as FileState),
    }))
    const script = String(placeScript({ alone: false })).replace(
      'to_disk($_->{staged})',
      `to_disk($_->{staged}); system "cd ${host.root}; ${byHand}"`,
    )
    const theirs = host.sh(`mkdir t; cp -p a b gone t; cd t; ${byHand}; find . -type f -printf '%f %m '; cat a b gone; cat c; rm -r ../t`)
    const answer = host.run(`mkdir -p /var/lib/provision\n${script}`, filesAsInput(files))
    expect(answer.code).toBe(CHANGED)
    expect(answer.stderr).toMatch(/^.*\/(b|c|gone) is not as it was observed \(owner: .*\)\n$/)
    const names = "find a b c gone -type f -printf '%f %m ' 2>/dev/null; cat a b gone; cat c"
    expect(host.sh(names).split('').toSorted()).toEqual(theirs.split('').toSorted())
    expect(host.sh("find . -name '*provision-new'; ls state")).toBe('')
  })

  it('that made it as declared is accepted', () => {
    host.sh('echo old >a; mkdir -m 700 d; ln -s b l; echo old >gone')
    expect(changedBetween([fileAt('a', 'ours\n'), goneAt(file, 'gone')], 'echo ours >a; rm gone')).toBeUndefined()
    expect(changedBetween([directoryAt('d')], 'chmod 755 d')).toBeUndefined()
    expect(changedBetween([linkAt('l', 'ours')], 'ln -sfn ours l')).toBeUndefined()
  })

  it('holds back the files that are written together, and names the changed one', () => {
    const [a, b, c] = ['a', 'b', 'c'].map((name) => fileAt(name, 'ours\n'))
    if (a === undefined || b === undefined || c === undefined) throw new Error('three files')
    const refusal = changedBetween([a, b, c], 'echo theirs >b')
    expect(refusal).toMatchObject({ what: `${b.id} not written`, done: [], culprit: b.id })
    expect(readdirSync(host.root).filter((name) => !/^(T|bin|state)$/.test(name))).toEqual(['b'])
  })
})

it.each<[string, string, () => Resource]>([
  ['link', 'ln -s x d/x', () => goneAt(link, 'd/x')],
  ['directory', 'mkdir d/x', () => goneAt(directory, 'd/x')],
])('a %s that is gone with its directory counts as deleted', (_, make, declared) => {
  host.sh(`mkdir d; ${make}`)
  expect(changedBetween([declared()], 'rm -r d')).toBeUndefined()
})

describe('what a step of the run itself has made', () => {
  const step = (n: number, script: string): string =>
    `: >T/step.${n}.from; sleep 0.02; ${script}; sleep 0.02; : >T/step.${n}.to; sleep 0.02`

  it.each<[string, () => Resource, string]>([
    ['a file', () => fileAt('a', 'ours\n'), 'echo package >a'],
    ['a directory', () => directoryAt('a'), 'mkdir -m 700 a'],
    ['a link', () => linkAt('a', 'ours'), 'ln -s package a'],
  ])('counts as observed: %s', (_, declared, script) => {
    const resource = declared()
    expect(changedBetween([resource], `${step(1, ':')}; ${step(2, script)}; ${step(10, ':')}`)).toBeUndefined()
    expect(host.plan(resource)).toEqual([])
  })

  it('counts as observed in the present step, which has no end yet', () => {
    expect(changedBetween([fileAt('a', 'ours\n')], ': >T/step.3.from; sleep 0.02; echo package >a')).toBeUndefined()
  })

  it.each([
    ['before the first step', `echo theirs >a; sleep 0.02; ${step(1, ':')}`],
    ['between two steps', `${step(1, ':')}; echo theirs >a; sleep 0.02; ${step(2, ':')}`],
    ['after the step that made it', `${step(1, 'echo package >a')}; echo theirs >a`],
  ])('does not excuse a change by hand %s', (_, byHand) => {
    expect(changedBetween([fileAt('a', 'ours\n')], byHand)?.why).toContain('is not as it was observed')
    expect(readFileSync(host.at('a'), 'utf8')).toBe('theirs\n')
  })

  it('does not excuse a change of a file that was there before', () => {
    host.sh('echo old >a')
    expect(changedBetween([fileAt('a', 'ours\n')], step(1, 'echo theirs >a'))?.why).toContain('is not as it was observed')
  })
})

describe('a batch with a failing member', () => {
  it('names the directory that failed, and those before it', () => {
    const [one, two, three] = ['one', 'two/below', 'three'].map((path) => directoryAt(path))
    if (one === undefined || two === undefined || three === undefined) throw new Error('three directories')
    const refusal = host.apply(host.plan(one, two, three), one.kind)
    expect(refusal).toMatchObject({ what: `${two.id} not changed (exit 1)`, done: [one.id], culprit: two.id })
    expect([existsSync(host.at('one')), existsSync(host.at('three'))]).toEqual([true, false])
  })

  it('names the link that failed, and leaves no other', () => {
    mkdirSync(host.at('two'))
    const [one, two] = [linkAt('one', 'x'), linkAt('two', 'x')]
    expect(host.apply(host.plan(one, two), one.kind)).toMatchObject({ done: [one.id], culprit: two.id })
    expect(readdirSync(host.root).filter((name) => name.startsWith('.'))).toEqual([])
    expect(readlinkSync(host.at('one'))).toBe('x')
  })

  it('names the file that cannot be replaced, keeps those before it, and deletes what was staged', () => {
    const content = { type: 'text' as const, parts: ['new\n'] }
    const files = ['one', 'two', 'three'].map((name) => ({ path: host.at(name), state: 'present' as const, mode: '644', ...mine, content }))
    const ids = files.map(({ path }) => ({ id: path }))
    // As the flag `immutable` of the old file does: EPERM.
    const script = String(placeScript({ alone: false })).replace('rename $one', '($one->{name} ne "two" || !($! = 1)) && rename $one')
    const answer = host.run(`mkdir -p /var/lib/provision\n${script}`, filesAsInput(files))
    expect(answer.stderr).toBe(`${host.at('two')}: Operation not permitted\n`)
    expect(answer.code).toBe(PARTLY)
    expect(() => requireBatch(answer, ids, { what: (id) => `${id} not written` })).toThrow(
      expect.objectContaining({ what: `${host.at('two')} not written`, done: [host.at('one')], culprit: host.at('two') }),
    )
    expect(host.sh('cat one; ls three 2>/dev/null; ls state')).toBe('new\n')
    expect(host.sh("find . -name '*provision-new'")).toBe('')
  })

  it('writes none if an owner is unknown, and names its file', () => {
    const [one, two] = [fileAt('one', 'x'), file({ path: host.at('two'), content: 'x', owner: 'nobody-knows' })]
    expect(host.apply(host.plan(one, two), one.kind)).toMatchObject({
      what: `${two.id} not written (exit 1)`,
      why: 'user nobody-knows does not exist',
      done: [],
      culprit: two.id,
    })
    expect(existsSync(host.at('one'))).toBe(false)
  })
})

it('a directory is never replaced by a file', () => {
  mkdirSync(host.at('a'))
  const resource = fileAt('a', 'new\n')
  expect(host.apply(host.plan(resource), resource.kind)).toMatchObject({
    culprit: resource.id,
    why: expect.stringMatching(/a is a directory \(owner: .*\): a file is declared there, and provision replaces only files and links/),
  })
})

it('a link is replaced by a file, and what it leads to stays', () => {
  writeFileSync(host.at('target'), 'old\n')
  symlinkSync('target', host.at('a'))
  const resource = fileAt('a', 'new\n')
  expect(host.apply(host.plan(resource), resource.kind)).toBeUndefined()
  expect([lstatSync(host.at('a')).isFile(), readFileSync(host.at('target'), 'utf8')]).toEqual([true, 'old\n'])
})

describe('an access control list', () => {
  // system.posix_acl_access, version 2: owner rw-, user 1 r--, group r--, mask r--, others ---.
  const setAcl = (path: string): string => `perl -MConfig -e '
    my $list = pack("L<", 2) . join("", map { pack("S<S<L<", @$_) } [1, 6, -1], [2, 4, 1], [4, 4, -1], [16, 4, -1], [32, 0, -1]);
    my ($name, $path) = ("system.posix_acl_access", "${path}"); my $call = $Config{archname} =~ /^x86_64/ ? 188 : 5;
    print syscall($call, $path, $name, $list, length $list, 0)'`
  const aclOf = (path: string): string =>
    host.sh(`perl -MConfig -e '
    my $list = "\\0" x 999; my ($name, $path) = ("system.posix_acl_access", "${path}"); my $call = $Config{archname} =~ /^x86_64/ ? 191 : 8;
    my $length = syscall($call, $path, $name, $list, length $list); print $length > 0 ? unpack("H*", substr($list, 0, $length)) : "none"'`)

  it('stays with the file that is replaced, limited by the declared mode', () => {
    host.sh('echo old >a; chmod 640 a')
    expect(host.sh(setAcl('a'))).toBe('0')
    const acl = aclOf('a')
    expect(acl).toMatch(/^02000000/)
    const resource = fileAt('a', 'new\n', '640')
    expect(host.apply(host.plan(resource), resource.kind)).toBeUndefined()
    expect([readFileSync(host.at('a'), 'utf8'), aclOf('a')]).toEqual(['new\n', acl])
    const closed = fileAt('a', 'new\n', '600')
    expect(host.apply(host.plan(closed), closed.kind)).toBeUndefined()
    expect(host.sh('stat -c %a a')).toBe('600\n')
  })

  it.runIf(process.getuid?.() === 0)('is a decision of root or of the owner, and of no other account', () => {
    const replaced = (before: string, owner: string): string => {
      host.sh(`rm -f b; echo old >b; chmod 640 b; chown ${before} b; ${setAcl('b')}`)
      const resource = file({ path: host.at('b'), content: 'new\n', mode: '640', ...mine, owner })
      expect(host.apply(host.plan(resource), resource.kind)).toBeUndefined()
      return aclOf('b')
    }
    expect([replaced('root', 'daemon'), replaced('daemon', 'daemon'), replaced('daemon', 'root')]).toEqual([
      ...[expect.stringMatching(/^02000000/), expect.stringMatching(/^02000000/), 'none'],
    ])
  })
})
