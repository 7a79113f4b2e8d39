import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { git } from '../../../../src/resource/fetched/git.ts'
import type { GitState } from '../../../../src/resource/fetched/git-spec.ts'
import { Secret } from '../../../../src/secret/secret.ts'
import { stepsOf } from '../../../../src/testing/steps.ts'
import { context } from '../recorded.ts'
import { type Here, here } from '../run-here.ts'
import { type FileServer, fileServer } from './server.ts'

const COMMIT = 'a'.repeat(40)
const KNOWN = 'git.example.test ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIFgnElSO6Z4'
const options = { path: '/srv/shop', repository: 'https://git.example.test/shop.git', ref: COMMIT, user: 'shop' }
const ssh = { repository: 'git@git.example.test:shop.git', knownHosts: [KNOWN] }
const issues = (more: object): string => {
  const parsed = git.kind.schema.safeParse({ ...options, ...more })
  return parsed.success ? '' : parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('\n')
}

describe('options of a checkout', () => {
  it.each([
    [{ repository: 'ext::sh -c id' }, 'repository: must be https://'],
    [{ repository: 'file:///srv/git' }, 'repository: must be https://'],
    [{ repository: '/srv/git' }, 'repository: must be https://'],
    [{ repository: '--upload-pack=id' }, 'repository: must be https://'],
    [{ repository: 'ssh://-oProxyCommand=id/x' }, 'repository: must'],
    [{ repository: 'git@-x:y' }, 'repository: must'],
    [{ repository: 'git@host:-x' }, 'repository: must'],
    [{ repository: 'https://me:of-the-url@git.example.test/x' }, 'repository: must not contain a user or a password'],
    [{ repository: 'https://me@git.example.test/x' }, 'repository: must not contain a user or a password'],
    [{ ref: '--force' }, 'ref: must be a branch, a tag or a commit'],
    [{ ref: 'a..b' }, 'ref: must be a branch, a tag or a commit'],
    [{ ref: 'a:b' }, 'ref: must be a branch, a tag or a commit'],
    [{ ref: 'abcdef1' }, 'ref: must be a full commit'],
    [{ user: 'root' }, 'user: must be an account without the rights of root'],
    [{ repository: 'ssh://git@git.example.test/x' }, 'knownHosts: must be set for ssh'],
    [{ ...ssh, knownHosts: ['x ssh-ed25519 AAAA" -o "ProxyCommand=id'] }, 'knownHosts.0: must be a line of known_hosts'],
    [{ key: 'a deploy key' }, 'key: needs a repository by ssh'],
    [{ ...ssh, token: 'a token' }, 'token: needs a repository by https'],
    [{ ref: 'main', token: 'a token' }, 'ref: must be a full commit beside key or token'],
    [{ ref: 'main', repository: 'http://git.example.test/x' }, 'ref: must be a full commit, because nobody protects this connection'],
    [{ ref: 'main', repository: 'git://git.example.test/x' }, 'ref: must be a full commit, because nobody protects'],
  ])('%j are refused', (more, message) => expect(issues(more)).toContain(message))

  it.each([{}, { ref: 'feature/x+1' }, { ...ssh, key: 'a deploy key' }, { ...ssh, ref: 'v1.2' }, { token: 'a token' }])(
    '%j are accepted',
    (more) => expect(issues(more)).toBe(''),
  )
})

