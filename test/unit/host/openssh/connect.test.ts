import { spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { connect } from '../../../../src/host/openssh/connect.ts'
import { person } from '../../../../src/host/openssh/person.ts'
import { promptsOf } from '../../../../src/host/openssh/prompts.ts'
import { scratch as privateDirectory } from '../../../../src/host/openssh/scratch.ts'
import { execOn } from '../../../../src/host/shell/exec.ts'
import { runOnce } from '../../../../src/host/shell/run-once.ts'
import type { Target } from '../../../../src/host/target/connection.ts'
import { resolveTarget } from '../../../../src/host/target/target.ts'
import { Secret } from '../../../../src/secret/secret.ts'
import { problemOf } from '../../problem-of.ts'
import { localHost } from '../shell/local-host.ts'
import { keygen, peer, scratch, sshServer, targetOf, wireOf } from '../ssh/ssh-server.ts'

afterEach(() => {
  person.present = undefined
  vi.unstubAllEnvs()
})

/** A server that accepts a key and answers each command with it, and a connection to it by OpenSSH. */
const serverFor = async (key: string, directory: string, otherwise: Partial<Target> = {}) => {
  const server = await sshServer({
    ...{ directory, accepts: wireOf(key) },
    execute: (command, channel) => {
      channel.write(command)
      channel.exit(0)
      channel.end()
    },
  })
  return { server, target: targetOf(directory, server, { keys: [key], transport: 'openssh', ...otherwise }) }
}

const outputOf = async (target: Target, command = 'hello'): Promise<string> => {
  let output = ''
  expect(await execOn(target, command, { onStdout: (chunk) => (output += chunk) })).toBe(0)
  return output
}

describe('a key with a passphrase', () => {
  const encrypted = async (otherwise: Partial<Target> = {}) => {
    const directory = scratch()
    const key = keygen(join(directory, 'key'), '-N', 'open sesame', '-a', '1')
    return { key, ...(await serverFor(key, directory, otherwise)) }
  }

  test('is opened with that of the inventory', async () => {
    expect(await outputOf((await encrypted({ passphrase: new Secret('open sesame') })).target)).toBe('hello')
  })

  test('and a wrong one in the inventory is an input problem of the key', async () => {
    const { target, key } = await encrypted({ passphrase: new Secret('open says me') })
    expect(await problemOf(execOn(target, ':'))).toMatchObject({
      class: 'input',
      where: { file: key },
      what: 'key cannot be decrypted',
      fix: 'correct the passphrase',
    })
  })

  test('is asked for once at the terminal, also for later connections', async () => {
    const { target, key } = await encrypted()
    const asked: string[] = []
    person.present = {
      ask: async (question) => {
        asked.push(question)
        return 'open sesame'
      },
      show: async () => {},
    }
    expect(await outputOf(target)).toBe('hello')
    expect(await outputOf(target)).toBe('hello')
    expect(asked).toEqual([`web-01: Enter passphrase for key '${key}': `])
  })

  test('that the person gets wrong or does not give is refused by the host', async () => {
    const { target } = await encrypted()
    const answers = ['wrong', '']
    person.present = { ask: async () => answers.shift(), show: async () => {} }
    expect(await problemOf(execOn(target, ':'))).toMatchObject({ class: 'unreachable', what: 'login as ops was refused' })
    expect(answers).toEqual([])
  })

  test('is reported as a problem without a terminal', async () => {
    const { target, key } = await encrypted()
    expect(await problemOf(execOn(target, ':'))).toMatchObject({
      class: 'input',
      where: { host: 'web-01' },
      what: 'key needs its passphrase, and no terminal is attached',
      why: `ssh asks: Enter passphrase for key '${key}':`,
    })
  })
})

/** A private key of a security token, as ssh-keygen writes it: the token keeps the secret, the file has a handle. */
const tokenKey = (path: string): { readonly wire: string } => {
  const field = (value: string | Buffer): Buffer => {
    const bytes = Buffer.from(value)
    const length = Buffer.alloc(4)
    length.writeUInt32BE(bytes.length)
    return Buffer.concat([length, bytes])
  }
  const type = 'sk-ssh-ed25519@openssh.com'
  const point = Buffer.from('d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a', 'hex')
  const publicKey = Buffer.concat([field(type), field(point), field('ssh:')])
  // Flag 1: the user must touch the token.
  const fields = [field(type), field(point), field('ssh:'), Buffer.from([1]), field('handle'), field(''), field('me')]
  const plain = Buffer.concat([Buffer.from('0000002a0000002a', 'hex'), ...fields])
  const padding = Buffer.from(Array.from({ length: (8 - (plain.length % 8)) % 8 }, (_, i) => i + 1))
  const body = [
    ...[Buffer.from('openssh-key-v1\0'), field('none'), field('none'), field(''), Buffer.from([0, 0, 0, 1])],
    ...[field(publicKey), field(Buffer.concat([plain, padding]))],
  ]
  const text = Buffer.concat(body).toString('base64')
  writeFileSync(path, `-----BEGIN OPENSSH PRIVATE KEY-----\n${text}\n-----END OPENSSH PRIVATE KEY-----\n`, { mode: 0o600 })
  return { wire: publicKey.toString('base64') }
}

describe('a key on a security token', () => {
  const withToken = async (isAccepted: boolean) => {
    const directory = scratch()
    const key = join(directory, 'id_ed25519_sk')
    const { wire } = tokenKey(key)
    const server = await sshServer({ directory, accepts: isAccepted ? wire : [] })
    return targetOf(directory, server, { keys: [key], transport: 'openssh' })
  }

  test('is offered to the host', async () => {
    const target = await withToken(false)
    const problem = await problemOf(execOn(target, ':'))
    expect(problem).toMatchObject({ class: 'unreachable', what: 'login as ops was refused' })
    expect(problem.why).toMatch(/^tried .*id_ed25519_sk \(ED25519-SK SHA256:/)
  })

  test('that is not attached is reported in the words of ssh', async () => {
    const problem = await problemOf(execOn(await withToken(true), ':'))
    expect(problem).toMatchObject({ class: 'unreachable', what: 'login as ops was refused' })
    expect(problem.why).toMatch(/signing failed for ED25519-SK .*: device not found/)
  })

  test('must be touched, which needs a person', async () => {
    const directory = scratch()
    // ssh shows the request while it waits for the token.
    const ssh = `#!/bin/sh
while [ "$1" != -E ]; do shift; done
exec 3>"$2"; echo 'debug1: SSH2_MSG_NEWKEYS received' >&3
SSH_ASKPASS_PROMPT=none "$SSH_ASKPASS" 'Confirm user presence for key ED25519-SK SHA256:abc' & asking=$!
sleep 0.5; kill $asking; echo 'ops@web: Permission denied (publickey).' >&3; exit 255
`
    writeFileSync(join(directory, 'ssh'), ssh, { mode: 0o755 })
    vi.stubEnv('PATH', `${directory}:${process.env.PATH}`)
    const target = targetOf(directory, { port: 1, hostKey: keygen(join(directory, 'host')) }, { transport: 'openssh' })
    expect(await problemOf(execOn(target, ':'))).toMatchObject({
      class: 'input',
      where: { host: 'web-01' },
      what: 'key needs a touch, and no terminal is attached',
      why: 'ssh asks: Confirm user presence for key ED25519-SK SHA256:abc',
    })
    const shown: string[] = []
    person.present = { ask: async () => undefined, show: async (line) => void shown.push(line) }
    expect(await problemOf(execOn(target, ':'))).toMatchObject({ class: 'unreachable', what: 'login as ops was refused' })
    expect(shown).toEqual(['web-01: Confirm user presence for key ED25519-SK SHA256:abc'])
  })
})

describe('a connection', () => {
  test('needs the program ssh', async () => {
    const directory = scratch()
    const key = keygen(join(directory, 'key'))
    const { target } = await serverFor(key, directory)
    symlinkSync('/usr/bin/setpriv', join(directory, 'setpriv'))
    vi.stubEnv('PATH', directory)
    expect(await problemOf(execOn(target, ':'))).toMatchObject({
      class: 'input',
      where: { host: 'web-01' },
      what: 'ssh is not installed on this machine',
    })
  })

  test('knows the key of its login, and leaves no file behind', async () => {
    const directory = scratch()
    const key = keygen(join(directory, 'key'))
    const { target } = await serverFor(key, directory)
    const link = await connect(target)
    expect(link.loginKeys).toEqual([])
    const channel = await link.run('hello')
    channel.stdout.resume()
    channel.stderr.resume()
    expect(link.loginKeys).toEqual([wireOf(key)])
    expect(await channel.ended).toBe(0)
    await link.close()
    expect(await link.gone).toBeUndefined()
    expect(readdirSync(await privateDirectory()).toSorted()).toEqual(['askpass', 'questions'])
  })

  test('that this side closes while its command runs has no error', async () => {
    const host = await localHost()
    const link = await connect({ ...host.target, transport: 'openssh' })
    const channel = await link.run('echo begun; sleep 5')
    channel.stdout.resume()
    channel.stderr.resume()
    await link.close()
    expect([await channel.ended, await link.gone]).toEqual([undefined, undefined])
  })

  test('has a session of its own, so that Ctrl-C at the terminal does not end it', async () => {
    const directory = scratch()
    const ssh = `#!/bin/sh
for each; do case $each in SetEnv=*) session=$each ;; esac; done
while [ "$1" != -E ]; do shift; done
exec 3>"$2"; echo "debug1: $session" >&3; echo "$$ $(ps -o sid= -p $$)"; echo 'debug1: Exit status 0' >&3
`
    writeFileSync(join(directory, 'ssh'), ssh, { mode: 0o755 })
    vi.stubEnv('PATH', `${directory}:${process.env.PATH}`)
    const target = targetOf(directory, { port: 1, hostKey: keygen(join(directory, 'host')) }, { transport: 'openssh' })
    const [process_, session] = (await outputOf(target)).trim().split(/ +/)
    expect(session).toBe(process_)
  })

  test('with accept-new stores the key of a host itself, and connects once more only for that', async () => {
    const host = await localHost()
    const known = join(scratch(), 'new/known_hosts')
    const target: Target = { ...host.target, transport: 'openssh', hostKeys: 'accept-new', knownHosts: [known] }
    const connections = async (): Promise<number> => {
      const before = host.sockets.length
      expect(await outputOf(target, 'echo in')).toBe('in\n')
      return host.sockets.length - before
    }
    expect([await connections(), await connections()]).toEqual([2, 1])
    expect(readFileSync(known, 'utf8')).toMatch(/^\[127\.0\.0\.1\]:\d+ ssh-ed25519 \S+\n$/)
  })

  test('with accept-new never stores a revoked key', async () => {
    const directory = scratch()
    const { server, target } = await serverFor(keygen(join(directory, 'key')), directory, { hostKeys: 'accept-new' })
    const [file = ''] = target.knownHosts
    const revoked = `@revoked [127.0.0.1]:${server.port} ssh-ed25519 ${wireOf(server.hostKey)}\n`
    writeFileSync(file, revoked)
    expect(await problemOf(execOn(target, ':'))).toMatchObject({ what: `host key of web-01 is revoked (${file}:1)` })
    expect(readFileSync(file, 'utf8')).toBe(revoked)
  })

  test('that was never used can be closed, and one that is being established can be given up', async () => {
    const directory = scratch()
    const key = keygen(join(directory, 'key'))
    const port = await peer(() => {})
    const target = targetOf(directory, { port, hostKey: keygen(join(directory, 'host')) }, { keys: [key], transport: 'openssh' })
    const unused = await connect(target)
    await unused.close()
    const link = await connect(target)
    const running = problemOf(link.run('hello'))
    setTimeout(() => link.destroy(), 100)
    expect(await running).toMatchObject({ class: 'unreachable', what: 'connection was closed' })
  })

  test('is killed together with the controller', async () => {
    const host = await localHost()
    const script = `import { openShell } from '${join(import.meta.dirname, '../../../../src/host/shell/open.ts')}'
const shell = await openShell(JSON.parse(process.argv[1]))
process.stdout.write('open')
await shell.request('sleep 5')`
    const target = JSON.stringify({ ...host.target, transport: 'openssh' })
    const controller = spawn(process.execPath, ['--input-type=module', '-e', script, target], { stdio: ['ignore', 'pipe', 'inherit'] })
    onTestFinished(() => void controller.kill('SIGKILL'))
    await new Promise((open) => controller.stdout.once('data', open))
    controller.kill('SIGKILL')
    // The connection ends at once, although the step still runs.
    await expect.poll(() => host.sockets[0]?.destroyed, { timeout: 2000 }).toBe(true)
  })
})

/** Replaces the configuration of ssh. */
const configured = (text: string): void => {
  const directory = scratch()
  writeFileSync(join(directory, 'config'), text)
  // A later -F overrides an earlier one; provision reads no configuration for an address by -F none.
  writeFileSync(join(directory, 'ssh'), `#!/bin/sh\nexec /usr/bin/ssh -F ${directory}/config "$@"\n`, { mode: 0o755 })
  vi.stubEnv('PATH', `${directory}:${process.env.PATH}`)
}

describe("ssh's configuration", () => {
  /** A host behind a jump host that the configuration names, with a token. */
  const behindGate = async (gateAccepts: (key: string) => string, methods: 'publickey' | 'keyboard-interactive') => {
    const [directory, gateDirectory] = [scratch(), scratch()]
    const key = keygen(join(directory, 'key'))
    const { server, target } = await serverFor(key, directory)
    const gate = await sshServer({ directory: gateDirectory, accepts: gateAccepts(key), methods: [methods], forwards: true })
    const [known = ''] = target.knownHosts
    writeFileSync(known, `${readFileSync(known, 'utf8')}[127.0.0.1]:${gate.port} ${readFileSync(`${gate.hostKey}.pub`, 'utf8')}`)
    configured(`Host behind
  HostName 127.0.0.1
  Port ${server.port}
  ProxyJump gate-of-%n
Host gate-of-behind
  HostName 127.0.0.1
  Port ${gate.port}
  User jane
  StrictHostKeyChecking no
`)
    const host: Target = { ...target, viaSshConfig: true, written: ['user', 'keys', 'knownHosts'] }
    return { gate, target: await resolveTarget('behind', host) }
  }

  test('provides jump hosts, to which ssh logs in with the same options as to the host', async () => {
    const { target, gate } = await behindGate(wireOf, 'publickey')
    expect(target).toMatchObject({ jump: ['gate-of-behind'], sshConfig: 'behind', transport: 'openssh' })
    expect(await outputOf(target)).toBe('hello')
    expect(gate.offered).toHaveLength(1)
    // The configuration would accept any key.
    writeFileSync(target.knownHosts[0] ?? '', readFileSync(target.knownHosts[0] ?? '', 'utf8').split('\n')[0] ?? '')
    expect(await problemOf(execOn(target, ':'))).toMatchObject({
      what: 'jump host gate-of-behind cannot be used: host key of gate-of-behind is not known',
    })
  })

  test('lets no jump host put a question to the person', async () => {
    const asked: string[] = []
    person.present = { ask: async (text) => void asked.push(text), show: async () => {} }
    const { target } = await behindGate(() => '', 'keyboard-interactive')
    const problem = await problemOf(execOn(target, ':'))
    expect(problem).toMatchObject({ class: 'unreachable', what: 'jump host gate-of-behind cannot be used: login as jane was refused' })
    expect(problem.fix).toMatch(/^permit a login by public key alone in sshd_config of gate-of-behind/)
    expect(asked).toEqual([])
  })

  test('provides a ProxyCommand, and its failure is explained', async () => {
    const directory = scratch()
    const key = keygen(join(directory, 'key'))
    const { server, target } = await serverFor(key, directory)
    const relay = `${process.execPath} -e 'const s=require("net").connect(${server.port},"127.0.0.1");process.stdin.pipe(s);s.pipe(process.stdout)'`
    configured(`Host behind\n  ProxyCommand ${relay}\n  ForwardAgent yes\n  RemoteCommand false\n  LocalCommand false\n`)
    const behind: Target = { ...target, sshConfig: 'behind', address: '10.255.255.1', hostKeyAlias: `[127.0.0.1]:${server.port}` }
    expect(await outputOf(behind)).toBe('hello')
    configured('Host behind\n  ProxyCommand sh -c "echo no way >&2; exit 1"\n')
    const problem = await problemOf(execOn(behind, ':'))
    expect(problem).toMatchObject({
      class: 'unreachable',
      what: `ProxyCommand did not connect to 10.255.255.1, port ${server.port}`,
    })
    expect(problem.why).toMatch(/no way$/)
  })

  test('provides a shared connection, which is not used to confirm that logins work', async () => {
    const host = await localHost()
    const { address, port, keys, knownHosts } = host.target
    const control = join(scratch(), 'control')
    configured(`Host shared\n  ControlPath ${control}\n`)
    const options = ['-i', keys[0] ?? '', '-p', String(port), '-l', 'root', '-o', `UserKnownHostsFile=${knownHosts[0]}`]
    const master = spawn('/usr/bin/ssh', ['-F', 'none', '-N', '-M', '-S', control, ...options, address], { stdio: 'ignore' })
    onTestFinished(() => void master.kill())
    await expect.poll(() => existsSync(control), { timeout: 5000 }).toBe(true)
    const shared: Target = { ...host.target, transport: 'openssh', sshConfig: 'shared' }
    expect(await outputOf(shared, 'echo over')).toBe('over\n')
    expect(host.sockets).toHaveLength(1)
    expect((await runOnce(shared, 'echo in', { deadlineMs: 5000 })).stdout.toString()).toBe('in\n')
    expect(host.sockets).toHaveLength(2)
  })
})

describe('a question of ssh', () => {
  /** Runs the program that ssh starts for a question. Returns its status and the answer. */
  const asked = async (env: Readonly<Record<string, string>>, question: string): Promise<readonly [number | null, string]> => {
    const program = spawn(env.SSH_ASKPASS ?? '', [question], { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'inherit'] })
    let answer = ''
    program.stdout.on('data', (chunk) => (answer += chunk))
    return await new Promise((resolve) => program.once('close', (code) => resolve([code, answer])))
  }
  const target: Target = {
    ...{ name: 'web-01', address: 'web', port: 22, user: 'ops', keys: [], knownHosts: [], hostKeys: 'strict', jump: [] },
  }

  test('suspends the time limits until the person has answered', async () => {
    const { promise, resolve: answer } = Promise.withResolvers<string>()
    person.present = { ask: () => promise, show: async () => {} }
    const prompts = await promptsOf(target, () => {})
    expect(prompts.isAsking).toBe(false)
    const result = asked(prompts.env, 'Enter PIN for token: ')
    await expect.poll(() => prompts.isAsking).toBe(true)
    answer('1234')
    expect(await result).toEqual([0, '1234\n'])
    expect(prompts.isAsking).toBe(false)
    prompts.close()
    expect(await asked(prompts.env, 'Enter PIN for token: ')).toEqual([1, ''])
  })

  test('is shown on one line, so that a host cannot add the question of another', async () => {
    const asked: string[] = []
    person.present = { ask: async (text) => void asked.push(text), show: async () => {} }
    const { env } = await promptsOf(targetOf(scratch(), { port: 1, hostKey: keygen(join(scratch(), 'host')) }), () => {})
    const program = spawn(env.SSH_ASKPASS ?? '', ['(ops@gate) \nweb-02: Enter passphrase:'], { env: { ...process.env, ...env } })
    await new Promise((done) => program.once('close', done))
    expect(asked).toEqual(['web-01: (ops@gate) ␊web-02: Enter passphrase: '])
  })

  test('whether to trust a host key is not put to the person', async () => {
    person.present = { ask: async () => 'yes', show: async () => {} }
    const prompts = await promptsOf(target, () => {})
    const question = 'Are you sure you want to continue connecting (yes/no/[fingerprint])? '
    expect(await asked(prompts.env, question)).toEqual([1, ''])
    expect(prompts.refused).toEqual([question.trim()])
    prompts.close()
  })

  test('needs the random word of its connection to be answered', async () => {
    const prompts = await promptsOf({ ...target, passphrase: new Secret('open sesame') }, () => {})
    const question = "Enter passphrase for key '/key': "
    expect(await asked({ ...prompts.env, PROVISION_PROMPTS_ID: '0'.repeat(32) }, question)).toEqual([1, ''])
    expect(await asked(prompts.env, question)).toEqual([0, 'open sesame\n'])
    expect(JSON.stringify(prompts.env)).not.toContain('sesame')
    prompts.close()
  })
})
