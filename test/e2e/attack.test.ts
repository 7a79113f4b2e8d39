import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { placeholder } from '../../src/resource/certificate.ts'
import { directory } from '../../src/resource/directory.ts'
import { file } from '../../src/resource/file.ts'
import { service } from '../../src/resource/service.ts'
import { sessionOn, type TestHost, testHost } from './support.ts'

let host: TestHost
beforeAll(async () => {
  host = await testHost('t-atk', '10.79.27')
})
afterAll(() => host?.down())

const set = { name: 'conf', root: '/srv/conf', check: ['true'] }

describe('a link where it does not belong', () => {
  it('in a set of configuration files is replaced, and what it leads to stays as it was', async () => {
    await host.run('mkdir /srv/conf; echo theirs >/srv/theirs; ln -s /srv/theirs /srv/conf/main.conf')
    const main = file({ path: '/srv/conf/main.conf', content: 'ours\n', set })
    expect(await host.apply([main])).toEqual(['update file:/srv/conf/main.conf'])
    expect(await host.run('cat /srv/theirs /srv/conf/main.conf; find /srv -type l')).toBe('theirs\nours\n')
  })

  it('is no directory: it is refused, and what it leads to keeps its mode', async () => {
    await host.run('mkdir -m 700 /srv/away; ln -s /srv/away /srv/here')
    expect((await host.refused([directory({ path: '/srv/here' })])).why).toBe('/srv/here is there and is no directory')
    expect(await host.run('stat -c %a /srv/away')).toBe('700\n')
  })
})

it('a named pipe in place of a certificate keeps nobody waiting', async () => {
  await host.run('mkfifo /srv/pipe.pem; touch /srv/pipe.pem.key')
  const pair = placeholder({ path: '/srv/pipe.pem', names: ['www.example.test'] })
  const began = Date.now()
  expect(await host.plan([pair, service({ unit: 'ssh.service', loads: [pair] })])).toContainEqual(expect.stringContaining('a special file'))
  expect(Date.now() - began).toBeLessThan(10_000)
})

it('more names than a command line holds are written, and removed again', async () => {
  const paths = Array.from({ length: 5000 }, (_, i) => `/srv/${'deep/'.repeat(20)}${String(i).padStart(140, '-')}`)
  await host.run(`mkdir -p /srv/${'deep/'.repeat(20)}`)
  expect(await host.apply(paths.map((path) => file({ path, content: path })))).toHaveLength(5000)
  expect(await host.plan(paths.map((path) => file({ path, content: path })))).toEqual([])
  await host.apply(paths.map((path) => file({ path, state: 'absent' })))
  expect(await host.run('find /srv/deep -type f; ls -d /var/lib/provision/staged 2>&1 | grep -v "No such"; true')).toBe('')
})

it('a root shell that talks without end is left, and hurts nobody', async () => {
  const flood = `#!/bin/bash\nprintf %s "$(printf %s "$2" | grep -oE '[0-9a-f]{32}')"\nexec yes garbage\n`
  await host.run(`cat >/usr/local/sbin/sh <<'END'\n${flood}END\nchmod 755 /usr/local/sbin/sh`)
  await expect(sessionOn('t-atk', '10.79.27.11')).rejects.toThrow('its root shell talks without end')
  await host.run('rm /usr/local/sbin/sh')
})

it('a full /run never lets half a script run', async () => {
  const { shell } = await sessionOn('t-atk', '10.79.27.11')
  await host.run('mount -o remount,size=1m /run; dd if=/dev/zero of=/run/fill bs=4k 2>/dev/null; true')
  await expect(shell.request(`: >/srv/ran\n${': padding\n'.repeat(500)}`)).rejects.toThrow('/run is full')
  expect(await host.run('rm /run/fill; mount -o remount,size=100m /run; ls /srv/ran 2>&1; true')).toContain('No such file')
})
