import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { observe } from '../../src/engine/observe/session.ts'
import { forbiddenOn } from '../../src/engine/plan/plan-host.ts'
import { aptRepository } from '../../src/resource/apt/repository.ts'
import { installPackages } from '../../src/resource/package/apply.ts'
import { pkg } from '../../src/resource/package/package.ts'
import { upgrade } from '../../src/resource/package/upgrade.ts'
import { aptRepository as testRepository } from './support/services/apt-repository.ts'
import { onHost, sessionOn, type TestHost, testHost } from './support/test-host.ts'

let host: TestHost
beforeAll(async () => {
  host = await testHost('t-pkg', '10.79.3')
})
afterAll(() => host?.down())

const stateOf = async (unit: string): Promise<string> =>
  (await host.run(`systemctl show -P ActiveState -P UnitFileState ${unit}`)).trim().split('\n').join(' ')

const LEFT_OVERS = 'ls /usr/sbin/policy-rc.d* /run/systemd/system-preset/* /run/provision.????????/log 2>/dev/null; dpkg --audit'

/** The two versions that Debian and Debian's security updates have of haproxy, the newer first. */
const versions = async (): Promise<readonly string[]> =>
  (await host.run("apt-get -qq update; apt-cache madison haproxy | cut -d'|' -f2 | tr -d ' '")).trim().split('\n')

/** Holds dpkg's lock, for a minute at most, with the name of a program that Debian starts automatically. */
const occupy = (): Promise<string> =>
  host.run(`perl -e '$0 = "unattended-upgr"; use Fcntl; open(F, ">", "/var/lib/dpkg/lock-frontend"); my $l = pack("s s l! l! i", F_WRLCK, 0, 0, 0, 0);
    fcntl(F, F_SETLK, $l) or die; sleep 60' </dev/null >/dev/null 2>&1 &
    while ! grep -q POSIX /proc/locks; do sleep 0.1; done`)

const UNOCCUPY = 'kill $(grep -l unattended-upgr /proc/[0-9]*/comm | cut -d/ -f3)'

describe('a package', () => {
  it('is installed with its service held back, once, and again after a manual removal', async () => {
    const nginx = [pkg({ name: 'nginx' })]
    expect(await host.apply(nginx)).toEqual(['create package:nginx'])
    expect(host.doing).toContain('Preparing nginx (amd64)')
    expect(await host.plan(nginx)).toEqual([])
    expect(await stateOf('nginx')).toBe('inactive disabled')
    expect(await host.run(LEFT_OVERS)).toBe('')
    await host.run('apt-get -y -q remove nginx')
    expect(await host.plan(nginx)).toEqual(['create package:nginx: not installed'])
    await host.apply(nginx)
    expect(await host.plan(nginx)).toEqual([])
    expect(await stateOf('nginx')).toBe('inactive disabled')
  })

  // haproxy's upgrade reloads it, which moves the time of its last change.
  it('restarts in its upgrade only services that ran before', async () => {
    const [newer = '', older = ''] = await versions()
    expect(older).not.toBe('')
    await host.apply([pkg({ name: 'haproxy', version: older })])
    expect(await stateOf('haproxy')).toBe('inactive disabled')
    await host.run('systemctl start haproxy')
    const before = await host.run('systemctl show -P StateChangeTimestampMonotonic haproxy')
    expect(await host.plan([pkg({ name: 'haproxy' })])).toEqual([])
    expect(await host.apply([pkg({ name: 'haproxy', version: newer })])).toEqual(['update package:haproxy'])
    expect(await stateOf('haproxy')).toBe('active disabled')
    expect(await host.run('systemctl show -P StateChangeTimestampMonotonic haproxy')).not.toBe(before)
    expect(await stateOf('nginx')).toBe('inactive disabled')
  })

  it("keeps and obeys the administrator's own policy for services", async () => {
    const policy = '#!/bin/sh\necho "$@" >>/root/asked\nexit 0\n'
    await host.run(`printf '%s' '${policy}' >/usr/sbin/policy-rc.d; chmod 755 /usr/sbin/policy-rc.d`)
    await host.apply([pkg({ name: 'prometheus-node-exporter' })])
    expect(await stateOf('prometheus-node-exporter')).toBe('inactive disabled')
    expect(await host.run('cat /usr/sbin/policy-rc.d*')).toBe(policy)
    await host.run('systemctl start haproxy; rm -f /root/asked')
    await host.apply([pkg({ name: 'haproxy', version: (await versions())[1] ?? '' })])
    expect(await host.run('cat /root/asked')).toContain('haproxy')
    await host.run('rm /usr/sbin/policy-rc.d')
  })

  it('is removed, unless other packages depend on it', async () => {
    await host.apply([pkg({ name: 'nginx' })])
    const refusal = await host.refused([pkg({ name: 'nginx-common', state: 'absent' })])
    expect(refusal.what).toContain('would also remove nginx')
    const both = [pkg({ name: 'nginx-common', state: 'absent' }), pkg({ name: 'nginx', state: 'absent' })]
    expect(await host.apply(both)).toEqual(['delete package:nginx-common', 'delete package:nginx'])
    expect(await host.plan(both)).toEqual([])
  })
})

