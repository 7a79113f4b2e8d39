import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { SCRIPT } from '../../../../roles/base/report.ts'
import base from '../../../../roles/base/role.ts'
import { bytesOf } from '../../../../src/resource/kind/content.ts'
import type { Facts, HostView } from '../../../../src/role/role.ts'
import { Secret } from '../../../../src/secret/secret.ts'

const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ/LMZhCtfW8cBGGJhmlfUfVYDdiX08PBo+cxJAJjF4C me'
const facts: Partial<Facts> = { distribution: 'debian', release: '12', container: false }
const host = { name: 'web-01', user: 'ops' } as HostView
const site = { hosts: [host], group: () => [], withRole: () => [host] }

const resources = (options: object) =>
  base.resources({
    options: base.options.parse(options),
    facts,
    host,
    site,
    wasDeclared: () => true,
    warn: () => {},
  } as unknown as Parameters<typeof base.resources>[0])
const keys = (options: object): readonly string[] => resources(options).map(({ kind, id }) => `${kind.name}:${id}`)
const specOf = (options: object, key: string) => resources(options).find(({ kind, id }) => `${kind.name}:${id}` === key)?.spec
const textOf = (options: object, path: string): string | undefined => {
  const found = resources(options).find(({ kind, id }) => kind.name === 'file' && id === path)
  const content = found?.kind.content?.(found.spec)
  return content === undefined ? undefined : Buffer.from(bytesOf(content)).toString()
}
const sshdText = (options: object): string => (specOf(options, 'sshd:/etc/ssh/sshd_config.d/00-provision.conf') as { text: string }).text
const faults = (options: object) =>
  base.check?.({ options: base.options.parse(options), host, site } as never).map(({ path, what }) => `${path.join('.')}: ${what}`)
const checks = (options: object): readonly string[] =>
  (base.verify?.({ options: base.options.parse(options), host } as never) ?? []).map(({ name }) => name)

describe('rights by sudo', () => {
  const ann = (more: object) => ({ administrators: [{ name: 'ann', keys: [KEY], ...more }] })
  const rule = (more: object) => textOf(ann(more), '/etc/sudoers.d/provision-ann')?.split('\n').at(-2)

  it('are everything, everything with a password, or single commands', () => {
    expect(rule({})).toBe('ann ALL=(ALL:ALL) NOPASSWD: ALL')
    expect(rule({ sudo: 'password', password: 'correct horse' })).toBe('ann ALL=(ALL:ALL) ALL')
    const commands = ['/usr/bin/systemctl restart shop', '/usr/bin/journalctl -u shop']
    expect(rule({ sudo: { commands } })).toBe('ann ALL=(root) NOPASSWD: /usr/bin/systemctl restart shop, /usr/bin/journalctl -u shop')
    expect(rule({ sudo: { commands: ['/usr/bin/id'], as: 'www-data', password: true }, password: 'correct horse' })).toBe(
      'ann ALL=(www-data) /usr/bin/id',
    )
    expect(specOf(ann({ sudo: 'none' }), 'file:/etc/sudoers.d/provision-ann')).toMatchObject({ state: 'absent' })
  })

  it('use the password of the entry; the host receives only its digest', () => {
    const given = ann({ sudo: 'password', password: new Secret('correct horse') })
    const spec = specOf(given, 'user-password:ann') as { hash: Secret }
    expect(spec.hash.reveal()).toMatch(/^\$6\$/)
    expect(specOf(given, 'user:ann')).not.toHaveProperty('password', 'locked')
    // Without one, a password that the account had is locked.
    expect(specOf(ann({}), 'user:ann')).toMatchObject({ password: 'locked' })
    expect(keys(ann({}))).not.toContain('user-password:ann')
  })

  it('are refused with their path if they cannot work', () => {
    expect(faults(ann({ sudo: 'password' }))).toEqual(['administrators.0.sudo: ann has no password that sudo could ask for'])
    expect(faults(ann({ sudo: { commands: ['/usr/bin/id'], password: true } }))).toEqual([
      'administrators.0.sudo: ann has no password that sudo could ask for',
    ])
    expect(faults(ann({ sudo: { commands: ['systemctl restart shop'] } }))).toEqual([
      expect.stringMatching(/^administrators\.0\.sudo\.commands\.0: /),
    ])
    expect(faults(ann({ sudo: { commands: ['/usr/bin/less *'] } }))).toEqual([
      expect.stringMatching(/^administrators\.0\.sudo\.commands\.0: /),
    ])
  })

  it.each([['password'], [{ commands: ['/usr/bin/id'] }], ['none']])('of the account of the run cannot be %j', (sudo) => {
    const [fault] = faults({ administrators: [{ name: 'ops', keys: [KEY], password: 'correct horse', sudo }] }) ?? []
    expect(fault).toBe('administrators.0.sudo: ops is the account that this run uses, and the run needs sudo')
  })

  it('are verified without typing a password', () => {
    expect(checks(ann({ sudo: 'password', password: 'x1' }))).toContain('ann may not become root without a password')
    expect(checks(ann({ sudo: { commands: ['/usr/bin/id'] } }))).toContain('ann may run single commands only')
  })
})

