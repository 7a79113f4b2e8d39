import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { aptRepository } from '../../src/resource/apt/repository.ts'
import { pkg } from '../../src/resource/package/package.ts'
import { upgrade } from '../../src/resource/package/upgrade.ts'
import { LEFT_OVERS } from './support/packages.ts'
import { aptRepository as testRepository } from './support/services/apt-repository.ts'
import { type TestHost, testHost } from './support/test-host.ts'

// The host has no other sources of packages: apt takes a second for each question about those of Debian.
const SUBNET = '10.79.60'
let host: TestHost
beforeAll(async () => {
  host = await testHost('t-repository', SUBNET)
  await host.run('rm /etc/apt/sources.list.d/*')
})
afterAll(() => host?.down())

describe('a repository', () => {
  const LISTS = 'ls /etc/apt/sources.list.d /etc/apt/keyrings; cat /etc/apt/sources.list.d/* 2>/dev/null || :'

  it('is added, checked, used in the same run, and deleted', async () => {
    const repository = await testRepository()
    repository.add('sample-one', '1.0')
    const [uris, other] = [repository.url(`${SUBNET}.1`), repository.fingerprintOf('other')]
    const options = { name: 'sample', uris, suites: './', key: repository.key(), fingerprint: repository.fingerprint }
    const before = await host.run(LISTS)

    // Nothing is changed where a key or the address is wrong.
    const elsewhere = await host.refused([aptRepository({ ...options, uris: `${uris}none/` })])
    expect([elsewhere.what, elsewhere.why]).toEqual([
      'apt cannot use repository sample',
      expect.stringContaining('does not have a Release file'),
    ])
    const unsigned = await host.refused([aptRepository({ ...options, key: repository.key('other'), fingerprint: other })])
    expect(unsigned.fix).toContain('declare the key and the fingerprint with which the publisher signs this repository')
    const foreign = await host.refused([aptRepository({ ...options, key: `${uris}other.asc` })])
    expect(foreign.why).toBe(`the key from ${uris}other.asc has the fingerprint ${other}, which is not declared`)
    expect(await host.run(LISTS)).toBe(before)

    const all = [aptRepository(options), pkg({ name: 'sample-one' })]
    expect(await host.plan(all)).toEqual(['create apt-repository:sample: missing', 'create package:sample-one: not installed'])
    expect(await host.apply(all)).toEqual(['create apt-repository:sample', 'create package:sample-one'])
    expect(await host.plan(all)).toEqual([])
    expect(await host.run('dpkg-query -W sample-one; apt-get -q update 2>&1 | grep -c "^[WE]:" || :')).toBe('sample-one\t1.0\n0\n')

    const fetched = [aptRepository({ ...options, key: `${uris}key.asc` })]
    expect(await host.apply(fetched)).toEqual(['update apt-repository:sample'])
    expect(await host.plan(fetched)).toEqual([])
    expect(await host.run('apt-get -q update 2>&1 | grep -c "^[WE]:" || :')).toBe('0\n')
    const twice = await host.refused([aptRepository({ ...options, name: 'again' })])
    expect(twice.why).toContain('Conflicting values set for option Signed-By')

    const absent = [aptRepository({ name: 'sample', state: 'absent' })]
    expect(await host.apply(absent)).toEqual(['delete apt-repository:sample'])
    expect(await host.plan(absent)).toEqual([])
    expect(await host.run(LISTS)).toBe(before)
    repository.close()
  })
})

