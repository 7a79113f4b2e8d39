import { spawnSync } from 'node:child_process'
import type { Resource } from 'provision'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import base from '../../roles/base/role.ts'
import { time, timeOptions } from '../../roles/base/time.ts'
import { FACTS_SCRIPT, readFacts } from '../../src/engine/observe/facts.ts'
import type { Facts } from '../../src/role/role.ts'
import { installCommand } from './support/install-command.ts'
import { onDebian12 } from './support/lab.ts'
import { type TestHost, testHost } from './support/test-host.ts'

const ADDRESS = '10.79.34.11'
let host: TestHost
beforeAll(async () => {
  host = await testHost('t-base', '10.79.34', onDebian12)
})
afterAll(() => host?.down())

const contextOf = (options: object, facts: Facts) =>
  ({
    ...{ options: base.options.parse(options), facts, host: { name: 'host-01', user: 'ops' }, warn: () => {} },
    site: { hosts: [], group: () => [], withRole: () => [] },
  }) as unknown as Parameters<typeof base.resources>[0]
const wanted = (): readonly Resource[] => base.resources(contextOf({}, host.session.facts))

/** Findings of ssh-audit about the algorithms of the host's sshd, from outside. */
const findings = (level: 'fail' | 'warn'): readonly string[] => {
  const { stdout, error } = spawnSync('ssh-audit', ['-n', ADDRESS], { encoding: 'utf8' })
  if (error !== undefined) throw error
  expect(stdout).toContain('(key) ssh-ed25519')
  return stdout.split('\n').filter((line) => line.includes(`[${level}]`))
}

describe('the base role', () => {
  it('is applied in one run, passes the proof, and a second run finds nothing to do', async () => {
    installCommand('ssh-audit')
    expect(findings('fail')).not.toEqual([])
    await host.apply(wanted())
    expect(await host.plan(wanted())).toEqual([])
    // 77: the check does not apply to this host.
    for (const { script } of base.verify?.(contextOf({}, host.session.facts)) ?? []) await host.run(`(\n${script}\n) || [ $? = 77 ]`)
  })

  it('passes ssh-audit, with warnings only for what the README explains', async () => {
    const exchanges = /^kexalgorithms (.*)$/m.exec(await host.run('sshd -T'))?.[1]?.split(',') ?? []
    expect(findings('fail')).toEqual([])
    expect(findings('warn').map((line) => line.replace(/ +-- .*/, ''))).toEqual([
      ...(exchanges.includes('mlkem768x25519-sha256') ? ['(kex) mlkem768x25519-sha256'] : []),
      '(kex) sntrup761x25519-sha512@openssh.com',
      '(kex) kex-strict-s-v00@openssh.com',
    ])
  })

  it('limits unattended-upgrades to security updates, without packages of a cluster', async () => {
    const said = await host.run('apt-get -qq update; unattended-upgrade --dry-run -d 2>&1')
    expect(said).toMatch(/^Initial blacklist: \^mariadb \^galera \^mysql \^percona$/m)
    const { distribution, codename } = host.session.facts
    expect(/^Allowed origins are: (.*)$/m.exec(said)?.[1]?.split(/, (?=origin)/)).toEqual(
      distribution === 'debian'
        ? [`origin=Debian,codename=${codename},label=Debian-Security`, `origin=Debian,codename=${codename}-security,label=Debian-Security`]
        : [
            `origin=Ubuntu,archive=${codename}-security,label=Ubuntu`,
            `origin=UbuntuESMApps,archive=${codename}-apps-security`,
            `origin=UbuntuESM,archive=${codename}-infra-security`,
          ],
    )
  })

  it('finds manual changes', async () => {
    await host.run(`echo 1 >/proc/sys/net/ipv6/conf/eth0/accept_redirects
echo Storage=none >>/etc/systemd/journald.conf.d/50-provision.conf
echo 'PasswordAuthentication yes' >/etc/ssh/sshd_config.d/00-provision.conf
systemctl stop apt-daily-upgrade.timer`)
    const expected = [
      'file:/etc/systemd/journald.conf.d/50-provision.conf',
      'service:apt-daily-upgrade.timer',
      'sshd:/etc/ssh/sshd_config.d/00-provision.conf',
      'sysctl:net.ipv6.conf.*.accept_redirects',
    ].map((key) => `update ${key}`)
    const changed = await host.apply(wanted())
    expect(changed.filter((one) => one !== 'update service:systemd-journald.service').toSorted()).toEqual(expected)
    expect(await host.plan(wanted())).toEqual([])
  })

  it('leaves the clock to another daemon', async () => {
    await host.run(`printf '[Service]\\nExecStart=/bin/true\\n' >/etc/systemd/system/chrony.service; systemctl daemon-reload`)
    const { packages = [] } = time(timeOptions.parse({}), { container: false })
    const refusal = await host.refused(packages)
    expect(refusal.why).toContain('chrony.service already synchronises the clock of this host')
    expect(await host.run('[ ! -e /lib/systemd/systemd-timesyncd ] && echo none')).toBe('none\n')
  })

  it('keeps the clock with the daemon that the host has', async () => {
    await host.run(`rm /etc/systemd/system/chrony.service; systemctl daemon-reload; rm /run/systemd/container
DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends chrony >/dev/null 2>&1`)
    const facts = readFacts('host-01', await host.run(String(FACTS_SCRIPT)), [])
    expect(facts).toMatchObject({ container: false, clock: 'chrony' })
    const { packages = [], files = [] } = time(timeOptions.parse({ servers: ['ntp1.example.com'] }), facts)
    await host.apply([...packages, ...files])
    expect(await host.plan([...packages, ...files])).toEqual([])
    expect(await host.run('cat /etc/chrony/sources.d/provision.sources')).toContain('server ntp1.example.com iburst\n')
  })
})
