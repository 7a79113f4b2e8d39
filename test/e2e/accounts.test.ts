import { authorizedKeys, command, file, group, type Resource, sysctl, user } from 'provision'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { accountPackages, accounts, accountsOption, departures } from '../../roles/base/accounts.ts'
import { accountChecks } from '../../roles/base/rights.ts'
import { Secret } from '../../src/secret/secret.ts'
import { type TestHost, testHost } from './support/test-host.ts'

let host: TestHost
beforeAll(async () => {
  host = await testHost('t-acc', '10.79.5')
})
afterAll(() => host?.down())

const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ/LMZhCtfW8cBGGJhmlfUfVYDdiX08PBo+cxJAJjF4C me@laptop'
const OTHER = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICbDuxFw5gNwGn5DP8JCcnYXf4P2Y4o7rHRlz3V0gvJS mallory'

/** Resources are created, found converged, and damaged by hand. The plan names exactly the damage, and the next run repairs it. */
const fourBeats = async (resource: Resource, damage: string, named: string): Promise<void> => {
  const [made] = await host.apply([resource])
  expect(made).toMatch(/^(create|run) /)
  expect(await host.plan([resource])).toEqual([])
  await host.run(damage)
  expect(await host.plan([resource])).toEqual([named])
  await host.apply([resource])
  expect(await host.plan([resource])).toEqual([])
}