describe('options of a package', () => {
  const installed = async (): Promise<string> =>
    host.run(
      `dpkg-query -W -f '\${Package} \${Version} \${db:Status-Abbrev}\\n' 'opt-*' 2>/dev/null | grep -v ' un' | tr -d ' ' | tr '\\n' ' '`,
    )

  it('choose a version by its beginning, hold it, add what is recommended, and remove everything again', async () => {
    const repository = await testRepository()
    for (const version of ['1.0', '1.1', '2.0'])
      repository.add('opt-app', version, {
        ...{ fields: 'Depends: opt-lib\n', files: { 'etc/opt-app.conf': 'x\n' } },
        control: { conffiles: '/etc/opt-app.conf\n' },
      })
    for (const name of ['opt-lib', 'opt-extra']) repository.add(name, '1.0')
    repository.add('opt-suite', '1.0', { fields: 'Recommends: opt-extra\n' })
    const key = { key: repository.key(), fingerprint: repository.fingerprint }
    await host.apply([aptRepository({ name: 'options', uris: repository.url(`${SUBNET}.1`), suites: './', ...key })])
    await host.run('apt-get -q update')
    const app = (options: object) => [pkg({ name: 'opt-app', ...options })]

    const first = app({ version: '1.*', hold: true })
    expect(await host.apply(first)).toEqual(['create package:opt-app'])
    expect([await installed(), await host.plan(first)]).toEqual(['opt-app1.1hi opt-lib1.0ii ', []])
    expect((await host.refused(app({ version: '2.0' }))).fix).toContain('apt-mark unhold opt-app')

    const next = [...app({ version: '2.*', hold: true }), pkg({ name: 'opt-suite', recommends: true })]
    expect(await host.plan(next)).toEqual(['update package:opt-app: version differs', 'create package:opt-suite: not installed'])
    await host.apply(next)
    expect([await installed(), await host.plan(next)]).toEqual(['opt-app2.0hi opt-extra1.0ii opt-lib1.0ii opt-suite1.0ii ', []])

    expect(await host.apply(app({ hold: false }))).toEqual(['update package:opt-app'])
    await host.apply([pkg({ name: 'opt-suite', state: 'absent' })])
    const gone = app({ state: 'absent', purge: true, autoremove: true })
    expect(await host.apply(gone)).toEqual(['delete package:opt-app'])
    expect([await installed(), await host.plan(gone)]).toEqual(['', []])
    expect(await host.run('ls /etc/opt-app.conf 2>/dev/null || echo gone')).toBe('gone\n')
    await host.apply([aptRepository({ name: 'options', state: 'absent' })])
    repository.close()
  })
})

describe('upgrades', () => {
  it('are those that the plan lists, but for packages on hold, and then none', async () => {
    const repository = await testRepository()
    for (const name of ['up-one', 'up-held']) for (const version of ['1.0', '1.1']) repository.add(name, version)
    const key = { key: repository.key(), fingerprint: repository.fingerprint }
    await host.apply([aptRepository({ name: 'upgrades', uris: repository.url(`${SUBNET}.1`), suites: './', ...key })])
    await host.apply([pkg({ name: 'up-one', version: '1.0' }), pkg({ name: 'up-held', version: '1.0', hold: true })])

    expect(await host.plan([upgrade({ packages: 'security' })])).toEqual([])
    expect(await host.plan([upgrade({})])).toEqual(['update upgrade:host: 1 upgrade'])
    expect(await host.apply([upgrade({})])).toEqual(['update upgrade:host'])
    expect(await host.plan([upgrade({})])).toEqual([])
    expect(await host.run("dpkg-query -W 'up-*'")).toBe('up-held\t1.0\nup-one\t1.1\n')
    await host.run('apt-mark unhold up-held')
    expect(await host.apply([upgrade({})])).toEqual(['update upgrade:host'])
    expect(await host.run(LEFT_OVERS)).toBe('')

    await host.run('rm -f /var/lib/provision/apt-updated; touch -d "2 days ago" /var/lib/apt/lists')
    const [planned = ''] = await host.plan([upgrade({})])
    expect(planned).toBe('update upgrade:host: package lists are missing, older than their sources, or older than 24 h; 0 upgrades in them')
    expect(await host.apply([upgrade({})])).toEqual(['update upgrade:host'])
    expect(host.doing).toContain('fetching package lists')
    expect(await host.plan([upgrade({})])).toEqual([])
    repository.close()
  })
})
