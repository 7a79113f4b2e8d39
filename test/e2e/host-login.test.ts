import { execFileSync, spawn } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { storeHostKeys } from '../../src/host/known-hosts/known-hosts-file.ts'
import { execOn } from '../../src/host/shell/exec.ts'
import { openShell } from '../../src/host/shell/open.ts'
import type { Target } from '../../src/host/target/connection.ts'
import { fetchHostKeys } from '../../src/host/transport/trust.ts'
import { Secret } from '../../src/secret/secret.ts'
import { problemOf } from '../unit/problem-of.ts'
import { bootHosts, endHosts, HOST, holder, labFile, onHost, SUBNET, SUBNET_6, target, textOf } from './support/bare-hosts.ts'
import { installController, PROVISION } from './support/controller.ts'

const directory = mkdtempSync(join(tmpdir(), 'provision-host-'))
const inDirectory = (name: string): string => join(directory, name)
const write = (name: string, text: string): string => {
  writeFileSync(inDirectory(name), text, { mode: 0o600 })
  return inDirectory(name)
}

beforeAll(async () => {
  await bootHosts()
  await onHost(PEOPLE)
})
afterAll(async () => {
  await endHosts()
  rmSync(directory, { recursive: true })
})

// One account for each way to become root, all with the key of ops.
const PEOPLE = `
set -e
person() { useradd -m -s "\${2:-/bin/bash}" "$1"; echo "$1:pass word" | chpasswd; mkdir -p "/home/$1/.ssh"; cp /home/ops/.ssh/authorized_keys "/home/$1/.ssh/"; chown -R "$1" "/home/$1"; }
rule() { printf '%s\\n' "$2" >"/etc/sudoers.d/$1"; }
person asked; rule asked 'asked ALL=(ALL) ALL'
person trusted; rule trusted 'trusted ALL=(ALL) NOPASSWD: ALL'
person forbidden
person ttyless; rule ttyless "$(printf 'Defaults:ttyless requiretty\\nttyless ALL=(ALL) NOPASSWD: ALL')"
person ptys; rule ptys "$(printf 'Defaults:ptys use_pty\\nptys ALL=(ALL) NOPASSWD: ALL')"
person bound; rule bound "$(printf 'Defaults:bound noexec\\nbound ALL=(ALL) NOPASSWD: ALL')"
person pathless; rule pathless "$(printf 'Defaults:pathless secure_path=/nowhere\\npathless ALL=(ALL) NOPASSWD: ALL')"
person loud; rule loud 'loud ALL=(ALL) NOPASSWD: ALL'; printf 'echo banner; echo noise >&2\\n' >/home/loud/.bashrc
person nobody2 /usr/sbin/nologin
`

const rootOf = async (otherwise: Partial<Target>): Promise<string> => await onHost('id -un', otherwise)

describe('becoming root', () => {
  const sudoPassword = new Secret('pass word')

  test.each(['root', 'ops', 'trusted', 'ptys', 'loud'])('as %s, without a password', async (user) => {
    expect(await rootOf({ user })).toBe('root')
  })

  test.each(['asked', 'trusted', 'loud'])('as %s, with a password, asked for or not', async (user) => {
    expect(await rootOf({ user, sudoPassword })).toBe('root')
  })

  test('with a wrong password makes one attempt', async () => {
    const problem = await problemOf(rootOf({ user: 'asked', sudoPassword: new Secret('guess') }))
    expect(problem).toMatchObject({ class: 'unreachable', where: { host: 'h1' }, what: 'sudo refused the password of asked' })
    expect(await onHost('journalctl -q -t sudo --since -1min | grep -c "asked.*1 incorrect password attempt" || true')).toBe('1')
  })

  test.each([
    ['asked', /password is required/],
    ['forbidden', /password is required/],
    ['ttyless', /tty/],
    ['pathless', /^sudo: sh: command not found$/],
    ['nobody2', /not available/],
  ])('as %s is refused in the host’s own words', async (user, words) => {
    const problem = await problemOf(openShell(target({ user }), { lock: holder('run') }))
    expect(problem).toMatchObject({ class: 'unreachable', what: expect.stringContaining(`${user} cannot become root by sudo`) })
    expect(problem.why).toMatch(words)
  })

  test('with noexec is refused at once, with the lock and without', async () => {
    const refused = { class: 'unreachable', where: { host: 'h1' }, what: 'sudo forbids the root shell of bound to start programs' }
    expect(await problemOf(openShell(target({ user: 'bound' }), { lock: holder('run') }))).toMatchObject(refused)
    expect(await problemOf(openShell(target({ user: 'bound' })))).toMatchObject(refused)
    expect(await problemOf(execOn(target({ user: 'bound' }), 'id', { sudo: true }))).toMatchObject(refused)
  })

  test('works from tcsh and fish', async () => {
    await onHost('apt-get -q update >/dev/null && apt-get -qy install tcsh fish >/dev/null 2>&1')
    for (const shell of ['/bin/tcsh', '/usr/bin/fish', '/bin/dash']) {
      await onHost(`usermod -s ${shell} trusted; usermod -s ${shell} asked`)
      expect([shell, await rootOf({ user: 'trusted' }), await rootOf({ user: 'asked', sudoPassword })]).toEqual([shell, 'root', 'root'])
    }
  })
})

