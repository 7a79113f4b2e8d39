import { createServer } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { archive } from '../../src/resource/fetched/archive.ts'
import { download } from '../../src/resource/fetched/download.ts'
import { directory } from '../../src/resource/file/directory.ts'
import { file } from '../../src/resource/file/file.ts'
import { type LocalFile, sha256Hex } from '../../src/resource/kind/content.ts'
import { tar } from '../../src/resource/kind/tar.ts'
import { release } from '../../src/resource/release/release.ts'
import { type TestHost, testHost } from './support/test-host.ts'

let host: TestHost
beforeAll(async () => {
  host = await testHost('t-release', '10.79.42')
})
afterAll(() => host?.down())

const ROOT = '/srv/site with a space'
const local = (text: string): LocalFile => {
  const bytes = Buffer.from(text)
  return { type: 'local', path: '/p', sha256: sha256Hex(bytes), size: bytes.length, open: () => bytes }
}
const site = (files: Readonly<Record<string, string>>, more: object = {}) => [
  directory({ path: ROOT }),
  release({ root: ROOT, files: Object.entries(files).map(([path, text]) => ({ path, content: local(text) })), keep: 3, ...more }),
]
const back = () => site({}, { which: 'previous' })
const within = (script: string) => host.run(`cd '${ROOT}' && ${script}`)
const served = async () => (await within('cat current/index.html')).trim()

const ONE = { 'index.html': 'one', 'css/dark/style.css': 'body {}', 'a b\\c.txt': '' }
const TWO = { ...ONE, 'index.html': 'two', 'new.html': 'new' }
const THREE = { ...ONE, 'index.html': 'three' }

describe('a release', () => {
  it('goes live as a whole, and a second run finds nothing to do', async () => {
    expect(await host.apply(site(ONE))).toEqual([`create directory:${ROOT}`, `create release:${ROOT}`])
    expect(await within('find -L current -type f -printf "%P %m %u\\n" | sort')).toBe(
      'a b\\c.txt 644 root\ncss/dark/style.css 644 root\nindex.html 644 root\n',
    )
    expect(await host.plan(site(ONE))).toEqual([])
  })

  it('sends only files that the host lacks', async () => {
    const inode = () => within('stat -L -c %i current/css/dark/style.css')
    const before = await inode()
    expect(await host.plan(site(TWO))).toEqual([`update release:${ROOT}: 1 file new, 1 changed`])
    await host.apply(site(TWO))
    expect(await inode()).toBe(before)
    expect(await served()).toBe('two')
    expect(await host.plan(site(TWO))).toEqual([])
  })

  it('rolls back to the previous release, and stays there', async () => {
    await host.apply(back())
    expect(await served()).toBe('one')
    expect(await host.plan(back())).toEqual([])
    await host.apply(site(THREE))
    expect(await host.plan(back())).toEqual([`update release:${ROOT}: rolls back to the previous release`])
    await host.apply(back())
    expect(await served()).toBe('one')
    await host.apply(site(THREE))
  })

  it('is repaired after manual changes, without writing to a release that shares the file', async () => {
    await host.apply(site(TWO))
    await within(
      'rm current/new.html; echo shared >>current/css/dark/style.css; chmod 600 current/index.html; touch current/.hidden; mkdir -p current/x/y',
    )
    expect(await host.plan(site(TWO))).toEqual([`update release:${ROOT}: 1 file missing, 2 damaged, 2 unknown`])
    await host.apply(site(TWO))
    expect(await host.plan(site(TWO))).toEqual([])
    // It was a hard link to the edited file, so it differs from what was deployed, and the rollback refuses it.
    expect(await host.plan(back())).toEqual([
      `update release:${ROOT}: rolls back to the previous release, which was changed after its deployment`,
    ])
    expect((await host.refused(back())).why).toContain('css/dark/style.css: FAILED')
    expect(await served()).toBe('two')
  })

  it('deletes the remains of an interrupted upload', async () => {
    await within('mkdir releases/.new && echo half >releases/.new/links')
    expect(await host.plan(site(TWO))).toEqual([`update release:${ROOT}: earlier upload interrupted`])
    await host.apply(site(TWO))
    expect(await within('ls -A')).toBe('current\nhistory\nreleases\n')
    expect(await host.plan(site(TWO))).toEqual([])
  })

  it('and a file that are larger than half of /run are written', async () => {
    await host.run('mount -o remount,size=8m /run')
    const large = local(Buffer.alloc(6_000_000, 'large ').toString())
    const all = [
      file({ path: '/srv/large', content: large }),
      directory({ path: '/srv/large-site' }),
      release({ root: '/srv/large-site', files: [{ path: 'large', content: large }] }),
    ]
    await host.apply(all)
    expect(await host.plan(all)).toEqual([])
    expect(await host.run(`sha256sum /srv/large /srv/large-site/current/large | cut -d' ' -f1`)).toBe(`${large.sha256}\n`.repeat(2))
    await host.run('mount -o remount,size=100m /run')
  })

  it('keeps the declared number of releases', async () => {
    for (const text of ['4', '5', '6']) await host.apply(site({ 'index.html': text }))
    expect(await within('ls releases | grep -vc sums')).toBe('3\n')
    await host.apply(back())
    expect(await served()).toBe('5')
  })

  it('is rolled back if the host becomes unhealthy', async () => {
    await host.revertAfter(site({ 'index.html': 'bad' }))
    expect(await served()).toBe('5')
  })

  it('refuses a rollback without a previous release, and never replaces a directory by its link', async () => {
    const root = '/srv/fresh'
    const other = (more: object) => [directory({ path: root }), release({ root, files: [{ path: 'x', content: local('x') }], ...more })]
    expect((await host.refused(other({ which: 'previous' }))).why).toContain('the newest deployment has no predecessor')
    await host.run(`mkdir ${root}/current`)
    expect((await host.refused(other({}))).why).toContain(`${root}/current exists and is not a link`)
  })
})

