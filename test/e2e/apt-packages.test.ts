import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { observe } from '../../src/engine/observe/session.ts'
import { forbiddenOn } from '../../src/engine/plan/plan-host.ts'
import { installPackages } from '../../src/resource/package/apply.ts'
import { pkg } from '../../src/resource/package/package.ts'
import { haproxyVersions, killWhen, LEFT_OVERS, serviceState } from './support/packages.ts'
import { onHost, sessionOn, type TestHost, testHost } from './support/test-host.ts'

let host: TestHost
beforeAll(async () => {
  host = await testHost('t-pkg', '10.79.3')
})
afterAll(() => host?.down())

const stateOf = (unit: string): Promise<string> => serviceState(host, unit)
const versions = (): Promise<readonly string[]> => haproxyVersions(host)

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

  it('is removed, unless other packages depend on it', async () => {
    await host.apply([pkg({ name: 'nginx' })])
    const refusal = await host.refused([pkg({ name: 'nginx-common', state: 'absent' })])
    expect(refusal.what).toContain('would also remove nginx')
    const both = [pkg({ name: 'nginx-common', state: 'absent' }), pkg({ name: 'nginx', state: 'absent' })]
    expect(await host.apply(both)).toEqual(['delete package:nginx-common', 'delete package:nginx'])
    expect(await host.plan(both)).toEqual([])
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

describe('an interrupted installation', () => {
  it('while it unpacked is finished by the next run', async () => {
    await host.run('apt-get -y -q purge "mariadb-*" galera-4 >/dev/null; rm -rf /var/lib/mysql /var/lib/mariadb')
    const mariadb = [pkg({ name: 'tree' }), pkg({ name: 'mariadb-server' })]
    const other = onHost(await sessionOn('t-pkg', '10.79.3.11'), async () => {})
    const [refusal] = await Promise.all([other.refused(mariadb), host.run(killWhen('[ -e /usr/sbin/mariadbd.dpkg-new ]'))])
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
