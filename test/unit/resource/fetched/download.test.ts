import { chmodSync, existsSync, linkSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { CACHE } from '../../../../src/lab/machine/cache.ts'
import { download } from '../../../../src/resource/fetched/download.ts'
import { FETCH_DIRECTORY } from '../../../../src/resource/fetched/fetch.ts'
import { sha256Hex } from '../../../../src/resource/kind/content.ts'
import { ABSENT } from '../../../../src/resource/kind/inode.ts'
import { Secret } from '../../../../src/secret/secret.ts'
import { stepsOf } from '../../../../src/testing/steps.ts'
import { context } from '../recorded.ts'
import { type Here, here, mine } from '../run-here.ts'
import { type FileServer, fileServer } from './server.ts'

const SUM = sha256Hex('hello')
const options = { path: '/srv/x', url: 'https://example.test/x', sha256: SUM }
const issues = (more: object): readonly string[] => {
  const parsed = download.kind.schema.safeParse({ ...options, ...more })
  return parsed.success ? [] : parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`)
}

describe('options of a download', () => {
  it.each([
    [{ url: 'file:///etc/shadow' }, 'url: must begin with https:// or http://'],
    [{ url: 'ftp://example.test/x' }, 'url: must begin with https:// or http://'],
    [{ url: 'https://me:secret@example.test/x' }, 'url: must not contain a user or a password'],
    [{ url: 'https://example.test/x#y' }, 'url: must not contain a fragment (#)'],
    [{ url: 'https://example.test/a b' }, 'url: must be a URL such as'],
    [{ url: '-o/etc/x' }, 'url: must be a URL such as'],
    [{ url: undefined }, 'url: must be set'],
    [{ sha256: undefined }, 'sha256: must be set: a file that cannot be verified is not installed; `curl -fsSL URL | sha256sum` prints it'],
    [{ sha256: 'unverified' }, 'sha256: must be the SHA-256 of the file, 64 hexadecimal digits'],
    [{ proxy: 'http://me:secret@proxy.test:3128' }, 'proxy: must be none, or a URL such as'],
    [{ user: 'me' }, 'password: must be set: user and password belong together'],
    [{ password: 'secret' }, 'user: must be set: user and password belong together'],
    [{ user: 'me', password: 'a b c d' }, 'password: must not contain spaces, quotes or backslashes'],
    [{ user: 'me', password: 'secret', url: 'http://example.test/x' }, 'url: must begin with https://, because a password'],
    [{ headers: { Authorization: 'Bearer x' } }, 'headers: needs by: controller'],
    [{ headers: { 'X Y': 'z' }, by: 'controller' }, 'headers.X Y'],
    [{ headers: { Accept: 'a\r\nHost: b' }, by: 'controller' }, 'headers: Accept must be one line'],
  ])('%j are refused', (more, message) => expect(issues(more).join('\n')).toContain(message))

  it('may be left out where the file is declared absent, and the sum may have capitals', () => {
    expect(download.kind.schema.safeParse({ path: '/srv/x', state: 'absent' }).success).toBe(true)
    expect(download({ ...options, sha256: SUM.toUpperCase() }).spec.sha256).toBe(SUM)
    expect(issues({ by: 'controller', user: 'me', password: 'a "b"', headers: { 'X-Token': 'x' }, proxy: 'http://proxy.test:1/' })).toEqual(
      [],
    )
  })
})

describe('the plan of a download', () => {
  const inode = { type: 'f', mode: '644', owner: 'root', group: 'root', target: '', sha256: SUM }
  const planned = (state: object | string, more: object = {}) => {
    const { spec } = download({ ...options, ...more })
    const change = download.kind.plan(spec, state as never, context)
    return change && { ...change, differences: change.differences.map(({ key, from, to }) => [key, from, to]) }
  }
  it('names URL and sum, and has no change for the declared file', () => {
    const to = `https://example.test/x, SHA-256 ${SUM}`
    expect(planned(inode)).toBeUndefined()
    expect(planned(ABSENT)).toEqual({ action: 'create', certainty: 'exact', reason: 'missing', differences: [['content', undefined, to]] })
    expect(planned({ ...inode, sha256: 'a' })).toEqual({
      ...{ action: 'update', certainty: 'exact', reason: 'content differs', differences: [['content', 'SHA-256 a', to]] },
    })
    expect(planned({ ...inode, mode: '600' }, { mode: '0755' })).toMatchObject({
      reason: 'mode differs',
      differences: [['mode', '600', '755']],
    })
    expect(planned({ ...inode, type: 'd' })).toMatchObject({ differences: [['type', 'a directory', 'a file']] })
    expect(planned(inode, { state: 'absent' })).toMatchObject({ action: 'delete' })
    expect(planned(ABSENT, { state: 'absent' })).toBeUndefined()
  })
  it('records path and sum, and accepts a large file of another account up to the limit', () => {
    const { spec } = download({ ...options, maxBytes: 7 })
    expect(download.kind.files?.(spec)).toEqual([{ path: '/srv/x', sha256: SUM }])
    expect(download.kind.observe([spec]).shared?.sizes).toEqual(new Map([['/srv/x', 7]]))
    expect(download.kind.observe([spec]).script.text).toBe('')
  })
})