describe('private keys', () => {
  const make = (name: string, ...options: string[]): string => {
    execFileSync('ssh-keygen', ['-q', '-f', inDirectory(name), ...options])
    return inDirectory(name)
  }
  const authorize = (path: string): Promise<string> =>
    onHost(`echo '${readFileSync(`${path}.pub`, 'utf8').trim()}' >>/home/ops/.ssh/authorized_keys`)
  const plain = ['-N', '']

  test.each([
    ['rsa', ['-t', 'rsa', '-b', '2048', ...plain]],
    ['old-rsa', ['-t', 'rsa', '-b', '2048', '-m', 'PEM', ...plain]],
    ['ecdsa', ['-t', 'ecdsa', ...plain]],
  ])('of type %s let in', async (name, options) => {
    const key = make(name, ...options)
    await authorize(key)
    expect(await rootOf({ keys: [key] })).toBe('root')
  })

  test('that are encrypted work with their passphrase, or in an agent', async () => {
    const key = make('encrypted', '-t', 'ed25519', '-N', 'open sesame')
    await authorize(key)
    expect(await rootOf({ keys: [key], passphrase: new Secret('open sesame') })).toBe('root')
    expect(await problemOf(rootOf({ keys: [key], passphrase: new Secret('wrong') }))).toMatchObject({
      class: 'input',
      where: { file: key },
      fix: 'correct the passphrase',
    })
    expect(await problemOf(rootOf({ keys: [key] }))).toMatchObject({
      class: 'input',
      where: { file: key },
      what: 'key is encrypted, and no passphrase is set',
    })

    const agent = inDirectory('agent')
    const process = spawn('ssh-agent', ['-D', '-a', agent], { stdio: 'ignore' })
    onTestFinished(() => void process.kill())
    await expect.poll(() => statSync(agent, { throwIfNoEntry: false })?.isSocket()).toBe(true)
    expect(await problemOf(rootOf({ keys: [key], agent }))).toMatchObject({ class: 'input' })
    const askpass = write('askpass', '#!/bin/sh\necho open sesame\n')
    chmodSync(askpass, 0o700)
    execFileSync('ssh-add', ['-q', key], {
      env: { SSH_AUTH_SOCK: agent, SSH_ASKPASS: askpass, SSH_ASKPASS_REQUIRE: 'force', PATH: '/usr/bin' },
      stdio: 'ignore',
    })
    expect(await rootOf({ keys: [key], agent })).toBe('root')
    expect(await rootOf({ keys: [], agent })).toBe('root')
  })

  test('that the host refuses are named', async () => {
    const key = make('stranger', '-t', 'ed25519', ...plain)
    const problem = await problemOf(rootOf({ keys: [key] }))
    expect(problem).toMatchObject({ class: 'unreachable', what: 'login as ops was refused' })
    expect(problem.why).toMatch(new RegExp(`^tried ${key} \\(ssh-ed25519 SHA256:.*\\); the host accepts publickey`))
  })
})

