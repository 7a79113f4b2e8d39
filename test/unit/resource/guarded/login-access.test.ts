import { describe, expect, it } from 'vitest'
import {
  isLoginFile,
  type LoginAccess,
  loginPackages,
  needsSettings,
  needsUnits,
  shutOutBy,
} from '../../../../src/resource/guarded/login-access.ts'
import type { Effect } from '../../../../src/resource/kind/kind.ts'

const login = { account: 'ops', home: '/home/ops', shell: '/bin/bash', port: '22', keys: ['AAAAkey'] }
const [RUNS, STOPPED] = [
  { isActive: true, isEnabled: true },
  { isActive: false, isEnabled: false },
]
const access: LoginAccess = {
  login,
  units: new Map([
    ['ssh.service', RUNS],
    ['ssh.socket', STOPPED],
    ['networking.service', RUNS],
    ['systemd-networkd.service', STOPPED],
  ]),
  isKeysPlaceSet: false,
}
const refused = (effect: Effect, more: Partial<LoginAccess> = {}, others: readonly Effect[] = []) =>
  shutOutBy(effect, { ...access, ...more, effects: [...others, effect] })
const unit = (name: string, running: boolean, enabled: boolean): Effect => ({ unit: name, running, enabled })
const at = (path: string, becomes: Extract<Effect, { path: string }>['becomes']): Effect => ({ path, becomes })
const plain = (path: string, more: object = {}): Effect => at(path, { type: 'f', mode: '644', owner: 'root', group: 'root', ...more })
const dir = (path: string, more: object = {}): Effect => at(path, { type: 'd', mode: '755', owner: 'root', group: 'root', ...more })