describe('upgrades', () => {
  it('are those that the plan lists, and then none', async () => {
    const [newer = '', older = ''] = await versions()
    await host.apply([upgrade({})])
    expect(await host.plan([upgrade({})])).toEqual([])
    await host.apply([pkg({ name: 'haproxy', version: older })])
    expect(await host.plan([upgrade({})])).toEqual(['update upgrade:host: 1 upgrade'])
    expect(await host.plan([upgrade({ packages: 'security' })])).toEqual(['update upgrade:host: 1 upgrade'])
    expect(await host.apply([upgrade({ packages: 'security' })])).toEqual(['update upgrade:host'])
    expect(await host.run(`dpkg-query -W -f '\${Version}' haproxy`)).toBe(newer)
    expect(await host.plan([upgrade({})])).toEqual([])
    expect(await host.run(LEFT_OVERS)).toBe('')
  })

  it('leave packages on hold', async () => {
    const [, older = ''] = await versions()
    await host.apply([pkg({ name: 'haproxy', version: older })])
    await host.run('apt-mark hold haproxy')
    expect(await host.plan([upgrade({})])).toEqual([])
    await host.run('apt-mark unhold haproxy')
    expect(await host.apply([upgrade({})])).toEqual(['update upgrade:host'])
  })

  it('read package lists that are older than declared', async () => {
    await host.run('rm -f /var/lib/provision/apt-updated; touch -d "2 days ago" /var/lib/apt/lists')
    const [planned = ''] = await host.plan([upgrade({})])
    expect(planned).toBe('update upgrade:host: package lists are missing, older than their sources, or older than 24 h; 0 upgrades in them')
    expect(await host.apply([upgrade({})])).toEqual(['update upgrade:host'])
    expect(host.doing).toContain('fetching package lists')
    expect(await host.plan([upgrade({})])).toEqual([])
  })
})

