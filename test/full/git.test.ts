import { afterAll, beforeAll, expect, it } from 'vitest'
import { user } from '../../src/resource/account/user.ts'
import { git } from '../../src/resource/fetched/git.ts'
import { directory } from '../../src/resource/file/directory.ts'
import { pkg } from '../../src/resource/package/package.ts'
import { Secret } from '../../src/secret/secret.ts'
import { type TestHost, testHost } from '../e2e/support/test-host.ts'

let host: TestHost
let [known, key, first, second] = ['', '', '', '']
/** The host serves a repository by ssh, to one deploy key. */
const SERVE = `useradd -m -s /bin/sh origin; cd ~origin; export HOME=/nonexistent GIT_AUTHOR_NAME=x GIT_AUTHOR_EMAIL=x GIT_COMMITTER_NAME=x GIT_COMMITTER_EMAIL=x
git init -q -b main shop; cd shop; echo one >page; git add -A; git commit -qm 1; git tag -am 1 v1; git rev-parse HEAD
echo two >page; git commit -qam 2; git rev-parse HEAD
ssh-keygen -q -t ed25519 -N '' -f /root/deploy; mkdir ~origin/.ssh; cp /root/deploy.pub ~origin/.ssh/authorized_keys; chown -R origin: ~origin; chmod 700 ~origin/.ssh`

beforeAll(async () => {
  host = await testHost('t-git', '10.79.47')
})
afterAll(() => host?.down())

const base = () => [pkg({ name: 'git' }), user({ name: 'shop' }), directory({ path: '/srv/shop', owner: 'shop' })]
const declared = (ref: string, more: object = {}) =>
  git({ path: '/srv/shop', repository: 'ssh://origin@127.0.0.1/home/origin/shop', ref, user: 'shop', knownHosts: [known], ...more })
const withKey = (ref: string, more: object = {}) => declared(ref, { key: new Secret(key), ...more })
const present = () => host.run('cat /srv/shop/page; stat -c %U /srv/shop/page')

it('is part of the plan of a bare host, with the package and the account that it needs', async () => {
  known = `127.0.0.1 ${'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ/LMZhCtfW8cBGGJhmlfUfVYDdiX08PBo+cxJAJjF4C'}`
  expect(await host.plan([...base(), declared('main')])).toContain('create git:/srv/shop: not checked out')
  await host.apply(base())
  ;[first = '', second = ''] = (await host.run(SERVE)).trim().split('\n')
  key = await host.run('cat /root/deploy')
})

it('accepts only the declared host key', async () => {
  expect((await host.refused([withKey(first)])).why).toMatch(/Host key verification failed/)
  known = `127.0.0.1 ${(await host.run('cut -d" " -f1,2 /etc/ssh/ssh_host_ed25519_key.pub')).trim()}`
})

it('is checked out with a deploy key, which does not stay on the host', async () => {
  expect((await host.refused([declared(first)])).why).toMatch(/Permission denied/)
  expect(await host.apply([withKey(first)])).toEqual(['create git:/srv/shop'])
  expect(await present()).toBe('one\nshop\n')
  expect(await host.plan([withKey(first)])).toEqual([])
  expect(await host.apply([withKey(second)])).toEqual(['update git:/srv/shop'])
  expect(await present()).toBe('two\nshop\n')
  expect(
    await host.run('ls -d /run/provision-git 2>&1; grep -rlF "$(sed -n 2p /root/deploy)" /srv /var /tmp /home/shop || echo none'),
  ).toContain('none')
})

it('follows a branch and a tag with the key of the account', async () => {
  await host.run('mkdir -m 700 /home/shop/.ssh && cp /root/deploy /home/shop/.ssh/id_ed25519 && chown -R shop: /home/shop/.ssh')
  expect(await host.plan([declared('main')])).toEqual([])
  expect(await host.apply([declared('v1')])).toEqual(['update git:/srv/shop'])
  expect(await present()).toBe('one\nshop\n')
  await host.run('systemctl stop ssh.socket ssh.service 2>/dev/null || systemctl stop ssh')
  // The server does not answer, so the commit stays.
  expect(await host.plan([declared('main')])).toEqual([])
})