describe('the plan of a checkout', () => {
  const { spec } = git(options)
  const inode = { type: 'd', mode: '755', owner: 'shop', group: 'shop', target: '' }
  const tree = { is: 'tree' as const, head: `${COMMIT} ${spec.origin}`, differing: 0, sum: '0', names: [], unlisted: 0, unlistedNames: [] }
  const base: GitState = { inode, tree, busy: false, installed: true }
  const planned = (state: object, more: object = {}) => git.kind.plan(git({ ...options, ...more }).spec, { ...base, ...state }, context)
  const other = 'b'.repeat(40)

  it('has the commit, also of a branch', () => {
    expect(planned({})).toBeUndefined()
    expect(planned({ resolved: { commit: COMMIT } }, { ref: 'main' })).toBeUndefined()
    expect(planned({ resolved: { commit: other } }, { ref: 'main' })).toMatchObject({
      ...{ action: 'update', certainty: 'exact', reason: 'another commit' },
      differences: [{ key: 'commit', from: 'aaaaaaaaaaaa', to: `bbbbbbbbbbbb (main) of ${options.repository}` }],
    })
    expect(planned({ tree: { ...tree, is: 'absent', head: '' } })).toMatchObject({ action: 'create', reason: 'not checked out' })
    expect(planned({}, { repository: 'https://git.example.test/other.git' })).toMatchObject({ reason: 'another repository or account' })
  })

  it('is certain only if git is there and the commit is known', () => {
    const absent = { tree: { ...tree, is: 'absent' as const, head: '' } }
    expect(planned({ ...absent, installed: false })).toMatchObject({ certainty: 'dependent' })
    expect(planned({ ...absent, installed: false }, { ref: 'main' })).toMatchObject({
      ...{ certainty: 'dependent', differences: [{ to: `resolved in this run (main) of ${options.repository}` }] },
    })
  })

  it('keeps the commit while the server does not answer, and says so', () => {
    const why = { resolved: { why: 'no\nanswer' } }
    expect(planned(why, { ref: 'main' })).toBeUndefined()
    const main = git({ ...options, ref: 'main' }).spec
    expect(git.kind.notices?.(main, { ...base, ...why }, context)).toEqual([
      '/srv/shop keeps its commit, because main was not resolved: no answer',
    ])
    const absent = { ...base, ...why, tree: { ...tree, is: 'absent' as const, head: '' } }
    expect(git.kind.forbids?.(main, absent, context)).toMatchObject({
      what: `main of ${options.repository} was not resolved`,
      why: 'no\nanswer',
    })
  })

  it('names changed files, and a directory of another account', () => {
    expect(planned({ tree: { ...tree, differing: 7, names: ['a', 'b'] } })).toMatchObject({
      ...{ reason: 'changed since the checkout', differences: [{ key: 'commit' }, { key: 'changed', to: 'a, b and 5 more' }] },
    })
    expect(planned({ busy: true })).toMatchObject({ reason: 'earlier checkout interrupted' })
    const refusal = (more: object) => git.kind.forbids?.(spec, { ...base, inode: { ...inode, ...more } }, context)?.what
    expect([refusal({}), refusal({ owner: 'root' }), refusal({ type: 'l' })]).toEqual([
      ...[undefined, '/srv/shop belongs to root', '/srv/shop is a symbolic link'],
    ])
  })

  it('passes secrets on standard input only', () => {
    const work = (more: object) => [
      { id: '/srv/shop', spec: git({ ...options, ...more }).spec, state: base, change: { reason: '' } as never },
    ]
    const [key = ''] = stepsOf(git.kind.apply(work({ ...ssh, key: new Secret('-----BEGIN KEY of test\n') })))
    expect([key.split('BEGIN KEY of test').length, key.endsWith('\n-----BEGIN KEY of test\n')]).toEqual([2, true])
    const [token = ''] = stepsOf(git.kind.apply(work({ token: new Secret('to/ken of test') })))
    expect(token.endsWith('\nhttps://x-access-token:to%2Fken%20of%20test@git.example.test\n')).toBe(true)
    expect(token.split('ken%20of').length).toBe(2)
  })
})