describe('units', () => {
  it.each([
    ['ssh.service', false, true, 'stopping ssh.service', 'no other unit accepts logins'],
    ['sshd.service', true, false, 'disabling ssh.service', 'no other unit accepts logins after a boot'],
    ['networking.service', false, false, 'stopping networking.service', 'no other unit configures the network'],
  ])('%s cannot end (running %s, enabled %s)', (name, running, enabled, what, why) => {
    const refusal = refused(unit(name, running, enabled))
    expect(refusal?.what).toBe(`${what} would shut out ops, the account that this run uses`)
    expect(refusal?.why).toBe(why)
  })

  it.each<[string, Effect, Partial<LoginAccess>, readonly Effect[]]>([
    ['it goes on', unit('ssh.service', true, true), {}, []],
    ['it does not run', unit('ssh.socket', false, false), {}, []],
    ['it is none of the list', unit('nginx.service', false, false), {}, []],
    ['the socket runs', unit('ssh.service', false, false), { units: new Map([...access.units, ['ssh.socket', RUNS]]) }, []],
    ['the socket is declared', unit('ssh.service', false, false), {}, [unit('ssh.socket', true, true)]],
    ['another daemon is declared', unit('ssh.service', false, false), {}, [unit('dropbear.service', true, true)]],
    ['another network is declared', unit('networking.service', false, false), {}, [unit('systemd-networkd.service', true, true)]],
    ['the run does not log in', unit('ssh.service', false, false), { login: undefined }, []],
  ])('can end if %s', (_, effect, more, others) => {
    expect(refused(effect, more, others)).toBeUndefined()
  })

  it.each<[string, Partial<LoginAccess>, readonly Effect[]]>([
    ['ends as well', { units: new Map([...access.units, ['ssh.socket', RUNS]]) }, [unit('sshd.socket', false, false)]],
    [
      'is masked',
      { units: new Map([...access.units, ['ssh.socket', RUNS]]) },
      [at('/etc/systemd/system/ssh.socket', { type: 'l', target: '/dev/null' })],
    ],
    ['does not start at boot', {}, [unit('ssh.socket', true, false)]],
    ['does not start now', {}, [unit('ssh.socket', false, true)]],
    ['is no daemon of ssh', {}, [unit('nginx.service', true, true)]],
    ['is another that ends', {}, [unit('dropbear.service', false, false)]],
    ['is another that does not start at boot', {}, [unit('dropbear.service', true, false)]],
    [
      'is declared, and masked',
      {},
      [at('/etc/systemd/system/ssh.socket', { type: 'l', target: '/dev/null' }), unit('ssh.socket', true, true)],
    ],
  ])('cannot end if the other one %s', (_, more, others) => {
    expect(refused(unit('ssh.service', false, false), more, others)?.why).toBe('no other unit accepts logins')
  })

  it.each(['systemd-networkd', 'NetworkManager', 'connman', 'wicked', 'dhcpcd'])('%s can configure the network', (name) => {
    const only = new Map([[`${name}.service`, RUNS]])
    expect(refused(unit(`${name}.service`, false, false), { units: only })?.why).toBe('no other unit configures the network')
    expect(refused(unit('networking.service', false, false), { units: new Map([...access.units, ...only]) })).toBeUndefined()
  })

  it.each([
    at('/etc/systemd/system/ssh.service', { type: 'l', target: '/dev/null' }),
    plain('/run/systemd/system/sshd.service', { text: '' }),
  ])('cannot be masked: %j', (effect) => {
    expect(refused(effect)).toMatchObject({
      what: `${'path' in effect ? effect.path : ''} would shut out ops, the account that this run uses`,
      why: 'it masks ssh.service, and no other unit accepts logins',
    })
    expect(needsUnits(effect)).toBe(true)
  })

  const SYSTEM = '/etc/systemd/system'
  it.each([
    ['ssh.service.d/x.conf', '[Service]\nExecStart=\nExecStart=/bin/true\n', false],
    ['ssh.service.d/x.conf', '[Service]\nExecStart=/usr/sbin/sshd -D\n', false],
    ['ssh.service.d/x.conf', '[Service]\nExecStart=\n', false],
    ['ssh.service', '[Service]\nType=simple\n', false],
    ['ssh@.service', '[Service]\nExecStart=/bin/true\n', false],
    ['ssh.service.d/x.conf', '[Service]\nExecStart=\nExecStart=/usr/bin/nice /usr/sbin/sshd -D\n', true],
    ['ssh.service.d/x.conf', '[Service]\nLimitNOFILE=100\n', true],
    ['ssh.service.d/x.conf', '[Service]\nExecStart=\nExecStart=/usr/sbin/sshd\nExecStart=/usr/sbin/sshd\n', false],
    ['ssh.service', '[Service]\nExecStart=/usr/sbin/sshd -D\n', true],
    ['nginx.service', '[Service]\nExecStart=/bin/true\n', true],
  ])('%s with %j starts sshd: %s', (name, text, starts) => {
    expect(refused(plain(`${SYSTEM}/${name}`, { text }))?.why).toBe(starts ? undefined : 'the unit would not start sshd')
  })

  const DROP_IN = `${SYSTEM}/ssh.service.d/x.conf`
  const closed = (settings: string, more: Partial<LoginAccess> = {}) =>
    refused(plain(DROP_IN, { text: `[Service]\n${settings}\n` }), more)?.why
  const root = { login: { ...login, account: 'root', home: '/root' } }
  const socket = { units: new Map([...access.units, ['ssh.socket', RUNS] as const]) }
  it.each<[string, string | undefined, Partial<LoginAccess>]>([
    ['NoNewPrivileges=yes', 'sudo would not work in its sessions (NoNewPrivileges)', root],
    ['ProtectHome = tmpfs', 'sshd could not read the keys in the home (ProtectHome)', { isKeysPlaceSet: true }],
    ['ProtectHome=true', 'sshd could not read the keys in the home (ProtectHome)', { login: { ...login, home: '/srv/ops' } }],
    ['PrivateNetwork=on', 'sshd would not be connected to the network (PrivateNetwork)', socket],
    ['DynamicUser=1', 'sshd would not run as root (DynamicUser)', { login: undefined }],
    ['PrivateUsers=yes', 'sshd would not run as root (PrivateUsers)', { login: undefined }],
    ['User=ops', 'sshd would not run as root (User)', { login: undefined }],
  ])('%s of ssh.service shuts out the account: %s; not with %j', (settings, why, unless) => {
    expect(closed(settings)).toBe(why)
    expect(closed(settings, unless)).toBeUndefined()
    expect(closed(`${settings}\n${settings.split('=', 1)[0]}=`)).toBeUndefined()
  })

  it.each(['NoNewPrivileges=no', 'ProtectHome=read-only', 'PrivateNetwork=0', 'User=root', 'User=0', '#User=ops', 'ProtectSystem=strict'])(
    '%s of ssh.service shuts out nobody',
    (settings) => {
      expect(closed(settings)).toBeUndefined()
    },
  )

  it.each([
    ['ssh.socket.d/x.conf', 'ListenStream=\nListenStream=2222\n', false],
    ['sshd.socket', 'ListenStream=0.0.0.0:2222\n', false],
    ['ssh.socket.d/x.conf', 'ListenStream=2222\n', true],
    ['ssh.socket.d/x.conf', 'ListenStream=\nListenStream=2222\nListenStream=22\n', true],
    ['ssh.socket', 'ListenStream=[::]:22\n', true],
  ])('%s with %j listens where the run logs in: %s', (name, text, listens) => {
    const effect = plain(`${SYSTEM}/${name}`, { text: `[Socket]\n${text}` })
    const why = listens ? undefined : 'ssh.socket would not listen at port 22, where the run logs in'
    expect(refused(effect, socket)?.why).toBe(why)
    expect(refused(effect, {}, [unit('ssh.socket', true, true)])?.why).toBe(why)
    // The socket is not used.
    expect(refused(effect)).toBeUndefined()
    expect([needsUnits(effect), needsSettings(effect)]).toEqual([true, true])
  })

  it('are not asked about for other files', () => {
    expect(needsUnits(plain(`${SYSTEM}/nginx.service.d/x.conf`, { text: '[Service]\nUser=ops\n' }))).toBe(false)
    expect(refused(plain(`${SYSTEM}/nginx.service.d/x.conf`, { text: '[Service]\nUser=ops\n' }))).toBeUndefined()
  })
})