describe('a person who leaves', () => {
  it('loses the home directory with home: delete', () => {
    const gone = (more: object) => specOf({ administrators: [{ name: 'ann', state: 'absent', ...more }] }, 'user:ann')
    expect(gone({})).toMatchObject({ removeHome: false, endSessions: true })
    expect(gone({ home: 'delete' })).toMatchObject({ removeHome: true, endSessions: true })
    expect(base.options.safeParse({ administrators: [{ name: 'ann', keys: [KEY], home: 'delete' }] }).success).toBe(false)
    expect(checks({ administrators: [{ name: 'ann', state: 'absent' }] })).toContain('account ann left no jobs, rights or certificates')
  })
})

describe('certificates of people', () => {
  const people = [
    { name: 'ann', keys: [KEY] },
    { name: 'bob', state: 'absent' },
  ]
  const options = { administrators: people, ssh: { certificates: { authorities: [KEY], principals: { deploy: ['ci', 'operators'] } } } }

  it('are accepted from their authorities, for the principals of an account', () => {
    expect(textOf(options, '/etc/ssh/provision-authorities.pub')).toContain(`\n${KEY}\n`)
    expect(textOf(options, '/etc/ssh/provision-principals/ann')).toMatch(/\nann\n$/)
    expect(textOf(options, '/etc/ssh/provision-principals/deploy')).toMatch(/\nci\noperators\n$/)
    expect(specOf(options, 'file:/etc/ssh/provision-principals/bob')).toMatchObject({ state: 'absent' })
    expect(sshdText(options)).toContain('TrustedUserCAKeys /etc/ssh/provision-authorities.pub\n')
    expect(sshdText(options)).toContain('AuthorizedPrincipalsFile /etc/ssh/provision-principals/%u\n')
    // sshd refuses all logins by key of an account whose file is missing, so the files come first.
    const order = keys(options)
    expect(order.indexOf('file:/etc/ssh/provision-authorities.pub')).toBeLessThan(
      order.indexOf('sshd:/etc/ssh/sshd_config.d/00-provision.conf'),
    )
  })

  it('are no longer trusted without the option, and their file is deleted afterwards', () => {
    const none = { administrators: people }
    expect(sshdText(none)).not.toContain('TrustedUserCAKeys')
    expect(specOf(none, 'file:/etc/ssh/provision-authorities.pub')).toMatchObject({ state: 'absent' })
    const order = keys(none)
    expect(order.indexOf('file:/etc/ssh/provision-authorities.pub')).toBe(
      order.indexOf('sshd:/etc/ssh/sshd_config.d/00-provision.conf') + 1,
    )
  })

  it('open accounts without keys, which are refused otherwise', () => {
    const administrators = [{ name: 'ann' }]
    expect(faults({ administrators })).toEqual(['administrators.0.keys: ann has no key'])
    expect(faults({ administrators, ssh: { certificates: { authorities: [KEY] } } })).toEqual([])
    expect(specOf({ administrators, ssh: { certificates: { authorities: [KEY] } } }, 'authorized-keys:ann')).toMatchObject({ keys: [] })
  })

  it('are refused if they cannot work', () => {
    const given = (certificates: object, more: object = {}) => faults({ administrators: people, ssh: { certificates, ...more } })
    expect(given({ authorities: ['ssh-ed25519 nonsense'] })).toEqual([expect.stringMatching(/^ssh\.certificates\.authorities\.0: /)])
    expect(given({ authorities: [KEY], principals: { bob: ['bob'] } })).toEqual([
      'ssh.certificates.principals.bob: bob is an absent account',
    ])
    expect(given({ authorities: [KEY] }, { enabled: false })).toEqual([
      expect.stringMatching(/^ssh\.certificates: certificates need settings/),
    ])
    for (const authorities of [[], [`cert-authority ${KEY}`]])
      expect(base.options.safeParse({ ssh: { certificates: { authorities } } }).success).toBe(false)
  })
})