describe('host keys', () => {
  const strict = (name: string, text: string, otherwise: Partial<Target> = {}): Target =>
    target({ knownHosts: [write(name, text)], ...otherwise })
  const lines = (): string[] =>
    readFileSync(labFile('known_hosts'), 'utf8')
      .split('\n')
      .filter((line) => line.startsWith(`${HOST} `))

  test('that are not known are refused, stored by trust, and then known', async () => {
    const unknown = target({ knownHosts: [inDirectory('new/known_hosts')] })
    const problem = await problemOf(openShell(unknown))
    expect(problem).toMatchObject({
      class: 'unreachable',
      what: 'host key of h1 is not known',
      fix: expect.stringContaining('provision trust h1'),
    })
    const keys = await fetchHostKeys(unknown)
    expect(keys.map(({ type, verdict }) => [type, verdict.status])).toEqual(
      expect.arrayContaining([
        ['ssh-ed25519', 'unknown'],
        ['ecdsa-sha2-nistp256', 'unknown'],
      ]),
    )
    const ed25519 = await onHost('ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub')
    expect(ed25519).toContain(keys[0]?.fingerprint)
    await storeHostKeys(
      unknown,
      keys.map(({ key }) => key),
    )
    await storeHostKeys(
      unknown,
      keys.map(({ key }) => key),
    )
    expect(readFileSync(inDirectory('new/known_hosts'), 'utf8').trim().split('\n')).toEqual(keys.map(({ line }) => line))
    expect(statSync(inDirectory('new/known_hosts')).mode & 0o777).toBe(0o600)
    await (await openShell(unknown)).close()
  })

  test('that are not known are stored by accept-new, once for many connections', async () => {
    const open = target({ knownHosts: [inDirectory('accepted')], hostKeys: 'accept-new' })
    const shells = await Promise.all([openShell(open), openShell(open), openShell(open)])
    await Promise.all(shells.map((shell) => shell.close()))
    expect(readFileSync(inDirectory('accepted'), 'utf8').trim().split('\n')).toHaveLength(1)
    await (await openShell({ ...open, hostKeys: 'strict' })).close()
  })

  test('are requested by the known type first, also if it is the second of the host', async () => {
    const ecdsa = lines().find((line) => line.includes('ecdsa')) ?? ''
    await (await openShell(strict('ecdsa', `${ecdsa}\n`))).close()
  })

  test('are found under hashed names', async () => {
    const file = write('hashed', lines().join('\n'))
    execFileSync('ssh-keygen', ['-q', '-H', '-f', file], { stdio: 'ignore' })
    expect(readFileSync(file, 'utf8')).toMatch(/^\|1\|/)
    await (await openShell(target({ knownHosts: [file] }))).close()
  })

  test.each(['strict', 'accept-new'] as const)('that have changed are refused with the line of the known key (%s)', async (hostKeys) => {
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', inDirectory(`other-${hostKeys}`)])
    const other = readFileSync(inDirectory(`other-${hostKeys}.pub`), 'utf8')
      .split(' ')
      .slice(0, 2)
      .join(' ')
    const host = strict(`changed-${hostKeys}`, `# ours\n${HOST} ${other}\n`, { hostKeys })
    const problem = await problemOf(openShell(host))
    expect(problem).toMatchObject({ class: 'unreachable', what: expect.stringContaining(`changed-${hostKeys}:2`) })
    expect(problem.why).toMatch(/presents ssh-ed25519 SHA256:.*\n.*:2 has ssh-ed25519 SHA256:/)
  })

  test('that are revoked are refused', async () => {
    const host = strict('revoked', `${lines().join('\n')}\n@revoked * ${lines()[0]?.split(' ').slice(1).join(' ')}\n`)
    expect(await problemOf(openShell(host))).toMatchObject({ class: 'unreachable', what: expect.stringContaining('is revoked (') })
  })
})

