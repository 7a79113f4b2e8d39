import { execFileSync } from 'node:child_process'
import { chownSync, mkdirSync, writeFileSync } from 'node:fs'
import { homedir, hostname, userInfo } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test, vi } from 'vitest'
import { argumentsFor, parseSshConfig, resolveThroughSshConfig } from '../../../../src/host/target/ssh-config.ts'
import { problemOf } from '../../problem-of.ts'
import { scratch } from '../ssh/ssh-server.ts'

afterEach(() => void vi.unstubAllEnvs())

const DEFAULTS = ['id_rsa', 'id_ecdsa', 'id_ecdsa_sk', 'id_ed25519', 'id_ed25519_sk', 'id_xmss', 'id_dsa'].map(
  (name) => `identityfile ~/.ssh/${name}`,
)

test('reads the output of ssh -G', () => {
  const written = `user admin
hostname 10.0.0.11
port 2222
identityfile ~/.ssh/work key
identityfile /keys/%h/%r
proxyjump ops@bastion:2200,inner
userknownhostsfile /home/me/.ssh/known_hosts /home/me/.ssh/known_hosts2
globalknownhostsfile /etc/ssh/ssh_known_hosts
stricthostkeychecking accept-new
hostkeyalias web
identityagent ~/agent.sock
`
  expect(parseSshConfig('web', written)).toEqual({
    address: '10.0.0.11',
    port: 2222,
    user: 'admin',
    keys: [`${homedir()}/.ssh/work key`, '/keys/10.0.0.11/admin'],
    knownHosts: ['/home/me/.ssh/known_hosts', '/home/me/.ssh/known_hosts2', '/etc/ssh/ssh_known_hosts'],
    jump: ['ops@bastion:2200', 'inner'],
    hostKeys: 'accept-new',
    hostKeyAlias: 'web',
    agent: `${homedir()}/agent.sock`,
    agentKeys: 'all',
  })
})

// Also `no`: a run logs in only where it knows the host.
test.each(['ask', 'true', 'false', 'no', 'off'])('host keys must be known with StrictHostKeyChecking %s', (written) => {
  const config = parseSshConfig('web', `stricthostkeychecking ${written}\nidentitiesonly yes`)
  expect(config).not.toHaveProperty('hostKeys')
  expect(config).not.toHaveProperty('hostKeyAlias')
  expect(config).not.toHaveProperty('agent')
  expect(config.agentKeys).toBe('named')
})

test('default key files do not count as named', () => {
  expect(parseSshConfig('web', DEFAULTS.join('\n')).keys).toEqual([])
  expect(parseSshConfig('web', 'identityfile ~/.ssh/id_rsa\nidentityfile ~/.ssh/id_ed25519').keys).toEqual([])
  expect(parseSshConfig('web', 'identityfile ~/.ssh/id_rsa').keys).toEqual([`${homedir()}/.ssh/id_rsa`])
  for (const [first, second] of [
    ['/keys/mine', `${homedir()}/.ssh/id_rsa`],
    ['/a/~/.ssh/id_rsa', '/b/~/.ssh/id_rsa'],
    [`${homedir()}/.ssh/id_rsa.old`, `${homedir()}/.ssh/id_ed25519.old`],
  ]) {
    const written = [first, second].map((path) => `identityfile ${path?.replace(homedir(), '~')}\n`)
    expect(parseSshConfig('web', written.join('')).keys).toEqual([first, second])
  }
})

test('the value none means no value', () => {
  expect(parseSshConfig('web', 'proxyjump none\nproxycommand none\nidentityfile none\nuserknownhostsfile none')).toMatchObject({
    address: 'web',
    port: 22,
    user: userInfo().username,
    jump: [],
    keys: [],
    knownHosts: [],
  })
})

test.each([
  ['proxycommand nc %h %p', ['ProxyCommand nc %h %p']],
  ['pkcs11provider /usr/lib/opensc-pkcs11.so', ['PKCS11Provider /usr/lib/opensc-pkcs11.so']],
  ['certificatefile ~/.ssh/ca-cert.pub', ['CertificateFile ~/.ssh/ca-cert.pub']],
  [
    'kexalgorithms mlkem768x25519-sha256,sntrup761x25519-sha512@openssh.com',
    ['KexAlgorithms mlkem768x25519-sha256,sntrup761x25519-sha512@openssh.com'],
  ],
  ['kexalgorithms mlkem768x25519-sha256,curve25519-sha256', undefined],
  ['ciphers aes256-cbc', ['Ciphers aes256-cbc']],
  ['hostkeyalgorithms ssh-ed25519-cert-v01@openssh.com', ['HostKeyAlgorithms ssh-ed25519-cert-v01@openssh.com']],
  ['proxycommand none\npkcs11provider none\ngssapiauthentication yes', undefined],
])('%s needs OpenSSH for %j', (written, needs) => {
  expect(parseSshConfig('web', written).sshNeeds).toEqual(needs)
})