describe('a dpkg that is busy', () => {
  it('delays the run, which names the holder of its lock', async () => {
    await occupy()
    const other = onHost(await sessionOn('t-pkg', '10.79.3.11'), async () => {})
    const applied = host.apply([pkg({ name: 'tree' })])
    await vi.waitFor(() => expect(host.doing.join('\n')).toMatch(/^waiting for dpkg: unattended-upgr \(pid \d+\), for \d+ s$/m), 50_000)
    await other.run(UNOCCUPY)
    await applied
    await other.down()
    expect(await host.plan([pkg({ name: 'tree' })])).toEqual([])
  })

  it('ends the run after a time limit, with nothing changed', async () => {
    await occupy()
    const spec = pkg({ name: 'lsof' }).spec
    const seen = { status: 'not-installed', version: '', held: false }
    const verdict = { action: 'create', certainty: 'exact', reason: 'not installed', differences: [] } as const
    const steps = installPackages([{ id: 'lsof', spec, state: seen, change: verdict }], { seconds: 1, times: 2 })
    const answer = async () => {
      for (let next = steps.next(); next.done !== true; ) {
        if (next.value.do !== 'shell') throw new Error('only scripts are expected')
        next = steps.next(await host.session.shell.request(String(next.value.script)))
      }
    }
    await expect(answer()).rejects.toMatchObject({
      what: 'dpkg is locked by another program',
      why: expect.stringMatching(/^waited 2 s for unattended-upgr \(pid \d+\), for \d+ s$/),
    })
    await host.run(UNOCCUPY)
  })
})

/** Kills apt, dpkg and their children with SIGKILL as soon as the condition holds. */
const killWhen = (condition: string): string => `
i=0; while ! ${condition} && [ $i -lt 3000 ]; do sleep 0.01; i=$((i+1)); done
for p in $(grep -lsxE 'apt-get|dpkg|dpkg-deb|mariadb-server.*' /proc/[0-9]*/comm); do p=\${p#/proc/}; kill -9 "\${p%/comm}"; done; true`

describe('an interrupted installation', () => {
  it.each([
    ['while it unpacked', '[ -e /usr/sbin/mariadbd.dpkg-new ]'],
    ['while it configured', 'grep -qsaF mariadb-server.postinst /proc/[0-9]*/cmdline'],
  ])('%s is finished by the next run', async (_, moment) => {
    await host.run('apt-get -y -q purge "mariadb-*" galera-4 >/dev/null; rm -rf /var/lib/mysql /var/lib/mariadb')
    const mariadb = [pkg({ name: 'tree' }), pkg({ name: 'mariadb-server' })]
    const other = onHost(await sessionOn('t-pkg', '10.79.3.11'), async () => {})
    const [refusal] = await Promise.all([other.refused(mariadb), host.run(killWhen(moment))])
    await other.down()
    expect(refusal.fix).toContain('the next run continues the transaction')
    expect((await host.plan(mariadb)).join()).toMatch(/interrupted/)
    await host.apply(mariadb)
    expect(await host.plan(mariadb)).toEqual([])
    expect(await stateOf('mariadb')).toBe('inactive disabled')
    expect(await host.run(LEFT_OVERS)).toBe('')
  })

  it('continues if only the controller died', async () => {
    await host.run('apt-get -y -q purge "mariadb-*" galera-4 >/dev/null; rm -rf /var/lib/mysql /var/lib/mariadb')
    const other = onHost(await sessionOn('t-pkg', '10.79.3.11'), async () => {})
    const mariadb = [pkg({ name: 'mariadb-server' })]
    const lost = other.apply(mariadb).catch((error: Error) => error)
    while (!other.doing.includes('Preparing galera-4 (amd64)')) await new Promise((resolve) => setTimeout(resolve, 10))
    const [client = '', port = ''] = other.session.shell.sshConnection
    await host.run(
      `for p in $(ss -tnpH "sport = 22 and dst = ${client} and dport = ${port}" | grep -o 'pid=[0-9]*' | cut -d= -f2); do kill -9 $p; done`,
    )
    expect(await lost).toBeInstanceOf(Error)
    await host.apply(mariadb)
    expect(host.doing.join('\n')).toMatch(/^waiting for dpkg: apt-get/m)
    expect(await host.plan(mariadb)).toEqual([])
    expect(await stateOf('mariadb')).toBe('inactive disabled')
    expect(await host.run(LEFT_OVERS)).toBe('')
  })

  it('is finished by a change of another package, and remains of the hold are deleted', async () => {
    await host.run('mkdir -p /run/systemd/system-preset; echo disable >/run/systemd/system-preset/00-provision.preset')
    expect(await host.plan([pkg({ name: 'tree' })])).toEqual(['update package:tree: services held back by an interrupted installation'])
    await host.apply([pkg({ name: 'tree' })])
    expect(await host.plan([pkg({ name: 'tree' })])).toEqual([])
  })
})