describe('paths', () => {
  it.each(['/etc/passwd', '/etc/shadow', '/etc/group', '/etc/ssh/sshd_config', '/usr/sbin/sshd', '/sbin/sshd'])(
    '%s is needed by everybody',
    (path) => {
      for (const effect of [at(path, 'absent'), at(path, { type: 'l', target: '/dev/null' })])
        expect(refused(effect, { login: { ...login, account: 'root' } })?.why).toBe('nobody can log in without it')
      expect(refused(plain(path))).toBeUndefined()
      expect(refused(at(path, 'absent'))?.what).toBe(`the deletion of ${path} would shut out ops, the account that this run uses`)
    },
  )

  it.each(['/etc/sudoers', '/usr/bin/sudo'])('%s is needed by an account that becomes root by sudo', (path) => {
    expect(refused(at(path, 'absent'))?.why).toBe('the run becomes root by sudo')
    expect(refused(at(path, 'absent'), { login: { ...login, account: 'root' } })).toBeUndefined()
  })

  it.each(['/etc/nologin', '/run/nologin', '/var/run/nologin'])('%s admits only root', (path) => {
    expect(refused(plain(path))?.why).toBe('only root can log in while this file exists')
    expect(refused(at(path, { type: 'f' }))?.what).toBe(`${path} would shut out ops, the account that this run uses`)
    expect(refused(at(path, 'absent'))).toBeUndefined()
    expect(refused(dir(path))).toBeUndefined()
    expect(refused(plain(path), { login: { ...login, account: 'root' } })).toBeUndefined()
  })

  it.each([
    ['deleted', at('/usr/bin/bash', 'absent'), 'it is the shell of this account'],
    ['a link to nologin', at('/bin/bash', { type: 'l', target: '/usr/sbin/nologin' }), 'it is the shell of this account'],
    ['a link to another shell', at('/bin/bash', { type: 'l', target: 'dash' }), undefined],
    ['closed', plain('/usr/bin/bash', { mode: '700' }), 'ops could not execute it'],
    ['open', plain('/bin/bash', { mode: '755' }), undefined],
    ['another one', plain('/bin/zsh', { mode: '700' }), undefined],
  ])('the shell: %s', (_, effect, why) => {
    expect(refused(effect)?.why).toBe(why)
  })

  it.each([
    [dir('/home', { mode: '700' }), 'ops could not enter it'],
    [dir('/home/ops', { mode: '750' }), 'ops could not enter it'],
    [dir('/home/ops', { mode: '750', group: 'ops' }), undefined],
    [dir('/home/ops', { mode: '700', owner: 'ops' }), undefined],
    [dir('/home/ops', { mode: '600', owner: 'ops' }), 'ops could not enter it'],
    [dir('/usr/bin', { mode: '750' }), 'ops could not enter it'],
    [dir('/etc', { mode: '700' }), 'ops could not enter it'],
    [dir('/srv', { mode: '700' }), undefined],
    [dir('/home/ann', { mode: '700' }), undefined],
    [at('/home', { type: 'd' }), undefined],
  ])('the directory %j: %s', (effect, why) => {
    expect(refused(effect)?.why).toBe(why)
    expect(refused(effect, { login: { ...login, account: 'root', home: '/root' } })).toBeUndefined()
  })

  const KEYS = '/home/ops/.ssh/authorized_keys'
  const mine = { owner: 'ops', group: 'ops' }
  it.each([
    [at(KEYS, 'absent'), 'the run logs in with a key from this file'],
    [plain(KEYS, { text: 'ssh-ed25519 AAAAother\n' }), 'it does not contain the key with which the run logged in'],
    [plain(KEYS, { ...mine, text: 'ssh-ed25519 AAAAkey me\n' }), undefined],
    [plain(KEYS, { text: 'ssh-ed25519 AAAAkey\n', owner: 'ann' }), 'sshd reads no keys where others can write (StrictModes)'],
    [plain(KEYS, { text: 'ssh-ed25519 AAAAkey\n', mode: '664' }), 'sshd reads no keys where others can write (StrictModes)'],
    [dir('/home/ops/.ssh', { ...mine, mode: '775' }), 'sshd reads no keys where others can write (StrictModes)'],
    [dir('/home/ops', { ...mine, mode: '757' }), 'sshd reads no keys where others can write (StrictModes)'],
    [dir('/home/ops', { ...mine, owner: 'ann', mode: '755' }), 'sshd reads no keys where others can write (StrictModes)'],
    [dir('/home/ops/.ssh', { ...mine, mode: '700' }), undefined],
    [dir('/home/ann', { mode: '777' }), undefined],
  ])('the keys in %j: %s', (effect, why) => {
    expect(refused(effect)?.why).toBe(why)
    expect(refused(effect, { isKeysPlaceSet: true })).toBeUndefined()
    if (why !== undefined) expect(needsSettings(effect)).toBe(true)
  })

  it('an account that is not in /etc/passwd has no known home or shell', () => {
    const unknown = { login: { ...login, home: '', shell: '' } }
    for (const effect of [dir('/home/ops', { mode: '777', owner: 'x' }), plain('/bin/bash', { mode: '700' })])
      expect(refused(effect, unknown)).toBeUndefined()
  })

  it('the keys do not matter to a run that logged in without one', () => {
    for (const effect of [at(KEYS, 'absent'), plain(KEYS, { text: '' })])
      expect(refused(effect, { login: { ...login, keys: [] } })).toBeUndefined()
  })

  it.each([plain('/etc/motd'), dir('/srv/www'), unit('ssh.service', false, false)])('no settings of sshd are read for %j', (effect) => {
    expect(needsSettings(effect)).toBe(false)
  })
})