describe('people with a second factor', () => {
  const SECRET = 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP'
  const ann = (more: object = {}) => ({ name: 'ann', keys: [KEY], totp: SECRET, ...more })
  const bob = { name: 'bob', keys: [KEY] }
  const options = { administrators: [ann(), bob] }

  it('type a code after their key, and nobody else does', () => {
    expect(sshdText(options)).toContain(
      '\nMatch User ann\n  AuthenticationMethods publickey,keyboard-interactive\n  KbdInteractiveAuthentication yes\n',
    )
    expect(sshdText(options).split('\nMatch ')[0]).toContain('KbdInteractiveAuthentication no\n')
    expect(textOf(options, '/etc/security/provision-totp/ann')).toBe(`${SECRET}\n" WINDOW_SIZE 3\n" TOTP_AUTH\n`)
    expect(specOf(options, 'file:/etc/security/provision-totp/ann')).toMatchObject({ mode: '600', owner: 'root' })
    const order = keys(options)
    const sshd = order.indexOf('sshd:/etc/ssh/sshd_config.d/00-provision.conf')
    for (const key of ['package:libpam-google-authenticator', 'line:/etc/pam.d/sshd#pam_google_authenticator.so'])
      expect(order.indexOf(key)).toBeLessThan(sshd)
    expect(order.indexOf('file:/etc/security/provision-totp/bob')).toBeGreaterThan(sshd)
    expect(checks(options)).toContain('ann needs a key and a code')
  })

  it('leave no rule and no secret behind', () => {
    const none = {
      administrators: [
        { ...ann(), totp: undefined },
        { name: 'bob', state: 'absent' },
      ],
    }
    expect(sshdText(none)).not.toContain('Match')
    expect(specOf(none, 'line:/etc/pam.d/sshd#pam_google_authenticator.so')).toMatchObject({ state: 'absent' })
    for (const name of ['ann', 'bob']) expect(specOf(none, `file:/etc/security/provision-totp/${name}`)).toMatchObject({ state: 'absent' })
  })

  it('are refused where they cannot work', () => {
    expect(faults({ administrators: [ann({ name: 'ops' })] })).toEqual([
      'administrators.0.totp: ops is the account that this run uses, and a run types no code',
    ])
    expect(faults({ more_administrators: [ann({ totp: 'short' })] })).toEqual([
      'more_administrators.0.totp: totp must be 16 to 103 letters of base32 (A-Z, 2-7)',
    ])
    expect(faults({ administrators: [ann()], ssh: { enabled: false } })).toEqual([
      'administrators.0.totp: codes need settings of sshd, which are not managed',
    ])
    expect(faults({ administrators: [ann()], ssh: { settings: { KbdInteractiveAuthentication: 'yes' } } })).toEqual([
      'administrators.0.totp: ssh.settings would ask every account for a code',
    ])
  })
})