const [short = ''] = hostname().split('.')

test.each([
  [`\${HOME}/.ssh/\${KEY}`, '/home/jane/.ssh/deploy'],
  ['/keys/%L', `/keys/${short}`],
  ['/keys/%l', `/keys/${hostname()}`],
  ['/keys/%k', '/keys/shared-name'],
  ['/keys/%n-%h-%p-%r', '/keys/web-10.0.0.11-2222-admin'],
  ['/keys/%C', '/keys/0123456789abcdef'],
  ['/keys/%i-%u', `/keys/${userInfo().uid}-${userInfo().username}`],
  ['/keys/%j', '/keys/gate'],
  ['%d/100%%', `${homedir()}/100%`],
  ['~/a~b', `${homedir()}/a~b`],
  ['~', homedir()],
  ['/a/~/b', '/a/~/b'],
])('expands %s as ssh does', (written, expected) => {
  const output = `hostname 10.0.0.11\nport 2222\nuser admin\nhostkeyalias shared-name\nproxyjump gate\ncontrolpath /0123456789abcdef\nidentityfile ${written}`
  expect(parseSshConfig('web', output, { HOME: '/home/jane', KEY: 'deploy' }).keys).toEqual([expected])
})

test('without an alias, %k is the name by which the host was called', () => {
  expect(parseSshConfig('ops@web:22', 'hostname 10.0.0.11\nidentityfile /keys/%k').keys).toEqual(['/keys/web'])
})

test.each([
  [
    `/keys/\${NOWHERE}`,
    'environment variable NOWHERE is not set',
    'set it: export NOWHERE=…',
    `ssh's configuration uses it: /keys/\${NOWHERE}`,
  ],
  ['/keys/%Q', 'token %Q in /keys/%Q is not supported', 'write the value itself in ~/.ssh/config', undefined],
  ['/keys/%', 'token % in /keys/% is not supported', 'write the value itself in ~/.ssh/config', undefined],
])('%s is an input problem, as in ssh', (written, what, fix, why) => {
  expect(() => parseSshConfig('web', `identityfile ${written}`, {})).toThrow(
    expect.objectContaining({ class: 'input', where: { command: 'ssh -G web' }, what, why, fix }),
  )
})

test.each([
  ['none', 'none'],
  ['SSH_AUTH_SOCK', undefined],
  ['$SOCKET', '/run/jane.sock'],
  ['$NOWHERE', 'none'],
  ['/run/$SOCKET', '/run/$SOCKET'],
  ['$SOCKET/more', '$SOCKET/more'],
  [`\${SOCKET}`, '/run/jane.sock'],
  [`\${SOCKET}.%r`, '/run/jane.sock.admin'],
  ['~/agent.sock', `${homedir()}/agent.sock`],
])('IdentityAgent %s is the agent %s', (written, expected) => {
  expect(parseSshConfig('web', `user admin\nidentityagent ${written}`, { SOCKET: '/run/jane.sock' }).agent).toBe(expected)
})

test('IdentitiesOnly limits the agent to the named keys', () => {
  expect(parseSshConfig('web', 'identitiesonly yes').agentKeys).toBe('named')
  expect(parseSshConfig('web', 'identitiesonly no').agentKeys).toBe('all')
})

test.each([
  ['gate', ['--', 'gate']],
  ['ops@gate', ['-l', 'ops', '--', 'gate']],
  ['ops@gate.example.com:2200', ['-l', 'ops', '-p', '2200', '--', 'gate.example.com']],
  ['[fd00::1]', ['--', 'fd00::1']],
  ['ops@[fd00::1]', ['-l', 'ops', '--', 'fd00::1']],
  ['ops@[fe80::1%eth0]:2200', ['-l', 'ops', '-p', '2200', '--', 'fe80::1%eth0']],
  ['ssh://ops@[fd00::1]:2200/', ['-l', 'ops', '-p', '2200', '--', 'fd00::1']],
  ['jane@corp@gate', ['-l', 'jane@corp', '--', 'gate']],
  ['fd00::1', ['--', 'fd00::1']],
])('the destination %s is asked of ssh by %j', (destination, words) => {
  expect(argumentsFor(destination)).toEqual(words)
})