it('packages of the list are those of the daemon, and sudo where the run uses it', () => {
  expect(loginPackages(false)).toEqual(['openssh-server'])
  expect(loginPackages(true)).toEqual(['openssh-server', 'sudo'])
})

it('only files of sshd, PAM and the account databases decide who may log in', () => {
  const ssh = ['/etc/ssh/sshd_config', '/etc/ssh/sshd_config.d/x.conf', '/etc/ssh/keys/ops', '/etc/ssh/ssh_host_rsa_key']
  const rest = ['/etc/pam.d/common-auth', '/etc/security/access.conf', '/etc/nologin', '/etc/passwd', '/etc/shadow', '/etc/group']
  const more = ['/etc/hosts.deny', '/etc/hosts.allow', '/etc/ld.so.preload', '/etc/nsswitch.conf', '/etc/bash.bashrc', '/etc/sudo.conf']
  expect([...ssh, ...rest, ...more].filter((path) => !isLoginFile(path))).toEqual([])
  const others = ['/etc/ssh/ssh_config', '/etc/ssh/ssh_config.d/x.conf', '/etc/ssh/ssh_known_hosts', '/etc/ssh/moduli', '/etc/passwd-']
  expect([...others, '/etc/motd', '/srv/etc/passwd', '/etc/ssh', '/etc/sudoers.d/x'].filter(isLoginFile)).toEqual([])
})
