import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { pkg } from '../../src/resource/package/package.ts'
import { upgrade } from '../../src/resource/package/upgrade.ts'
import { haproxyVersions, killWhen, LEFT_OVERS, serviceState } from '../e2e/support/packages.ts'
import { onHost, sessionOn, type TestHost, testHost } from '../e2e/support/test-host.ts'

// What test/e2e/apt-packages.test.ts leaves out because it takes long.
let host: TestHost
beforeAll(async () => {
  host = await testHost('t-pkg-full', '10.79.59')
})
afterAll(() => host?.down())

const stateOf = (unit: string): Promise<string> => serviceState(host, unit)
const versions = (): Promise<readonly string[]> => haproxyVersions(host)

describe('a package', () => {
  it("keeps and obeys the administrator's own policy for services", async () => {
    const policy = '#!/bin/sh\necho "$@" >>/root/asked\nexit 0\n'
    await host.run(`printf '%s' '${policy}' >/usr/sbin/policy-rc.d; chmod 755 /usr/sbin/policy-rc.d`)
    await host.apply([pkg({ name: 'prometheus-node-exporter' })])
    expect(await stateOf('prometheus-node-exporter')).toBe('inactive disabled')
    expect(await host.run('cat /usr/sbin/policy-rc.d*')).toBe(policy)
    await host.apply([pkg({ name: 'haproxy', version: (await versions())[1] ?? '' })])
    await host.run('systemctl start haproxy; rm -f /root/asked')
    await host.apply([pkg({ name: 'haproxy', version: (await versions())[0] ?? '' })])
    expect(await host.run('cat /root/asked')).toContain('haproxy')
    await host.run('rm /usr/sbin/policy-rc.d')
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
})

describe('an interrupted installation', () => {
  it('while it configured is finished by the next run', async () => {
    const mariadb = [pkg({ name: 'tree' }), pkg({ name: 'mariadb-server' })]
    const other = onHost(await sessionOn('t-pkg-full', '10.79.59.11'), async () => {})
    const [refusal] = await Promise.all([
      other.refused(mariadb),
      host.run(killWhen('grep -qsaF mariadb-server.postinst /proc/[0-9]*/cmdline')),
    ])
    await other.down()
    expect(refusal.fix).toContain('the next run continues the transaction')
    expect((await host.plan(mariadb)).join()).toMatch(/interrupted/)
    await host.apply(mariadb)
    expect(await host.plan(mariadb)).toEqual([])
    expect(await stateOf('mariadb')).toBe('inactive disabled')
    expect(await host.run(LEFT_OVERS)).toBe('')
  })
})

describe('a host that refuses a package change', () => {
  it('reports a package on hold', async () => {
    const [newer = '', older = ''] = await versions()
    await host.apply([pkg({ name: 'haproxy', version: older })])
    await host.run('apt-mark hold haproxy')
    const refusal = await host.refused([pkg({ name: 'haproxy', version: newer })])
    expect(refusal.what).toContain('apt failed: Held packages were changed')
    expect(refusal.fix).toContain('apt-mark unhold haproxy')
    await host.run('apt-mark unhold haproxy')
  })
})