describe('a download', () => {
  /** Answers with the path; `/half` ends early. */
  const server = createServer(({ url = '' }, response) => {
    if (url === '/half') response.writeHead(200, { 'content-length': 1000 }).write('half', () => response.destroy())
    else response.end(url)
  })
  beforeAll(() => void server.listen(7081, '10.79.42.1'))
  afterAll(() => void server.close())
  const declared = (name: string, more: object = {}) =>
    download({ path: '/opt/tool', url: `http://10.79.42.1:7081/${name}`, sha256: sha256Hex(`/${name}`), mode: '755', ...more })

  it('is fetched by a bare host, verified, and fetched no more', async () => {
    expect(await host.apply([declared('one')])).toEqual(['create download:/opt/tool'])
    expect(await host.run('cat /opt/tool; stat -c " %a %U" /opt/tool; ls /var/cache/provision-fetch 2>&1 | tail -n 1')).toBe(
      "/one 755 root\nls: cannot access '/var/cache/provision-fetch': No such file or directory\n",
    )
    expect(await host.plan([declared('one')])).toEqual([])
    expect(await host.plan([declared('two')])).toEqual(['update download:/opt/tool: content differs'])
  })

  it('that is cut or has another sum changes nothing', async () => {
    expect((await host.refused([declared('half')])).fix).toContain('check that the machine reaches the server')
    expect((await host.refused([declared('two', { sha256: sha256Hex('other') })])).why).toContain('Hash Sum mismatch')
    expect(await host.plan([declared('one')])).toEqual([])
  })

  it('is passed on by the controller', async () => {
    expect(await host.apply([declared('two', { by: 'controller' })])).toEqual(['update download:/opt/tool'])
    expect((await host.refused([declared('three', { by: 'controller', sha256: sha256Hex('other') })])).why).toContain('another sum')
    server.close()
    expect(await host.apply([declared('two', { mode: '700' })])).toEqual(['update download:/opt/tool'])
    expect(await host.run('cat /opt/tool; stat -c " %a" /opt/tool')).toBe('/two 700\n')
    expect(await host.apply([declared('', { state: 'absent' })])).toEqual(['delete download:/opt/tool'])
  })
})

describe('an archive', () => {
  const packed = (names: readonly string[]): LocalFile => {
    const member = { mode: '755', owner: 'root', group: 'root', modified: 1e9 }
    const bytes = tar(names.map((name) => ({ ...member, name: `app/${name}`, bytes: Buffer.from(name) })))
    return { type: 'local', path: 'app.tar', sha256: sha256Hex(bytes), size: bytes.length, open: () => bytes }
  }
  const declared = (names: readonly string[], more: object = {}) =>
    archive({ path: '/opt/app', content: packed(names), strip: 1, owner: 'daemon', ...more })
  const content = () => host.run('cd /opt/app && find . -mindepth 1 -printf "%P %m %u\\n" | sort; ls -A /opt /var/lib/provision/trees')

  it('is unpacked by a bare host, keeps what an application writes, and is deleted', async () => {
    expect(await host.apply([declared(['run', 'old'])])).toEqual(['create archive:/opt/app'])
    expect(await host.plan([declared(['run', 'old'])])).toEqual([])
    await host.run(
      'echo more >>/opt/app/run; setpriv --reuid=daemon --clear-groups sh -c "umask 022; mkdir /opt/app/data; echo mine >/opt/app/data/mine"',
    )
    expect(await host.plan([declared(['run', 'old'])])).toEqual(['update archive:/opt/app: 1 entry changed since it was unpacked'])
    expect(await host.apply([declared(['run', 'new'])])).toEqual(['update archive:/opt/app'])
    expect(await content()).toMatch(
      /^data 755 daemon\ndata\/mine 644 daemon\nnew 755 daemon\nrun 755 daemon\n\/opt:\napp\n\n\S+:\n[0-9a-f]{16}\.list\n$/,
    )
    expect(await host.plan([declared(['run', 'new'])])).toEqual([])
    const deleting = [declared(['run', 'new'], { delete: true })]
    expect(await host.plan(deleting)).toEqual(['update archive:/opt/app: 2 entries not in the archive'])
    await host.apply(deleting)
    expect(await content()).toMatch(/^new 755 daemon\nrun 755 daemon\n\/opt:\napp\n\n/)
    expect(await host.plan(deleting)).toEqual([])
    expect(await host.apply([declared([], { state: 'absent' })])).toEqual(['delete archive:/opt/app'])
    expect(await host.run('ls -A /opt /var/lib/provision/trees')).toBe('/opt:\n\n/var/lib/provision/trees:\n')
  })
})
