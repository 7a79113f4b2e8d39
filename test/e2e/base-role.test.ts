import { spawnSync } from 'node:child_process'
import { createHmac } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
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
    ...{ options: base.options.parse(options), facts, host: { name: 'host-01', user: 'ops' }, warn: () => {}, wasDeclared: () => true },
    site: { hosts: [], group: () => [], withRole: () => [] },
  }) as unknown as Parameters<typeof base.resources>[0]
/** Keys of people: `ann` with a certificate of an authority, `stranger` with one for another principal, and `partner`. */
const keysOfPeople = async () => {
  const directory = mkdtempSync(join(tmpdir(), 'provision-people-'))
  const keygen = (...words: readonly string[]): void => {
    const { status, stderr } = spawnSync('ssh-keygen', ['-q', ...words], { cwd: directory, encoding: 'utf8' })
    if (status !== 0) throw new Error(stderr)
  }
  for (const name of ['authority', 'ann', 'stranger', 'partner', 'other']) keygen('-t', 'ed25519', '-N', '', '-C', name, '-f', name)
  for (const name of ['ann', 'stranger']) keygen('-s', 'authority', '-I', name, '-n', name, '-V', '-1h:+1d', `${name}.pub`)
  const publicKey = (name: string): string => readFileSync(join(directory, `${name}.pub`), 'utf8').trim()
  return { directory, authority: publicKey('authority'), partner: publicKey('partner'), other: publicKey('other') }
}

const CODE_SECRET = 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP'