describe('an unreachable host', () => {
  const listen = async (greet: string | undefined): Promise<number> => {
    const server = createServer((socket) => {
      socket.on('error', () => {})
      if (greet !== undefined) socket.end(greet)
    })
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
    onTestFinished(() => void server.close())
    const address = server.address()
    return typeof address === 'object' && address ? address.port : 0
  }
  const here = { address: '127.0.0.1' }

  test.each([
    ['says nothing', undefined, /accepts connections, but sent nothing within 10 s/],
    ['is a web server', 'HTTP/1.1 400 Bad Request\r\n\r\n', /is not sshd/],
    ['closes at once, however often we come', '', /closed the connection before sending anything/],
  ])('because what listens there %s', async (_, greet, what) => {
    const port = await listen(greet)
    expect(await problemOf(openShell(target({ ...here, port })))).toMatchObject({
      class: 'unreachable',
      where: { host: 'h1' },
      what: expect.stringMatching(what),
    })
  })

  test.each([
    ['nothing listens', { port: 9 }, `${HOST}, port 9 refused the connection`],
    ['its name is unknown', { address: 'no-such-host.invalid' }, expect.stringContaining('no-such-host.invalid')],
    ['no host has its address', { address: `${SUBNET}.200` }, expect.stringContaining(`${SUBNET}.200, port 22`)],
  ])('because %s', async (_, otherwise, what) => {
    expect(await problemOf(openShell(target(otherwise), { retries: false }))).toMatchObject({
      class: 'unreachable',
      where: { host: 'h1' },
      what,
    })
  })

  test('because sshd opens no session', async () => {
    await onHost('/usr/sbin/sshd -p 2203 -o MaxSessions=0')
    expect(await problemOf(openShell(target({ port: 2203, hostKeyAlias: HOST })))).toMatchObject({
      class: 'unreachable',
      what: 'sshd refused to open a session',
    })
  })

  test('because of too many simultaneous connections is retried', async () => {
    await onHost('/usr/sbin/sshd -p 2204 -o MaxStartups=2')
    const host = target({ port: 2204, hostKeyAlias: HOST })
    const log: string[] = []
    const shells = await Promise.all(Array.from({ length: 8 }, () => openShell(host, { log: (line) => log.push(line) })))
    await Promise.all(shells.map((shell) => shell.close()))
    expect(log.filter((line) => line.includes('; retry in '))).not.toHaveLength(0)
  })
})

