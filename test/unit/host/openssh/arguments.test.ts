import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { sshArguments } from '../../../../src/host/openssh/arguments.ts'
import type { Target } from '../../../../src/host/target/connection.ts'
import { parseSshConfig } from '../../../../src/host/target/ssh-config.ts'
import { Secret } from '../../../../src/secret/secret.ts'
import { scratch } from '../ssh/ssh-server.ts'

const target = (otherwise: Partial<Target> = {}): Target => ({
  ...{ name: 'web-01', address: '192.0.2.1', port: 22, user: 'ops', keys: [], knownHosts: ['/known'], hostKeys: 'strict', jump: [] },
  ...otherwise,
})

/** The settings that the installed ssh reads from these arguments. */
const understood = (args: readonly string[]): ReadonlyMap<string, string> => {
  const output = execFileSync('ssh', ['-G', ...args], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  return new Map(output.split('\n').map((line) => [line.split(' ')[0] ?? '', line.slice(line.indexOf(' ') + 1)]))
}

test('ssh understands the settings of a host, and reads no configuration', () => {
  const args = sshArguments(
    target({ port: 2222, keys: ['/a key/with "quotes" and 100%'], knownHosts: ['/one file', '/two%'], agent: '/run/agent%' }),
  )
  const settings = understood(args)
  expect([...settings].filter(([name]) => ['user', 'hostname', 'port', 'identitiesonly'].includes(name))).toEqual([
    ['user', 'ops'],
    ['hostname', '192.0.2.1'],
    ['port', '2222'],
    ['identitiesonly', 'yes'],
  ])
  expect(settings.get('userknownhostsfile')).toBe('/one file /two%')
  expect(settings.get('identityfile')).toBe('/a key/with "quotes" and 100%%')
  expect(settings.get('identityagent')).toBe('/run/agent%')
  expect(args.slice(0, 2)).toEqual(['-F', 'none'])
})

/** Settings of a user that would change what a run does, or disturb it. */
const ADVERSE = `
RequestTTY force\nEscapeChar ~\nSessionType none\nStdinNull yes\nForkAfterAuthentication yes\nRemoteCommand false\nPermitLocalCommand yes
ClearAllForwardings no\nForwardAgent yes\nForwardX11 yes\nTunnel yes\nControlMaster yes\nAddKeysToAgent yes\nBatchMode yes
PasswordAuthentication yes\nKbdInteractiveAuthentication yes\nNumberOfPasswordPrompts 7\nConnectTimeout 1\nConnectionAttempts 5
ServerAliveInterval 0\nServerAliveCountMax 99\nGlobalKnownHostsFile /all\nUserKnownHostsFile /mine\nKnownHostsCommand /bin/keys
UpdateHostKeys yes\nVerifyHostKeyDNS yes\nHashKnownHosts yes\nCheckHostIP yes\nVisualHostKey yes\nNoHostAuthenticationForLocalhost yes
StrictHostKeyChecking no\nLogLevel QUIET\nLogVerbose *:*:*
IgnoreUnknown ChannelTimeout\nChannelTimeout session=5m
`

test('a configuration neither changes what runs, nor which host keys are accepted, nor the time limits', () => {
  const config = join(scratch(), 'config')
  writeFileSync(config, ADVERSE)
  const settings = Object.fromEntries(understood(['-F', config, ...sshArguments(target({ sshConfig: 'web' }), { log: '/log' })]))
  const is = (value: string, ...names: readonly string[]) => Object.fromEntries(names.map((name) => [name, value]))
  expect(settings).toMatchObject({
    ...is('no', 'forwardagent', 'forwardx11', 'permitlocalcommand', 'passwordauthentication', 'kbdinteractiveauthentication', 'batchmode'),
    ...is(
      'no',
      'stdinnull',
      'forkafterauthentication',
      'hashknownhosts',
      'checkhostip',
      'visualhostkey',
      'nohostauthenticationforlocalhost',
    ),
    ...is('false', 'tunnel', 'requesttty', 'updatehostkeys', 'verifyhostkeydns', 'controlmaster', 'addkeystoagent'),
    ...{ escapechar: 'none', sessiontype: 'default', clearallforwardings: 'yes', loglevel: 'DEBUG' },
    ...{ stricthostkeychecking: 'true', globalknownhostsfile: '/dev/null', userknownhostsfile: '/known' },
    ...{ logverbose: 'none', numberofpasswordprompts: '3', connecttimeout: '60', connectionattempts: '1' },
    ...{ serveraliveinterval: '10', serveralivecountmax: '3' },
  })
  // ssh prints neither of them if it is none, and older versions do not have the last.
  expect([settings.remotecommand, settings.knownhostscommand]).toEqual([undefined, undefined])
  expect(settings.channeltimeout ?? 'none').toBe('none')
})

test('options that an older ssh lacks are ignored by it', () => {
  const [, names = ''] =
    sshArguments(target())
      .find((word) => word.startsWith('IgnoreUnknown='))
      ?.split('=') ?? []
  // Introduced after OpenSSH 8.4.
  for (const name of ['LogVerbose', 'ChannelTimeout', 'KnownHostsCommand', 'SessionType', 'StdinNull', 'ForkAfterAuthentication'])
    expect(names.split(',')).toContain(name)
})

test('settings that the configuration permits ssh not to know stay permitted', () => {
  const config = join(scratch(), 'config')
  writeFileSync(config, 'IgnoreUnknown UseKeychain,Other*\nUseKeychain yes\nOtherSetting 1\nUser jane\n')
  const { ignoreUnknown } = parseSshConfig('web', execFileSync('ssh', ['-F', config, '-G', 'web'], { encoding: 'utf8' }))
  expect(ignoreUnknown).toBe('UseKeychain,Other*')
  const via = { target: target({ name: 'gate', sshConfig: 'gate', ...(ignoreUnknown && { ignoreUnknown }) }) }
  const args = sshArguments(target({ sshConfig: 'web', ...(ignoreUnknown && { ignoreUnknown }) }), { via })
  expect(understood(['-F', config, ...args]).get('user')).toBe('ops')
  expect(args.find((word) => word.startsWith('ProxyCommand='))).toMatch(/IgnoreUnknown=\S+,UseKeychain,Other\*/)
})

test('a destination that begins with a dash is not an option', () => {
  for (const sshConfig of ['-oProxyCommand=touch /tmp/x', 'web'])
    expect(sshArguments(target({ sshConfig })).slice(-2)).toEqual(['--', sshConfig])
  expect(sshArguments(target({ user: '-x' }))).toContain('User=-x')
})

test('secrets are not among the arguments', () => {
  const args = sshArguments(target({ passphrase: new Secret('open sesame'), sudoPassword: new Secret('let me in') }))
  expect(args.join(' ')).not.toMatch(/sesame|let me in/)
})

test('a shared connection is used only with a configuration, and never for a fresh login', () => {
  expect(sshArguments(target())).toContain('ControlPath=none')
  expect(sshArguments(target({ sshConfig: 'web' })).filter((word) => /ControlPath|^-F$/.test(word))).toEqual([])
  expect(sshArguments(target({ sshConfig: 'web' }), { fresh: true })).toContain('ControlPath=none')
})

test('the agent and its other keys are used as the settings say', () => {
  const chosen = (otherwise: Partial<Target>) => sshArguments(target(otherwise)).filter((word) => /^Identit(yAgent|iesOnly)=/.test(word))
  expect(chosen({})).toEqual(['IdentityAgent=SSH_AUTH_SOCK', 'IdentitiesOnly=no'])
  expect(chosen({ agent: 'none', keys: ['/key'] })).toEqual(['IdentityAgent=none', 'IdentitiesOnly=yes'])
  expect(chosen({ keys: ['/key'], agentKeys: 'all' })).toEqual(['IdentityAgent=SSH_AUTH_SOCK', 'IdentitiesOnly=no'])
})

test('jump hosts are nested ssh processes, with the settings of each', () => {
  const gate = target({ name: 'gate', address: 'fd00::1', user: 'jump', knownHosts: ["/gate's"], sshConfig: 'gate' })
  const outer = target({ name: 'outer', address: '192.0.2.9', port: 2200 })
  const args = sshArguments(target({ address: 'fd00::2%eth0' }), { via: { target: gate, via: { target: outer } } })
  const proxy = understood(args).get('proxycommand') ?? ''
  expect(proxy).toMatch(/^ssh .* -W '\[fd00::2%%eth0\]:22' -- gate$/)
  expect(proxy).toContain('User=jump')
  expect(proxy).toContain('StrictHostKeyChecking=yes')
  // The shell of the account reads the command, and that of the inner one.
  const words = execFileSync('sh', ['-c', `ssh() { printf '%s\\n' "$@"; }; ${proxy.replaceAll('%%', '%')}`], {
    encoding: 'utf8',
  })
  expect(words).toContain(`UserKnownHostsFile="/gate's"\n`)
  expect(words).toMatch(/ProxyCommand=ssh .* -W '\[fd00::1\]:22' -- 192\.0\.2\.9\n/)
})

test('a path in which ssh would replace variables is an input problem', () => {
  const path = `/keys/\${USER}`
  expect(() => sshArguments(target({ keys: [path] }))).toThrow(
    expect.objectContaining({ class: 'input', where: { host: 'web-01' }, what: `path ${path} cannot be passed to ssh` }),
  )
})