describe('accounts, keys, kernel settings and commands', () => {
  it('are created, converge, and are repaired', async () => {
    await fourBeats(group({ name: 'staff2', gid: 4242 }), 'groupmod -g 4243 staff2', 'update group:staff2: gid differs')
    await fourBeats(
      user({ name: 'ann', groups: ['staff2', 'adm'], shell: '/bin/bash', password: 'locked', comment: 'Ann Example' }),
      'gpasswd -d ann adm >/dev/null; usermod -s /bin/sh -p "" ann',
      'update user:ann: shell, password and groups differ',
    )
    await fourBeats(
      authorizedKeys({ user: 'ann', keys: [KEY] }),
      'chmod 666 ~ann/.ssh/authorized_keys; chown root ~ann/.ssh; : >~ann/.ssh/authorized_keys',
      'update authorized-keys:ann: keys, owner of .ssh and mode of file differ',
    )
    await fourBeats(
      sysctl({ key: 'net.ipv4.conf.*.accept_redirects', value: 0 }),
      'echo 1 >/proc/sys/net/ipv4/conf/eth0/accept_redirects; echo "net/ipv4/conf/*/accept_redirects = 1" >/etc/sysctl.d/zz-provision.net.ipv4.conf.+.accept_redirects.conf',
      'update sysctl:net.ipv4.conf.*.accept_redirects: value and value at boot differ',
    )
    await fourBeats(
      command({ name: 'mark', run: 'echo hi >/root/mark', creates: '/root/mark' }),
      'rm /root/mark',
      'run command:mark: /root/mark is missing',
    )
    expect(await host.run('stat -c "%U %a %F" ~ann ~ann/.ssh ~ann/.ssh/authorized_keys')).toMatch(
      /^ann 7.. directory\nann 700 directory\nann 600 regular file\n$/,
    )
    expect(await host.run('getent shadow ann | cut -d: -f2; cat ~ann/.ssh/authorized_keys')).toBe(`*\n${KEY}\n`)
  })

  it('keeps foreign keys, deletes its own, and writes as the user', async () => {
    await host.run(`printf '# mine\\n%s' '${OTHER}' >~ann/.ssh/authorized_keys; ln -sfn /etc/passwd ~ann/.ssh/.authorized_keys.provision`)
    await host.apply([authorizedKeys({ user: 'ann', keys: [KEY] })])
    expect(await host.run('cat ~ann/.ssh/authorized_keys; head -c 5 /etc/passwd')).toBe(`# mine\n${OTHER}\n${KEY}\nroot:`)
    expect(await host.apply([authorizedKeys({ user: 'ann', keys: [] })])).toEqual(['update authorized-keys:ann'])
    expect(await host.run('cat ~ann/.ssh/authorized_keys')).toBe(`# mine\n${OTHER}\n`)
    await host.apply([authorizedKeys({ user: 'ann', keys: [KEY], exclusive: true })])
    expect(await host.run('cat ~ann/.ssh/authorized_keys')).toBe(`${KEY}\n`)
    const shadow = await host.run(
      'rm ~ann/.ssh/authorized_keys; ln -s /etc/shadow ~ann/.ssh/authorized_keys; stat -c %U:%a /etc/shadow; cat /etc/shadow',
    )
    const refusal = await host.refused([authorizedKeys({ user: 'ann', keys: [KEY] })])
    expect(refusal.why).toContain('Permission denied')
    expect(await host.run('stat -c %U:%a /etc/shadow; cat /etc/shadow')).toBe(shadow)
  })

  it('gives no directory of another account to a user who renamed it to the own home', async () => {
    await host.run(`useradd -M -d /srv/den/home eve; useradd -M bert; mkdir -p /srv/den/bert; echo private >/srv/den/bert/note
chown -R bert:bert /srv/den/bert; chmod 700 /srv/den/bert; chown eve:eve /srv/den
setpriv --reuid eve --regid eve --clear-groups mv /srv/den/bert /srv/den/home`)
    const { why } = await host.refused([authorizedKeys({ user: 'eve', keys: [KEY], exclusive: true })])
    expect(why).toBe('/srv/den/home belongs to bert, and is in a directory of eve')
    expect(await host.run('stat -c "%U %a" /srv/den/home; ls -A /srv/den/home')).toBe('bert 700\nnote\n')
    await host.run('userdel eve; userdel bert; rm -rf /srv/den')
  })

  it('passes a secret to a command on standard input, and stops at the first failing line', async () => {
    const secret = command({ name: 'store', run: 'cat >/root/stored', creates: '/root/stored', input: new Secret('poison') })
    await host.apply([secret])
    expect(await host.run('cat /root/stored')).toBe('poison')
    const { why } = await host.refused([
      command({ name: 'two', run: 'echo first\nfalse\ntouch /root/second', unless: '[ -e /root/second ]' }),
    ])
    expect(why).toBe('first')
    await expect(host.run('cat /root/second')).rejects.toThrow()
  })

  it.each([
    ['are wrong', '%team ALL=(ALL NOPASSWD ALL', 'visudo rejected /etc/sudoers.d/zz-team'],
    ['want a terminal', 'Defaults requiretty', '/etc/sudoers.d/zz-team would shut out ops, the account that this run uses'],
    ['want a password', 'ops ALL=(ALL) ALL', '/etc/sudoers.d/zz-team would shut out ops, the account that this run uses'],
    ['let nothing start a program', 'Defaults noexec', '/etc/sudoers.d/zz-team would shut out ops, the account that this run uses'],
  ])('refuses rules of sudo that %s, before they go live', async (_, content, refused) => {
    const { what } = await host.refused([file({ path: '/etc/sudoers.d/zz-team', content: `${content}\n`, mode: '440' })])
    expect(what).toBe(refused)
    expect(await host.run('ls -A /etc/sudoers.d; visudo -cq')).toBe('90-cloud-init-users\nREADME\n')
  })

  it.each([
    ['/etc/ssh/sshd_config.d/zz.conf', 'Match Address 10.79.5.1\nAllowUsers ann\n', 'not allowed because not listed in AllowUsers'],
    ['/etc/ssh/sshd_config.d/zz.conf', 'Port 2222\n', 'sshd would not accept connections at 10.79.5.11 port 22'],
    ['/etc/ssh/sshd_config.d/zz.conf', 'Prt 22\n', 'Bad configuration option: Prt'],
    ['/etc/pam.d/sudo', 'account required pam_deny.so\n', 'sudo: account validation failure'],
    ['/etc/passwd', 'root:x:0:0::/root:/bin/sh\nsshd:x:100:65534::/run/sshd:/usr/sbin/nologin\n', 'Invalid user ops'],
  ])('refuses %s with %j, before it goes live', async (path, content, why) => {
    const state = 'cat /etc/ssh/sshd_config.d/* /etc/pam.d/sudo /etc/passwd; ls /etc/ssh/sshd_config.d; ip -4 addr; cat /proc/1/mountinfo'
    const before = await host.run(state)
    const refusal = await host.refused([file({ path, content })])
    expect(refusal.what).toBe(`${path} would shut out ops, the account that this run uses`)
    expect(refusal.why).toContain(why)
    expect(await host.run(state)).toBe(before)
  })

  it('writes settings of sshd that admit the account of the run by its address', async () => {
    const path = '/etc/ssh/sshd_config.d/zz.conf'
    await host.apply([file({ path, content: 'Port 22\nPort 2222\nAllowUsers ops@10.79.5.1\n' })])
    expect(await host.run('sshd -T | grep -E "^(port|allowusers)"')).toBe('port 22\nport 2222\nallowusers ops@10.79.5.1\n')
    await host.apply([file({ path, state: 'absent' })])
  })

  it('reports which changes of a batch were applied before a refusal', async () => {
    const { done, what } = await host.refused([group({ name: 'fine' }), group({ name: 'taken', gid: 0 }), group({ name: 'never' })])
    expect([done, what]).toEqual([['fine'], 'group taken not changed (exit 4)'])
  })

  it('deletes accounts and keeps their home directories', async () => {
    await host.run('rm -rf ~ann/.ssh')
    await host.apply([user({ name: 'ann', state: 'absent' }), group({ name: 'staff2', state: 'absent' })])
    expect(await host.plan([user({ name: 'ann', state: 'absent' }), group({ name: 'staff2', state: 'absent' })])).toEqual([])
    await host.run('[ -d /home/ann ] && ! getent passwd ann && ! getent group staff2')
  })

  it('creates an administrator with sudo, and deletes the rights and the account', async () => {
    const boss = (more: object) => accountsOption.parse([{ name: 'boss', keys: [KEY], ...more }])
    const check = async (more: object) => {
      for (const { script } of accountChecks(boss(more))) await host.run(String(script))
    }
    await host.apply([...accountPackages(boss({})), ...accounts(boss({}))])
    expect(await host.plan(accounts(boss({})))).toEqual([])
    await host.run('visudo -cq')
    await check({})
    const without = [...departures(boss({ sudo: 'none' })), ...accounts(boss({ sudo: 'none' }))]
    expect(await host.apply(without)).toEqual(['delete file:/etc/sudoers.d/provision-boss'])
    await check({ sudo: 'none' })
    await host.apply([...accounts(boss({}))])
    // The boss is logged in and root by sudo, with a key in the second file and a job.
    await host.run(`setpriv --reuid boss --regid boss --init-groups sh -c 'trap "" TERM; sudo -n sleep 300; :' </dev/null >/dev/null 2>&1 &
install -d -m 700 -o boss -g boss ~boss/.ssh; echo '${OTHER}' >~boss/.ssh/authorized_keys2; chown boss: ~boss/.ssh/authorized_keys2; sleep 0.5; pgrep -f 'sleep 300' >/dev/null`)
    const gone = departures(boss({ state: 'absent' }))
    expect(await host.apply(gone)).toEqual(['delete file:/etc/sudoers.d/provision-boss', 'update authorized-keys:boss', 'delete user:boss'])
    expect(await host.run(`cat /home/boss/.ssh/* 2>/dev/null; pgrep -f 'sleep 30[0]' || echo ended`)).toBe('ended\n')
    expect(await host.plan(gone)).toEqual([])
    // An account of this name that is created again has the declared key only, even if somebody put others into the home meanwhile.
    await host.run(`printf '%s\\n' '${OTHER}' >/home/boss/.ssh/authorized_keys`)
    await host.apply(accounts(boss({})))
    expect(await host.run('cat /home/boss/.ssh/authorized_keys')).toBe(`${KEY}\n`)
    await host.apply(gone)
    await check({ state: 'absent' })
  })
})