describe('a package that apt cannot change', () => {
  const refusals = async (options: Parameters<typeof pkg>[0]): Promise<readonly string[]> => {
    const resources = [{ play: 0, role: 'test', resource: pkg(options) }]
    const observation = await observe(host.session, resources)
    return forbiddenOn({ host: 'host-01', resources, observation }, () => true, {}).map(({ what }) => what)
  }

  it('is refused before any change, if apt reports it for the package', async () => {
    await host.run('apt-get -qq update')
    expect(await refusals({ name: 'nginx-of-tomorrow' })).toEqual(['package nginx-of-tomorrow cannot be installed'])
    expect(await refusals({ name: 'default-mta' })).toEqual(['package default-mta is virtual'])
    expect(await refusals({ name: 'libacl1', state: 'absent' })).toEqual(['package libacl1 cannot be removed'])
    expect(await refusals({ name: 'cpp-12' })).toEqual([])
  })
})

describe('a repository', () => {
  const LISTS = 'ls /etc/apt/sources.list.d /etc/apt/keyrings; sha256sum /etc/apt/sources.list.d/*'

  it('is added, checked, used in the same run, and deleted', async () => {
    const repository = await testRepository()
    repository.add('sample-one', '1.0')
    const [uris, other] = [repository.url('10.79.3.1'), repository.fingerprintOf('other')]
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
    await host.apply([aptRepository({ name: 'options', uris: repository.url('10.79.3.1'), suites: './', ...key })])
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

describe('a host that refuses a package change', () => {
  it('names a package that no source has', async () => {
    const refusal = await host.refused([pkg({ name: 'nginx-of-tomorrow' })])
    expect(refusal.what).toContain('apt failed: Unable to locate package nginx-of-tomorrow')
    expect(refusal.fix).toContain('check name and version')
    expect(refusal.why).toContain('Unable to locate package nginx-of-tomorrow')
  })

  it('names a version that no source has', async () => {
    const refusal = await host.refused([pkg({ name: 'tree', version: '99.0-1' })])
    expect(refusal.what).toContain("apt failed: Version '99.0-1' for 'tree' was not found")
  })

  it('reports a package on hold', async () => {
    const [newer = '', older = ''] = await versions()
    await host.apply([pkg({ name: 'haproxy', version: older })])
    await host.run('apt-mark hold haproxy')
    const refusal = await host.refused([pkg({ name: 'haproxy', version: newer })])
    expect(refusal.what).toContain('apt failed: Held packages were changed')
    expect(refusal.fix).toContain('apt-mark unhold haproxy')
    await host.run('apt-mark unhold haproxy')
  })

  it('names the mount that is full', async () => {
    await host.run('mount -t tmpfs -o size=1m none /var/cache/apt/archives')
    const refusal = await host.refused([pkg({ name: 'gcc-12-base' }), pkg({ name: 'cpp-12' })])
    expect(refusal.what).toContain('/var/cache/apt/archives is full')
    await host.run('umount /var/cache/apt/archives')
  })

  it('reports a mirror that does not answer', async () => {
    await host.run(`echo 'Acquire::http::Proxy "http://127.0.0.1:9";' >/etc/apt/apt.conf.d/99dead`)
    const refusal = await host.refused([pkg({ name: 'cpp-12', cacheHours: 0 })])
    expect(refusal.what).toContain('package lists not fetched')
    expect(refusal.why).toContain('127.0.0.1')
    await host.run('rm /etc/apt/apt.conf.d/99dead')
    expect(await host.run(LEFT_OVERS)).toBe('')
  })
})
