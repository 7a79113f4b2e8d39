import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openShell } from '../../src/host/shell/open.ts'
import { placeholder } from '../../src/resource/certificate/certificate.ts'
import { directory } from '../../src/resource/file/directory.ts'
import { file } from '../../src/resource/file/file.ts'
import { pkg } from '../../src/resource/package/package.ts'
import { service } from '../../src/resource/service/service.ts'
import { sessionOn, type TestHost, testHost } from './support/test-host.ts'

let host: TestHost
beforeAll(async () => {
  host = await testHost('t-atk', '10.79.27')
})
afterAll(() => host?.down())

const set = { name: 'conf', root: '/srv/conf', check: ['true'] }

describe('a symbolic link in place of another file', () => {
  it('in a set of configuration files is replaced, and its target stays unchanged', async () => {
    await host.run('mkdir /srv/conf; echo theirs >/srv/theirs; ln -s /srv/theirs /srv/conf/main.conf')
    const main = file({ path: '/srv/conf/main.conf', content: 'ours\n', set })
    expect(await host.apply([main])).toEqual(['update file:/srv/conf/main.conf'])
    expect(await host.run('cat /srv/theirs /srv/conf/main.conf; find /srv -type l')).toBe('theirs\nours\n')
  })

  it('in place of a directory is refused, and its target keeps its mode', async () => {
    await host.run('mkdir -m 700 /srv/away; ln -s /srv/away /srv/here')
    expect((await host.refused([directory({ path: '/srv/here' })])).why).toBe('/srv/here exists and is not a directory (owner: root)')
    expect(await host.run('stat -c %a /srv/away')).toBe('700\n')
  })
})

it('a named pipe in place of a certificate does not block', async () => {
  await host.run('mkfifo /srv/pipe.pem; touch /srv/pipe.pem.key')
  const pair = placeholder({ path: '/srv/pipe.pem', names: ['www.example.test'] })
  const began = Date.now()
  expect(await host.plan([pair, service({ unit: 'ssh.service', loads: [pair] })])).toContainEqual(expect.stringContaining('a special file'))
  expect(Date.now() - began).toBeLessThan(10_000)
})

it('more names than a command line holds are written, and deleted again', async () => {
  const paths = Array.from({ length: 5000 }, (_, i) => `/srv/${'deep/'.repeat(20)}${String(i).padStart(140, '-')}`)
  await host.run(`mkdir -p /srv/${'deep/'.repeat(20)}`)
  expect(await host.apply(paths.map((path) => file({ path, content: path })))).toHaveLength(5000)
  expect(await host.plan(paths.map((path) => file({ path, content: path })))).toEqual([])
  await host.apply(paths.map((path) => file({ path, state: 'absent' })))
  expect(await host.run('find /srv/deep -type f; ls -d /var/lib/provision/staged 2>&1 | grep -v "No such"; true')).toBe('')
})

// The package creates a configuration file. Somebody creates another one at the same time.
const OURS = String.raw`umask 022; mkdir -p /srv/repo/ours/DEBIAN /srv/repo/ours/etc; cd /srv/repo; echo package >ours/etc/ours.conf; echo /etc/ours.conf >ours/DEBIAN/conffiles
printf 'Package: ours\nVersion: 1\nArchitecture: all\nMaintainer: me <me@example.test>\nDescription: x\n' >ours/DEBIAN/control
printf '#!/bin/sh\nsleep 0.5\n' >ours/DEBIAN/postinst; chmod 755 ours/DEBIAN/postinst; dpkg-deb -b ours ours.deb >/dev/null
{ cat ours/DEBIAN/control; echo Filename: ./ours.deb; echo Size: $(stat -c %s ours.deb); echo SHA256: $(sha256sum ours.deb | cut -c -64); } >Packages
echo 'deb [trusted=yes] file:/srv/repo ./' >/etc/apt/sources.list.d/ours.list
mv /etc/apt/sources.list.d/debian.sources /srv; apt-get update >/dev/null
( until [ -e /etc/ours.conf ]; do sleep 0.05; done; echo theirs >/etc/theirs.conf ) >/dev/null 2>&1 </dev/null &`

it('a file that somebody makes while a package is installed is not overwritten, and that of the package is', async () => {
  await host.run(OURS)
  const [ours, theirs] = ['/etc/ours.conf', '/etc/theirs.conf'].map((path) => file({ path, content: 'declared\n' }))
  if (ours === undefined || theirs === undefined) throw new Error('two files')
  const refusal = await host.refused([pkg({ name: 'ours' }), ours, directory({ path: '/srv/between' }), theirs])
  expect(refusal).toMatchObject({ why: '/etc/theirs.conf is not as it was observed (owner: root)', culprit: '/etc/theirs.conf' })
  expect(await host.run('cat /etc/ours.conf /etc/theirs.conf')).toBe('declared\ntheirs\n')
  await host.run('rm -r /etc/theirs.conf /etc/apt/sources.list.d/ours.list /srv/repo; mv /srv/debian.sources /etc/apt/sources.list.d')
})

describe('a misbehaving root shell is closed, without effect on other hosts', () => {
  /** Its script instead of ours, after it printed the word that begins every line. */
  const instead = async (does: string): Promise<void> => {
    const shell = `#!/bin/bash\nword=$(printf %s "$2" | grep -oE '[0-9a-f]{32}'); printf %s "$word"\n${does}\n`
    await host.run(`cat >/usr/local/sbin/sh <<'END'\n${shell}END\nchmod 755 /usr/local/sbin/sh`)
  }
  afterAll(() => host?.run('rm -f /usr/local/sbin/sh'))

  it('if its output is endless', async () => {
    await instead('exec yes garbage')
    await expect(sessionOn('t-atk', '10.79.27.11')).rejects.toThrow('root shell sends output without end')
  })

  const lock = { user: 'me', machine: 'here', command: 'provision run', since: '2026-11-23T10:00:00Z' }
  it.each([
    ['says without end that somebody has the lock', `while printf '%s wait busy 1\\n{}\\n\\n' "$word"; do sleep 0.2; done`, { lock }],
    ['says so although nobody asked for the lock', `while printf '%s wait busy 1\\n{}\\n\\n' "$word"; do sleep 0.2; done`, { wait: true }],
    ['says a byte now and then', 'while printf x; do sleep 0.2; done', { lock }],
  ])('when it %s', async (_, does, options) => {
    await instead(does)
    const opening = openShell(host.session.target, { ...options, patienceMs: 2000 })
    await expect(opening).rejects.toThrow('root shell did not open within 2 s')
  })

  it('if it reports a lock and stays open', async () => {
    await instead(`printf '%s locked alive 1\\n{}\\n\\n' "$word"; exec sleep 100`)
    const began = Date.now()
    await expect(openShell(host.session.target, { lock, wait: true })).rejects.toThrow('locked by')
    expect(Date.now() - began).toBeLessThan(20_000)
  })
})

it('a full /run never runs half a script', async () => {
  const { shell } = await sessionOn('t-atk', '10.79.27.11')
  await host.run('mount -o remount,size=1m /run; dd if=/dev/zero of=/run/fill bs=4k 2>/dev/null; true')
  await expect(shell.request(`: >/srv/ran\n${': padding\n'.repeat(500)}`)).rejects.toThrow('/run is full')
  expect(await host.run('rm /run/fill; mount -o remount,size=100m /run; ls /srv/ran 2>&1; true')).toContain('No such file')
})