/** The present code of an authenticator (RFC 6238) with that secret. */
const codeNow = (): string => {
  const bits = [...CODE_SECRET].map((letter) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(letter).toString(2).padStart(5, '0')).join('')
  const key = Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)))
  const counter = Buffer.alloc(8)
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000)))
  const digest = createHmac('sha1', key).update(counter).digest()
  const at = (digest.at(-1) ?? 0) & 15
  return String((digest.readUInt32BE(at) & 0x7fff_ffff) % 1_000_000).padStart(6, '0')
}

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

  it('opens accounts for files, certificates and single commands only, and removes them', async () => {
    const keys = await keysOfPeople()
    const ssh = (key: string, ...words: readonly string[]): string => {
      const login = ['-i', join(keys.directory, key), '-o', 'IdentitiesOnly=yes', '-o', 'BatchMode=yes']
      const trust = ['-o', 'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null']
      const { stdout, stderr } = spawnSync('ssh', ['-n', '-F', 'none', ...login, ...trust, ...words], { encoding: 'utf8', timeout: 30_000 })
      return `${stdout}${stderr.replaceAll(/^Warning: .*\r?\n/gm, '')}`.trim()
    }
    const login = (key: string, account: string, command: string): string => ssh(key, `${account}@${ADDRESS}`, command)
    const options = {
      administrators: [
        { name: 'ann', keys: [keys.other], sudo: { commands: ['/usr/bin/id -u'] } },
        { name: 'eva', keys: [keys.other], sudo: 'none', totp: CODE_SECRET },
      ],
      sftp_accounts: [{ name: 'partner', keys: [keys.partner] }],
      ssh: { certificates: { authorities: [keys.authority] } },
      ...{ time_zone: 'Europe/Berlin', motd: 'Changes are made by provision only.' },
    }
    const people = (given: object): readonly Resource[] => base.resources(contextOf(given, host.session.facts))
    const verified = async (given: object): Promise<void> => {
      for (const { script } of base.verify?.(contextOf(given, host.session.facts)) ?? []) await host.run(`(\n${script}\n) || [ $? = 77 ]`)
    }
    await host.apply(people(options))
    expect(await host.plan(people(options))).toEqual([])
    await verified(options)

    // The certificate of ann opens her account; that of another principal does not.
    expect(login('ann', 'ann', 'id -un')).toBe('ann')
    expect(login('stranger', 'ann', 'id -un')).toContain('Permission denied (publickey)')
    expect(login('ann', 'ops', 'id -un')).toContain('Permission denied (publickey)')
    expect(login('ann', 'ann', 'sudo -n /usr/bin/id -u; sudo -n /usr/bin/id -g')).toMatch(/^0\nsudo: a password is required/)

    // Her secret is in one file of root. The brackets hide the command itself.
    const pattern = CODE_SECRET.replace(/^(.)(.)/, '$1[$2]')
    const places = '/etc /run /var/lib/provision /var/log /proc/[0-9]*/cmdline'
    expect(await host.run(`grep -rl '${pattern}' ${places} 2>/dev/null || :`)).toBe('/etc/security/provision-totp/eva\n')
    // The key of eva is not enough; a code opens her account, a wrong one does not.
    expect(login('other', 'eva', 'id -un')).toContain('Permission denied (keyboard-interactive)')
    const typed = (code: string): string => {
      const program = join(keys.directory, 'askpass')
      writeFileSync(program, `#!/bin/sh\necho ${code}\n`, { mode: 0o700 })
      const words = ['-i', join(keys.directory, 'other'), '-o', 'IdentitiesOnly=yes', '-o', 'NumberOfPasswordPrompts=1']
      const trust = ['-o', 'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null']
      const env = { ...process.env, SSH_ASKPASS: program, SSH_ASKPASS_REQUIRE: 'force', DISPLAY: ':0' }
      return spawnSync('ssh', ['-n', '-F', 'none', ...words, ...trust, `eva@${ADDRESS}`, 'id -un'], {
        encoding: 'utf8',
        env,
        timeout: 60_000,
      }).stdout.trim()
    }
    expect(typed(codeNow() === '123456' ? '654321' : '123456')).toBe('')
    // Since OpenSSH 9.8, sshd refuses connections for a while after failed logins.
    await expect.poll(() => typed(codeNow()), { timeout: 90_000, interval: 3000 }).toBe('eva')
    expect(await host.plan(people(options))).toEqual([])

    // The account for files has no shell, no forwarding, and sees nothing but its root.
    expect(login('partner', 'partner', 'id')).toBe('This service allows sftp connections only.')
    writeFileSync(join(keys.directory, 'upload'), 'bytes')
    const batch = ['ls -1 /', `put ${join(keys.directory, 'upload')} /files/upload`, `put ${join(keys.directory, 'upload')} /upload`]
    const sftp = ['-i', join(keys.directory, 'partner'), '-o', 'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null', '-b', '-']
    const sent = spawnSync('sftp', ['-F', 'none', ...sftp, `partner@${ADDRESS}`], {
      encoding: 'utf8',
      input: batch.map((one) => `${one}\n`).join(''),
    })
    expect(sent.stdout).toMatch(/ls -1 \/\n\/?files\n/)
    expect(`${sent.stdout}${sent.stderr}`).toMatch(/dest open "\/upload": Permission denied/)
    expect(await host.run('cat /srv/sftp/partner/files/upload; stat -c " %U %a" /srv/sftp/partner/files/upload')).toBe(
      'bytes partner 640\n',
    )
    expect(ssh('ann', '-W', '127.0.0.1:22', `ann@${ADDRESS}`)).toContain('SSH-2.0')
    expect(ssh('partner', '-W', '127.0.0.1:22', `partner@${ADDRESS}`)).not.toContain('SSH-2.0')

    // The report of an upgrade, after the unit of the distribution.
    await host.run('systemctl start apt-daily-upgrade.service')
    expect(await host.run('cat /var/lib/provision-metrics/upgrades/upgrades.prom')).toMatch(/^provision_upgraded_packages \d+$/m)

    await host.run('echo "@reboot true" >/var/spool/cron/crontabs/ann 2>/dev/null || :')
    const gone = {
      administrators: [
        { name: 'ann', state: 'absent', home: 'delete' },
        { name: 'eva', keys: [keys.other], sudo: 'none' },
      ],
      sftp_accounts: [{ name: 'partner', state: 'absent' }],
      updates: { report: false },
    }
    await host.apply(people(gone))
    expect(await host.plan(people(gone))).toEqual([])
    await verified(gone)
    expect(
      await host.run(
        'ls -d /home/ann /etc/ssh/provision-authorities.pub /var/lib/provision-metrics/upgrades/upgrades.prom 2>/dev/null || :',
      ),
    ).toBe('')
    expect(await host.run('cat /srv/sftp/partner/files/upload; sshd -T | grep -ic provision-authorities || :')).toBe('bytes0\n')
    expect(login('other', 'eva', 'id -un')).toBe('eva')
    expect(await host.run('ls /etc/security/provision-totp; grep -c google /etc/pam.d/sshd || :')).toBe('0\n')
    rmSync(keys.directory, { recursive: true })
  }, 240_000)

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