describe('accounts for SFTP', () => {
  const options = {
    sftp_accounts: [
      { name: 'partner', keys: [KEY], folders: ['in', 'out'] },
      { name: 'auditor', keys: [KEY], read_only: true },
      { name: 'former', state: 'absent' },
    ],
  }

  it('have no shell, keys of their entry only, and a root that belongs to root', () => {
    expect(specOf(options, 'user:partner')).toMatchObject({ shell: '/usr/sbin/nologin', password: 'locked' })
    expect(specOf(options, 'authorized-keys:partner')).toMatchObject({ exclusive: true })
    expect(specOf(options, 'directory:/srv/sftp/partner')).toMatchObject({ owner: 'root', mode: '755' })
    expect(specOf(options, 'directory:/srv/sftp/partner/in')).toMatchObject({ owner: 'partner', group: 'partner', mode: '750' })
    expect(keys(options).slice(0, 2)).toEqual(['authorized-keys:former', 'user:former'])
    expect(specOf(options, 'foreign-accounts:base')).toMatchObject({ declared: ['ops', 'partner', 'auditor', 'former'] })
  })

  it('have their own settings of sshd', () => {
    const [own = '', writers = '', readers = ''] = sshdText(options).split('\nMatch ')
    expect(own).not.toContain('ChrootDirectory')
    expect(writers).toMatch(/^User partner\n {2}ChrootDirectory \/srv\/sftp\/%u\n {2}ForceCommand internal-sftp -u 0027\n/)
    expect(readers).toMatch(/^User auditor\n[\s\S]* {2}ForceCommand internal-sftp -R\n/)
    for (const line of ['AllowTcpForwarding no', 'AllowStreamLocalForwarding no', 'PermitTTY no', 'PermitTunnel no'])
      expect(writers).toContain(`  ${line}\n`)
    expect(sshdText({})).not.toContain('Match')
    expect(checks(options)).toContain('partner can only transfer files')
  })

  it('are refused if they cannot work', () => {
    const entry = (name: string, more: object = {}) => ({ name, keys: [KEY], ...more })
    expect(faults({ sftp_accounts: [entry('ops')] })).toEqual(['sftp_accounts.0.name: ops is the account that this run uses'])
    expect(faults({ sftp_accounts: [entry('a'), entry('a')] })).toEqual(['sftp_accounts.1.name: a is listed twice'])
    expect(faults({ administrators: [entry('ann')], sftp_accounts: [entry('ann')] })).toEqual([
      'sftp_accounts.0.name: ann is an administrator too',
    ])
    expect(faults({ sftp_accounts: [entry('a', { folders: ['x', 'x'] })] })).toEqual([
      'sftp_accounts.0.folders: a directory is listed twice',
    ])
    expect(faults({ ssh: { enabled: false }, sftp_accounts: [entry('a')] })).toEqual([
      'sftp_accounts.0.name: a would get a shell: the settings of sshd are not managed',
    ])
    for (const one of [entry('root'), entry('a', { keys: [] }), entry('a', { folders: ['../b'] }), entry('a', { folders: [] })])
      expect(base.options.safeParse({ sftp_accounts: [one] }).success).toBe(false)
  })
})

describe('the host as a whole', () => {
  it('keeps its settings without an option', () => {
    expect(keys({}).filter((key) => /^(hostname|locale|swap):|localtime|motd|htop/.test(key))).toEqual([])
  })

  it('gets its name, zone, locale, swap, packages and message', () => {
    const options = {
      ...{ hostname: true, time_zone: 'Europe/Berlin', locale: 'de_DE.UTF-8', swap: 512, packages: ['htop'], motd: 'Production' },
    }
    expect(keys(options)).toEqual(
      expect.arrayContaining(['hostname:web-01', 'link:/etc/localtime', 'locale:de_DE.UTF-8', 'swap:/swapfile', 'package:htop']),
    )
    expect(textOf(options, '/etc/motd')).toBe('Production\n')
    expect(specOf({ swap: false }, 'swap:/swapfile')).toMatchObject({ state: 'absent' })
    expect(specOf({ hostname: 'db.example.org' }, 'hostname:db.example.org')).toBeDefined()
  })

  it('refuses names that the host would not accept', () => {
    expect(faults({ hostname: 'web_01', time_zone: 'Europe/Berln', locale: 'german' })).toEqual([
      expect.stringMatching(/^hostname: hostname must be a host name/),
      expect.stringMatching(/^time_zone: /),
      expect.stringMatching(/^locale: locale must be a locale/),
    ])
    for (const options of [{ swap: 0 }, { packages: ['a b'] }, { motd: 'a\u0007' }])
      expect(base.options.safeParse(options).success).toBe(false)
  })
})