const account = { uid: 1, gid: 1 }
// git runs as the account daemon, which only root can become.
describe.runIf(process.getuid?.() === 0)('a checkout', () => {
  let [repositories, first, second] = ['', '', '']
  let server: FileServer
  let host: Here
  const inOrigin = (script: string): string =>
    execFileSync(
      'sh',
      [
        '-ec',
        `cd ${repositories}/shop; export HOME=/nonexistent GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a; ${script}`,
      ],
      {
        encoding: 'utf8',
      },
    ).trim()
  beforeAll(async () => {
    repositories = mkdtempSync(join(tmpdir(), 'repositories-'))
    chmodSync(repositories, 0o755)
    mkdirSync(join(repositories, 'shop'))
    first = inOrigin(
      'git init -q -b main; mkdir lib; echo one >lib/a; echo "*.md filter=evil" >.gitattributes; echo x >b.md; git add -A; git commit -qm 1; git tag -am 1 v1; git rev-parse HEAD',
    )
    second = inOrigin('echo two >lib/a; git rm -q b.md; echo new >new; git add -A; git commit -qm 2; git rev-parse HEAD')
    execFileSync('cp', ['-a', join(repositories, 'shop'), join(repositories, 'private')])
    server = await fileServer(repositories)
  })
  afterAll(async () => {
    await server.close()
    rmSync(repositories, { recursive: true })
  })
  beforeEach(() => {
    host = here('/run/provision-git')
    mkdirSync(host.at('run'))
    mkdirSync(host.at('srv'))
    chmodSync(host.at('bin'), 0o755)
    chownSync(host.at('srv'), account.uid, account.gid)
    mkdirSync(host.at('state'), { mode: 0o700 })
    // The authority of the test; and the environment that git gets from root.
    host.program('git', `env >>${host.at('srv-log')}; GIT_SSL_CAINFO=${server.authority} exec /usr/bin/git "$@"`)
    writeFileSync(host.at('srv-log'), '')
    chmodSync(host.at('srv-log'), 0o666)
  })
  afterEach(() => host.remove())

  const path = () => host.at('srv')
  const declared = (ref: string, more: object = {}) =>
    git({ path: path(), repository: `${server.https}/git/shop/.git`, ref, user: 'daemon', ...more })
  const plan = (ref: string, more: object = {}) => host.plan(declared(ref, more))
  const reasons = (ref: string, more: object = {}) => plan(ref, more).map(({ change: { reason, certainty } }) => `${certainty}: ${reason}`)
  const apply = (ref: string, more: object = {}) => host.apply(plan(ref, more), git.kind, 'export POISON=of-root')
  const read = (name: string) => readFileSync(join(path(), name), 'utf8')
  const isClean = () => [readdirSync(host.at('run')), readdirSync(host.at('state/trees')).filter((name) => !name.endsWith('.list'))]

  it('follows a branch, a tag and a commit, each in one change', () => {
    expect(reasons('main')).toEqual(['exact: not checked out'])
    expect(apply('main')).toBeUndefined()
    expect([read('lib/a'), read('new'), existsSync(join(path(), 'b.md'))]).toEqual(['two\n', 'new\n', false])
    expect(plan('main')).toEqual([])
    expect(plan(second)).toEqual([])
    expect(plan('v1')).toMatchObject([
      { change: { differences: [{ from: second.slice(0, 12), to: expect.stringContaining(`${first.slice(0, 12)} (v1) of`) }] } },
    ])
    expect(apply('v1')).toBeUndefined()
    expect([read('lib/a'), read('b.md'), existsSync(join(path(), 'new'))]).toEqual(['one\n', 'x\n', false])
    expect(plan(first)).toEqual([])
    expect(isClean()).toEqual([[], []])
    expect(host.sh('stat -c %U srv/lib/a srv/.git; cd srv; /usr/bin/git -c safe.directory="*" rev-list --count HEAD')).toBe(
      'daemon\ndaemon\n1\n',
    )
    expect(readFileSync(host.at('srv-log'), 'utf8')).not.toContain('POISON')
  })

  it('refuses local changes with the names of the files, and discards them on request', () => {
    apply(first)
    writeFileSync(join(path(), 'lib/a'), 'by hand\n')
    writeFileSync(join(path(), 'untracked'), 'kept\n')
    expect(plan(first)).toMatchObject([
      { change: { reason: 'changed since the checkout', differences: [{}, { key: 'changed', to: 'lib/a' }] } },
    ])
    expect(apply(second)).toMatchObject({
      what: `${path()} not checked out`,
      why: 'files changed on the host: M lib/a',
      fix: expect.stringContaining('discard: true'),
    })
    expect(read('lib/a')).toBe('by hand\n')
    expect(apply(second, { discard: true })).toBeUndefined()
    expect([read('lib/a'), read('untracked')]).toEqual(['two\n', 'kept\n'])
    expect(plan(second)).toEqual([])
  })

  it('takes a file that was only touched, and another HEAD, for what they are', () => {
    apply(second)
    utimesSync(join(path(), 'new'), 1, 1)
    expect(reasons(second)).toEqual(['exact: changed since the checkout'])
    expect(apply(second)).toBeUndefined()
    expect(plan(second)).toEqual([])
    utimesSync(join(path(), '.git/HEAD'), 1, 1)
    expect(plan(second)).toMatchObject([{ change: { differences: [{}, { to: '.git/HEAD' }] } }])
  })

  it('does not overwrite what was not observed, nor files that git does not track', () => {
    apply(first)
    const work = plan(second)
    writeFileSync(join(path(), 'lib/a'), 'by hand\n')
    expect(host.apply(work, git.kind)?.why).toContain(`${path()} is not as it was observed`)
    writeFileSync(join(path(), 'lib/a'), 'one\n')
    writeFileSync(join(path(), 'new'), 'mine\n')
    expect(apply(second)?.why).toMatch(/untracked working tree files would be overwritten by checkout:\s+new/)
    expect(read('new')).toBe('mine\n')
    rmSync(join(path(), 'new'))
    expect(apply(second)).toBeUndefined()
  })

  it('comes into a directory that another resource of the run has made', () => {
    const more = { path: host.at('srv/new') }
    const work = plan(first, more)
    expect(work[0]?.state).toMatchObject({ tree: { is: 'absent' } })
    host.sh('setpriv --reuid=1 --regid=1 --clear-groups sh -c "mkdir srv/new; echo mine >srv/new/mine"')
    expect(host.apply(work, git.kind)).toBeUndefined()
    expect([read('new/lib/a'), read('new/mine'), plan(first, more)]).toEqual(['one\n', 'mine\n', []])
    // What it would overwrite is kept.
    const other = { path: host.at('srv/other'), discard: true }
    const late = plan(first, other)
    host.sh('setpriv --reuid=1 --regid=1 --clear-groups sh -c "mkdir -p srv/other/lib; echo mine >srv/other/lib/a"')
    expect(host.apply(late, git.kind)?.why).toContain('lib/a')
    expect(read('other/lib/a')).toBe('mine\n')
  })

  it('is finished by the next run after an interruption', () => {
    apply(first)
    // Power is lost after the first file.
    host.program(
      'git',
      `case "$*" in *checkout*) echo half >${path()}/lib/a; : >${path()}/.git/index.lock; kill -9 $PPID ;; esac; GIT_SSL_CAINFO=${server.authority} exec /usr/bin/git "$@"`,
    )
    expect(apply(second)).toBeDefined()
    host.program('git', `GIT_SSL_CAINFO=${server.authority} exec /usr/bin/git "$@"`)
    expect(reasons(second)).toEqual(['exact: earlier checkout interrupted'])
    expect(apply(second)).toBeUndefined()
    expect([read('lib/a'), plan(second), isClean()]).toEqual(['two\n', [], [[], []]])
  })

  it('runs no program of the repository or its settings', () => {
    apply(first)
    const evil = `touch ${path()}/evil`
    const script = `cd ${path()}; for h in post-checkout post-index-change reference-transaction; do printf '#!/bin/sh\\n${evil}-hook\\n' >.git/hooks-$h; mkdir -p .git/hooks; cp .git/hooks-$h .git/hooks/$h; chmod 755 .git/hooks/$h; done
/usr/bin/git config core.fsmonitor '${evil}-watch'; /usr/bin/git config core.sshCommand '${evil}-ssh'; /usr/bin/git config credential.helper '!${evil}-helper'`
    host.sh(`setpriv --reuid=1 --regid=1 --clear-groups sh -c '${script.replaceAll("'", "'\\''")}'`)
    expect(apply(second)).toBeUndefined()
    expect(readdirSync(path()).filter((name) => name.startsWith('evil'))).toEqual([])
  })

  it('is not led elsewhere by a link of the account', () => {
    mkdirSync(host.at('srv/it'))
    chownSync(host.at('srv/it'), account.uid, account.gid)
    mkdirSync(host.at('roots'))
    const more = { path: host.at('srv/it') }
    const work = plan(first, more)
    rmSync(host.at('srv/it'), { recursive: true })
    host.sh('setpriv --reuid=1 --regid=1 --clear-groups ln -s ../roots srv/it')
    expect(host.apply(work, git.kind)?.why).toMatch(/is not as it was observed|is a link that root does not follow/)
    // An observation of the link itself.
    expect(host.apply(plan(first, more), git.kind)?.why).toContain('is a link that root does not follow')
    expect(readdirSync(host.at('roots'))).toEqual([])
  })

  it('sends a token to the server, and leaves none behind', async () => {
    const more = { repository: `${server.https}/git/private/.git`, token: new Secret('token-of-this-test') }
    expect(apply(second, { ...more, token: undefined })?.why).toMatch(/could not read|terminal prompts disabled|Authentication failed/)
    expect(apply(second, more)).toBeUndefined()
    expect((await server.requests()).join('\n')).toContain(`Basic ${Buffer.from('x-access-token:token-of-this-test').toString('base64')}`)
    expect(isClean()[0]).toEqual([])
    expect(host.sh('grep -rl token-of-this-test . || echo none')).toBe('none\n')
    expect(readFileSync(host.at('srv-log'), 'utf8')).not.toContain('token-of')
  })

  it('of a branch that does not exist, or of a server that hangs up, is refused at planning', () => {
    const refusal = (ref: string, more: object) => {
      const [one] = plan(ref, more)
      return git.kind.forbids?.(one?.spec as never, one?.state as never, context)?.why
    }
    expect(refusal('none', {})).toBe(`${server.https}/git/shop/.git has no branch or tag none`)
    expect(refusal('main', { repository: `${server.https}/cut` })).toMatch(/fatal: /)
    expect(refusal('main', { repository: `${server.https}/to/${encodeURIComponent('ext::touch x')}` })).toMatch(/fatal: /)
    expect(apply('0'.repeat(40))?.why).toMatch(/not our ref|fatal/)
  })
})