// Each run deletes the directory, and the host of a run can be the machine of the lab.
it('uses a directory that the lab does not use', () => {
  expect(`${CACHE}/`.startsWith(`${FETCH_DIRECTORY}/`)).toBe(false)
})

// The host transfers as another account, which only root can use.
describe.runIf(process.getuid?.() === 0 && existsSync('/usr/lib/apt/apt-helper'))('a download by the host', () => {
  let server: FileServer
  let host: Here
  beforeAll(async () => {
    server = await fileServer()
  })
  afterAll(() => server.close())
  beforeEach(() => {
    host = here('/var/cache')
    mkdirSync(host.at('var/cache'), { recursive: true })
    mkdirSync(host.at('state'), { mode: 0o700 })
    chmodSync(host.at('var'), 0o755)
  })
  afterEach(() => host.remove())
  const declared = (url: string, text: string, more: object = {}) =>
    download({ ...mine, path: host.at('x'), url, sha256: sha256Hex(text), mode: '750', ...more })
  const apply = (url: string, text: string, more: object = {}, settings?: string) =>
    host.apply(host.plan(declared(url, text, more)), download.kind, prologue(settings))
  /** Settings of the apt of the host, which trusts the authority of the test. */
  const TRUSTING = 'Acquire::https::CaInfo "CA";'
  const prologue = (settings = TRUSTING): string => {
    writeFileSync(host.at('apt.conf'), `Acquire::Retries::Delay "false"; ${settings.replace('CA"', `${server.authority}"`)}\n`)
    return `export APT_CONFIG=${host.at('apt.conf')}`
  }
  const isUntouched = () => [existsSync(host.at('x')), readdirSync(host.at('var/cache')), readdirSync(host.at('state'))]

  it('is verified and put in place, and is as declared then', () => {
    expect(apply(`${server.http}/file/hello`, 'hello')).toBeUndefined()
    expect(readFileSync(host.at('x'), 'utf8')).toBe('hello')
    expect(statSync(host.at('x')).mode & 0o7777).toBe(0o750)
    expect(host.plan(declared(`${server.http}/file/hello`, 'hello'))).toEqual([])
    expect([readdirSync(host.at('var/cache')), readdirSync(host.at('state'))]).toEqual([[], []])
    expect(host.plan(declared('', '', { state: 'absent', url: undefined, sha256: undefined }))).toMatchObject([
      { change: { action: 'delete' } },
    ])
    expect(apply('', '', { state: 'absent', url: undefined, sha256: undefined })).toBeUndefined()
    expect(existsSync(host.at('x'))).toBe(false)
  })

  it.each([
    ['with another sum', '/file/other', {}, /Hash Sum mismatch/, 'compare sha256 with the sum that the publisher names'],
    ['that is cut', '/cut', {}, /Failed to fetch|Connection/, 'check that the machine reaches the server'],
    ['that never ends', '/large', { maxBytes: 100_000 }, /^the server sends more than 100000 bytes$/, 'raise maxBytes'],
    ['that redirects to a file of the host', '/to/file:%2F%2F%2Fetc%2Fpasswd', {}, /'file:\/etc\/passwd' is forbidden/, 'use the URL'],
    ['that the server does not have', '/status/404', {}, /404/, 'correct the URL'],
    ['that needs a password', '/status/403', {}, /403/, 'set user and password'],
  ])('%s leaves nothing behind', (_, path, more, why, fix) => {
    const refused = apply(`${server.http}${path}`, 'hello', more)
    expect(refused).toMatchObject({
      what: `${host.at('x')} not written`,
      why: expect.stringMatching(why),
      fix: expect.stringContaining(fix),
    })
    expect(isUntouched()).toEqual([false, [], []])
  })

  it('verifies TLS, also where settings of the host do not, and follows no redirection to http', () => {
    const off = 'Acquire::https::Verify-Peer "false"; Acquire::https::localhost::Verify-Peer "false";'
    const refused = apply(`${server.https}/file/hello`, 'hello', {}, off)
    expect(refused).toMatchObject({
      why: expect.stringContaining('Certificate verification failed'),
      fix: expect.stringContaining('ca-certificates'),
    })
    const down = apply(`${server.https}/to/${encodeURIComponent(`${server.http}/file/hello`)}`, 'hello')
    expect(down?.why).toMatch(/Redirection from https to 'http:.*is forbidden/)
    expect(apply(`${server.https}/file/hello`, 'hello')).toBeUndefined()
  })

  it('passes the password on standard input, and only to the server of the URL', async () => {
    const more = { user: 'me', password: new Secret('s3cret-of-download') }
    const work = host.plan(declared(`${server.https}/private/hello`, 'hello', more))
    const scripts = stepsOf(download.kind.apply(work as never)).map((step) => step.split('machine localhost')[0])
    expect(scripts.join('')).not.toContain('s3cret')
    expect(host.apply(work, download.kind, prologue())).toBeUndefined()
    const basic = Buffer.from('me:s3cret-of-download').toString('base64')
    expect(await server.requests()).toContain(`https GET /private/hello Basic ${basic}`)
    expect(apply(`${server.https}/private/hello`, 'hello!')?.why).toMatch(/401/)
  })

  it('goes through the declared proxy, around that of the apt of the host', async () => {
    const others = 'Acquire::http::Proxy "http://localhost:1"; Acquire::http::Proxy::localhost "http://localhost:2";'
    const url = `${server.http}/file/hello`
    expect(apply(url, 'hello', {}, others)?.why).toMatch(/connect to localhost:2/i)
    expect(apply(url, 'hello', { proxy: 'none' }, others)).toBeUndefined()
    rmSync(host.at('x'))
    expect(apply('http://other.test/file/hello', 'hello', { proxy: server.http }, others)).toBeUndefined()
    expect(await server.requests()).toContain('http GET http://other.test/file/hello')
  })

  it.each(['host', 'controller'] as const)('is not fetched by the %s again if only its mode differs', async (by) => {
    const url = `${server.http}/file/kept-${by}`
    expect(apply(url, `kept-${by}`)).toBeUndefined()
    const fetched = (await server.requests()).length
    linkSync(host.at('x'), host.at('other name'))
    expect(apply(url, `kept-${by}`, { mode: '4711', by })).toBeUndefined()
    expect([(await server.requests()).length, readFileSync(host.at('x'), 'utf8')]).toEqual([fetched, `kept-${by}`])
    expect([host.at('x'), host.at('other name')].map((path) => statSync(path).mode & 0o7777)).toEqual([0o4711, 0o750])
    expect(host.plan(declared(url, `kept-${by}`, { mode: '4711' }))).toEqual([])
    const work = host.plan(declared(url, `kept-${by}`, { mode: '700' }))
    writeFileSync(host.at('x'), 'by hand')
    expect(host.apply(work, download.kind)?.why).toContain(`${host.at('x')} is not as it was observed`)
    expect([readFileSync(host.at('x'), 'utf8'), readdirSync(host.at('var/cache'))]).toEqual(['by hand', []])
  })

  it('does not overwrite what was not observed', () => {
    writeFileSync(host.at('x'), 'old')
    const work = host.plan(declared(`${server.http}/file/hello`, 'hello'))
    writeFileSync(host.at('x'), 'by hand')
    expect(host.apply(work, download.kind)?.why).toContain('is not as it was observed')
    expect(readFileSync(host.at('x'), 'utf8')).toBe('by hand')
    expect(readdirSync(host.at('var/cache'))).toEqual([])
  })
})