describe('settings of sshd for single accounts', () => {
  it('are refused for the account of the run before anything is changed', async () => {
    const { shutOut } = await import('../../../../src/resource/sshd/shut-out.ts')
    const spec = specOf({ sftp_accounts: [{ name: 'partner', keys: [KEY] }] }, 'sshd:/etc/ssh/sshd_config.d/00-provision.conf')
    const asked = (account: string) => shutOut(spec as never, { login: { account, groups: [account] }, others: [] })
    expect(asked('ops')).toBeUndefined()
    expect(asked('partner')?.what).toBe('match would shut out partner, the account that this run uses')
  })
})

describe('the report of upgrades', () => {
  it('is on by default, can be turned off, and is mailed on demand', () => {
    const path = '/etc/apt/apt.conf.d/52provision-updates'
    expect(keys({})).toEqual(
      expect.arrayContaining(['file:/usr/local/lib/provision-upgrade-report', 'unit:apt-daily-upgrade.service.d/provision-report.conf']),
    )
    for (const updates of [{ report: false }, { enabled: false }])
      expect(specOf({ updates }, 'file:/usr/local/lib/provision-upgrade-report')).toMatchObject({ state: 'absent' })
    expect(textOf({}, path)).not.toContain('Unattended-Upgrade::Mail')
    expect(textOf({ updates: { mail: 'admin@example.org' } }, path)).toContain(
      'Unattended-Upgrade::Mail "admin@example.org";\nUnattended-Upgrade::MailReport "on-change";\n',
    )
    expect(base.options.safeParse({ updates: { mail: 'a"; x' } }).success).toBe(false)
  })

  it('lists the packages since the upgrade began', () => {
    const directory = mkdtempSync(join(tmpdir(), 'provision-report-'))
    const program = SCRIPT.replaceAll('/var/log/', `${directory}/`)
      .replaceAll('/var/lib/provision-metrics/upgrades/', `${directory}/`)
      .replaceAll('/run/', `${directory}/`)
    writeFileSync(join(directory, 'systemctl'), '#!/bin/sh\necho Mon 2026-11-30 10:00:00 UTC\n', { mode: 0o755 })
    const log = ['09:00:00 upgrade old:amd64 1 2', '10:00:01 upgrade bash:amd64 5.2-1 5.2-2', '10:00:02 status installed bash:amd64 5.2-2']
    writeFileSync(join(directory, 'dpkg.log'), log.map((line) => `2026-11-30 ${line}\n`).join(''))
    const { stdout, stderr } = spawnSync('sh', ['-c', program], {
      encoding: 'utf8',
      env: { PATH: `${directory}:${process.env.PATH}`, TZ: 'UTC' },
    })
    expect({ stdout, stderr }).toEqual({ stdout: 'upgraded bash:amd64 from 5.2-1 to 5.2-2\n', stderr: '' })
    expect(readFileSync(join(directory, 'upgrades.prom'), 'utf8')).toMatch(/^provision_upgraded_packages 1$/m)
    rmSync(directory, { recursive: true })
  })
})

it('deletes files of certificates and codes only where an earlier run declared them', () => {
  const restsWith = (wasDeclared: (key: string) => boolean) =>
    base
      .resources({ options: base.options.parse({}), facts, host, site, wasDeclared, warn: () => {} } as unknown as Parameters<
        typeof base.resources
      >[0])
      .map(({ kind, id }) => `${kind.name}:${id}`)
      .filter((key) => /provision-authorities|pam_google/.test(key))
  expect(restsWith(() => false)).toEqual([])
  expect(restsWith((key) => key.startsWith('line:'))).toEqual(['line:/etc/pam.d/sshd#pam_google_authenticator.so'])
})