test('the installed ssh understands all forms of a destination', async () => {
  const asked = (destination: string): readonly string[] =>
    execFileSync('ssh', ['-G', '-F', 'none', ...argumentsFor(destination)], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
      .split('\n')
      .filter((line) => /^(user|hostname|port) /.test(line))
      .toSorted()
  for (const destination of ['ops@[fd00::1]:2200', 'ssh://ops@[fd00::1]:2200'])
    expect(asked(destination)).toEqual(['hostname fd00::1', 'port 2200', 'user ops'])
  expect(await resolveThroughSshConfig('ops@[fd00::1]:2200')).toMatchObject({ address: 'fd00::1', port: 2200, user: 'ops' })
})

/** Replaces ssh by a script. */
const withSsh = (script: string): string => {
  const directory = scratch()
  writeFileSync(join(directory, 'ssh'), `#!/bin/sh\n${script}\n`, { mode: 0o755 })
  vi.stubEnv('PATH', `${directory}:${process.env.PATH}`)
  return directory
}

test('key files that do not exist are left out, unless their public half does', async () => {
  const directory = withSsh('cd "$(dirname "$0")"; for name in both private public none; do echo "identityfile $PWD/$name"; done')
  for (const name of ['both', 'both.pub', 'private', 'public.pub']) writeFileSync(join(directory, name), '')
  const { keys } = await resolveThroughSshConfig('web')
  expect(keys).toEqual(['both', 'private', 'public'].map((name) => join(directory, name)))
})

test('ssh is asked for the token %C of the destination', async () => {
  withSsh(
    'while [ "$1" != -o ]; do shift; done; echo "$2" | sed "s/ControlPath=/controlpath /; s/%C/0123abcd/"; echo "identityagent /run/%C.sock"',
  )
  expect((await resolveThroughSshConfig('web')).agent).toBe('/run/0123abcd.sock')
})

test('a configuration that ssh refuses is an input problem with its words', async () => {
  const problem = {
    class: 'input',
    where: { command: 'ssh -G web;x' },
    what: 'configuration of ssh is invalid',
    fix: 'correct ~/.ssh/config',
  }
  expect(await problemOf(resolveThroughSshConfig('web;x'))).toMatchObject({
    ...problem,
    what: 'ssh refuses the host name: it contains invalid characters',
    why: 'hostname contains invalid characters',
    fix: 'correct it',
  })
  withSsh('exit 3')
  expect(await problemOf(resolveThroughSshConfig('web;x'))).toMatchObject({
    ...problem,
    why: expect.stringMatching(/^Command failed: ssh -G/),
  })
})

test('a configuration that takes too long to read is an input problem', async () => {
  // A program that ssh started keeps its output open.
  withSsh('sleep 5 & sleep 5')
  expect(await problemOf(resolveThroughSshConfig('web', { timeoutMs: 100 }))).toMatchObject({
    class: 'input',
    where: { command: 'ssh -G web' },
    what: 'ssh did not read its configuration within 0.1 s',
  })
})

test('a machine without ssh is an input problem', async () => {
  vi.stubEnv('PATH', scratch())
  expect(await problemOf(resolveThroughSshConfig('web'))).toMatchObject({
    class: 'input',
    where: { command: 'ssh -G web' },
    what: 'configuration of ssh cannot be read because ssh is not installed',
    fix: 'install openssh-client, or set address, user and key in the inventory',
  })
})

/** A home directory with this configuration. */
const homeWith = (text: string): string => {
  const home = scratch()
  mkdirSync(join(home, '.ssh'))
  writeFileSync(join(home, '.ssh/config'), text)
  return home
}

test('GSSAPIAuthentication and a shared connection that exists, both of the user’s own file, need OpenSSH', async () => {
  const shared = join(scratch(), 'web:22')
  const needs = async (text: string) => (await resolveThroughSshConfig('web', { home: homeWith(text) })).sshNeeds ?? []
  const text = `Host web\n  GSSAPIAuthentication yes\n  ControlPath ${shared.replace('web:22', '%h:%p')}\n`
  expect(await needs(text)).toEqual(['GSSAPIAuthentication yes'])
  writeFileSync(shared, '')
  expect(await needs(text)).toEqual(['GSSAPIAuthentication yes', `ControlPath ${shared}`])
  expect(await needs(text.replace('Host web', 'Host db'))).toEqual([])
  expect(await needs('ControlPath none\n')).toEqual([])
})

test.runIf(process.geteuid?.() === 0)('a shared connection of another account is an input problem', async () => {
  const shared = join(scratch(), 'shared')
  writeFileSync(shared, '')
  chownSync(shared, 65534, 65534)
  expect(await problemOf(resolveThroughSshConfig('web', { home: homeWith(`ControlPath ${shared}\n`) }))).toMatchObject({
    class: 'input',
    where: { command: 'ssh -G web' },
    what: `shared connection ${shared} belongs to another account`,
  })
})