describe('OpenSSH', () => {
  const make = (name: string, ...options: string[]): string => {
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', inDirectory(name), ...options])
    return inDirectory(name)
  }
  const sign = (authority: string, key: string, ...options: string[]): void =>
    void execFileSync('ssh-keygen', ['-q', '-s', authority, '-I', 'test', ...options, `${key}.pub`])
  const publicHalf = (key: string): string => readFileSync(`${key}.pub`, 'utf8').trim()
  /** Becomes root on the first host, and returns the reason for OpenSSH and the keys of the login. */
  const rootBy = async (otherwise: Partial<Target>): Promise<{ readonly reason: string | undefined; readonly seen: string }> => {
    let reason: string | undefined
    const shell = await openShell(target(otherwise), { onTransport: (what) => (reason = what) })
    const seen = textOf(await shell.request('echo "$(id -un) <$login_keys>"')).trim()
    await shell.close()
    return { reason, seen }
  }
  const alias = { hostKeyAlias: HOST }

  test('logs in with a certificate beside the key, on a host that accepts nothing else', async () => {
    const [authority, key, expired] = [make('users'), make('jane'), make('late')]
    sign(authority, key, '-n', 'ops', '-V', '+1h')
    sign(authority, expired, '-n', 'ops', '-V', '20200101:20200102')
    await onHost(
      `echo '${publicHalf(authority)}' >/etc/ssh/users.pub; /usr/sbin/sshd -p 2211 -o TrustedUserCAKeys=/etc/ssh/users.pub -o AuthorizedKeysFile=none`,
    )
    // The login needs no line in authorized_keys.
    expect(await rootBy({ port: 2211, ...alias, keys: [key] })).toEqual({
      reason: `connects with OpenSSH: certificate ${key}-cert.pub`,
      seen: 'root <>',
    })
    expect(await problemOf(rootBy({ port: 2211, ...alias, keys: [expired] }))).toMatchObject({
      class: 'unreachable',
      what: 'login as ops was refused',
      why: expect.stringMatching(/^tried .*late.* \(ED25519-CERT SHA256:.*; the host accepts publickey.*\nops@[\d.]+: Permission denied/),
    })
    expect(await problemOf(rootBy({ port: 2211, ...alias, keys: [key], transport: 'ssh2' }))).toMatchObject({
      what: 'login as ops was refused',
    })
  })

  test('accepts a host key only if an authority in known_hosts signed it', async () => {
    const [authority, other] = [make('hosts'), make('others')]
    writeFileSync(inDirectory('host.pub'), await onHost('cat /etc/ssh/ssh_host_ed25519_key.pub'))
    sign(authority, inDirectory('host'), '-h', '-n', HOST)
    await onHost(
      `echo '${readFileSync(inDirectory('host-cert.pub'), 'utf8').trim()}' >/etc/ssh/host-cert.pub; /usr/sbin/sshd -p 2213 -o HostCertificate=/etc/ssh/host-cert.pub`,
    )
    const known = (key: string): readonly string[] => [
      write(`known-${key.split('/').at(-1)}`, `@cert-authority ${HOST} ${publicHalf(key)}\n`),
    ]
    const { reason, seen } = await rootBy({ port: 2213, ...alias, knownHosts: known(authority) })
    expect(reason).toMatch(/known-hosts:1 has a certificate authority for it$/)
    expect(seen).toMatch(/^root <AAAA\S+>$/)
    const ed25519 = await onHost('ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub | cut -d" " -f2')
    expect(await problemOf(rootBy({ port: 2213, ...alias, knownHosts: known(other) }))).toMatchObject({
      class: 'unreachable',
      what: 'host key of h1 is not known',
      why: `${HOST} presents ssh-ed25519 ${ed25519}`,
    })
  })

  test('is used after ssh2 found no algorithm in common, and at once by later connections', async () => {
    await onHost('/usr/sbin/sshd -p 2212 -o KexAlgorithms=sntrup761x25519-sha512@openssh.com')
    const host = { port: 2212, ...alias }
    const reason = 'connects with OpenSSH: ssh2 has no algorithm in common with it (no matching key exchange algorithm)'
    expect(await rootBy(host)).toMatchObject({ reason, seen: expect.stringMatching(/^root <AAAA/) })
    expect((await rootBy(host)).reason).toBe(reason)
    expect((await fetchHostKeys(target(host))).map(({ type, verdict }) => [type, verdict.status])).toEqual([
      ['ssh-ed25519', 'known'],
      ['ecdsa-sha2-nistp256', 'known'],
    ])
    expect(await problemOf(rootBy({ ...host, transport: 'ssh2' }))).toMatchObject({ what: 'connection failed during the key exchange' })
  })
})

describe.each(['ssh2', 'openssh'] as const)('a host behind another, by %s', (transport) => {
  const behind = (jump: string[]): Target => target({ name: 'h2', address: `${SUBNET}.12`, jump, transport })
  const connections = 'grep -c ":0016 [0-9A-F]*:[0-9A-F]* 01 " /proc/net/tcp'

  test('is reached through one connection for all, or one for each', async () => {
    const before = Number(await onHost(connections))
    const shells = await Promise.all([1, 2, 3].map(() => openShell(behind([`ops@${HOST}`]))))
    expect(new Set(shells.map(({ sshConnection }) => sshConnection[0]))).toEqual(new Set([HOST]))
    expect(textOf((await shells[0]?.request('hostname')) ?? { code: 0, stdout: Buffer.from(''), stderr: '' })).toBe('h2\n')
    expect(Number(await onHost(connections))).toBe(before + (transport === 'ssh2' ? 1 : 3))
    await Promise.all(shells.map((shell) => shell.close()))
    await expect.poll(async () => Number(await onHost(connections))).toBe(before)
  })

  test('is reached through several, one after the other', async () => {
    const shell = await openShell(behind([`ops@${HOST}:22`, `ops@${SUBNET}.12`]))
    expect(shell.sshConnection[0]).toBe(`${SUBNET}.12`)
    await shell.close()
  })

  test('is reached over IPv6 through an IPv6 jump host', async () => {
    const shell = await openShell({ ...behind([`ops@[${SUBNET_6}11]:22`]), address: `${SUBNET_6}12` })
    expect(shell.sshConnection[0]).toBe(`${SUBNET_6}11`)
    await shell.close()
  })

  test('is unreachable if the other host is, or if that one cannot reach it', async () => {
    expect(await problemOf(openShell(behind([`ops@${HOST}:9`]), { retries: false }))).toMatchObject({
      class: 'unreachable',
      where: { host: 'h2' },
      what: expect.stringContaining(`jump host ops@${HOST}:9 cannot be used`),
    })
    expect(await problemOf(openShell({ ...behind([`ops@${HOST}`]), port: 9 }, { retries: false }))).toMatchObject({
      class: 'unreachable',
      where: { host: 'h2' },
      what: expect.stringContaining(`cannot reach ${SUBNET}.12, port 9`),
    })
  })
})

describe('this machine, which is a host of the lab here', () => {
  const site = (user: string, ...words: readonly string[]): string =>
    `su -s /bin/sh ${user} -c 'cd /opt/site && ${PROVISION} ${words.join(' ')}'`
  const ROLE = `import { command, defineRole, file, z } from 'provision'
export default defineRole({
  name: 'here', summary: 'a file and a slow step', options: z.strictObject({}),
  resources: () => [file({ path: '/srv/here', content: 'here' }), command({ name: 'slow', run: ': >/srv/begun; sleep 2; : >/srv/slow', creates: '/srv/slow' })],
})
`

  beforeAll(async () => {
    for (const name of ['inventory', 'playbooks', 'roles']) mkdirSync(inDirectory(`site/${name}`), { recursive: true })
    write('site/package.json', '{ "private": true, "type": "module" }')
    write('site/inventory/site.yaml', 'vars: { user: nobody2, jump: gate, port: 9 }\nhosts: { me: { address: local } }\n')
    write('site/password.yaml', 'hosts: { me: { address: local, sudo_password: pass word } }\n')
    write('site/playbooks/site.yaml', '- hosts: all\n  roles: [here]\n')
    write('site/roles/here.ts', ROLE)
    installController(`ssh -F ${labFile('ssh_config')}`, 'h1', inDirectory('site'))
  })

  test('is provisioned through sudo, and as root', async () => {
    expect(await onHost(site('ops', 'run'))).toContain('3 changes applied and confirmed')
    expect(await onHost(site('ops', 'run'))).toContain('Nothing to do')
    expect(await onHost(site('root', 'run'))).toContain('Nothing to do')
    expect(await onHost(site('ops', 'exec me -- id -un'))).toBe('ops')
    expect(await onHost(site('ops', 'trust'))).toBe('me  this machine, needs no host key')
  })

  test('asks sudo with the password of the inventory', async () => {
    expect(await onHost(`rm -f /srv/here; chown -R asked /opt/site; ${site('asked', 'run', '-i password.yaml')}`)).toContain(
      '1 change applied and confirmed',
    )
    expect(await onHost(`${site('asked', 'run', '-i inventory')} 2>&1 || :`)).toContain('asked cannot become root by sudo (exit 1)')
  })

  test('ends the step of a killed controller, and the next run waits for it', async () => {
    const controller = `su -s /bin/sh ops -c 'echo $$ >/tmp/controller; cd /opt/site && exec ${PROVISION} run'`
    await onHost(`rm -f /srv/begun /srv/slow; chown -R ops /opt/site; ${controller} >/dev/null 2>&1 &
i=0; until [ -e /srv/begun ] || [ $i = 100 ]; do i=$((i+1)); sleep 0.1; done; kill -9 "$(cat /tmp/controller)"`)
    expect(await onHost(`[ -e /srv/slow ] || echo running; ${site('ops', 'run')}`)).toMatch(/^running\n[\s\S]*Nothing to do/)
  })
})
