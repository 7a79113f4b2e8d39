import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test, vi } from 'vitest'
import { agentKeyTypes } from '../../../../src/host/openssh/agent-keys.ts'
import { execOn } from '../../../../src/host/shell/exec.ts'
import type { Target } from '../../../../src/host/target/connection.ts'
import { reasonForOpenSsh } from '../../../../src/host/transport/choose.ts'
import { connect } from '../../../../src/host/transport/connect.ts'
import { fetchHostKeys } from '../../../../src/host/transport/trust.ts'
import { problemOf } from '../../problem-of.ts'
import { agentWith, keygen, peer, scratch, sshServer, targetOf, wireOf } from '../ssh/ssh-server.ts'

afterEach(() => void vi.unstubAllEnvs())

const inventory = (directory: string, otherwise: Partial<Target> = {}): Target => ({
  ...{ name: 'web-01', address: 'web', port: 22, user: 'ops', keys: [keygen(join(directory, 'key'))], jump: [] },
  ...{ knownHosts: [join(directory, 'known_hosts')], hostKeys: 'strict', agent: 'none', ...otherwise },
})

test('a host with a plain key needs ssh2 only, and a setting of the inventory overrides every reason', async () => {
  const directory = scratch()
  expect(await reasonForOpenSsh(inventory(directory))).toBeUndefined()
  const needs = { sshNeeds: ['ProxyCommand nc %h %p', 'PKCS11Provider /lib/p11.so'] }
  expect(await reasonForOpenSsh(inventory(directory, needs))).toBe('ProxyCommand nc %h %p')
  expect(await reasonForOpenSsh(inventory(directory, { ...needs, transport: 'auto' }))).toBe('ProxyCommand nc %h %p')
  expect(await reasonForOpenSsh(inventory(directory, { ...needs, transport: 'ssh2' }))).toBeUndefined()
  expect(await reasonForOpenSsh(inventory(directory, { transport: 'openssh' }))).toBe('transport: openssh')
})

test('a certificate beside the key, and a key on a security token, need OpenSSH', async () => {
  const directory = scratch()
  const key = keygen(join(directory, 'signed'))
  execFileSync('ssh-keygen', ['-q', '-s', keygen(join(directory, 'authority')), '-I', 'me', `${key}.pub`])
  expect(await reasonForOpenSsh(inventory(directory, { keys: [key] }))).toBe(`certificate ${key}-cert.pub`)
  const token = join(directory, 'token.pub')
  const type = Buffer.from('sk-ssh-ed25519@openssh.com')
  const wire = Buffer.concat([Buffer.from([0, 0, 0, type.length]), type, Buffer.from('key')])
  writeFileSync(token, `${type} ${wire.toString('base64')} me\n`)
  expect(await reasonForOpenSsh(inventory(directory, { keys: [token] }))).toBe(`key ${token} is on a security token`)
})

test('a certificate in the agent needs OpenSSH, unless only the key files are to be tried', async () => {
  const directory = scratch()
  const key = keygen(join(directory, 'signed'))
  const plain = await agentWith(directory, [key])
  expect(await agentKeyTypes(plain)).toEqual(['ssh-ed25519'])
  expect(await reasonForOpenSsh(inventory(directory, { keys: [], agent: plain }))).toBeUndefined()
  execFileSync('ssh-keygen', ['-q', '-s', keygen(join(directory, 'authority')), '-I', 'me', `${key}.pub`])
  execFileSync('ssh-add', ['-q', key], { env: { ...process.env, SSH_AUTH_SOCK: plain }, stdio: 'ignore' })
  expect(await agentKeyTypes(plain)).toEqual(['ssh-ed25519', 'ssh-ed25519-cert-v01@openssh.com'])
  const reason = 'the agent has a key of type ssh-ed25519-cert-v01@openssh.com'
  expect(await reasonForOpenSsh(inventory(directory, { keys: [], agent: plain }))).toBe(reason)
  expect(await reasonForOpenSsh(inventory(directory, { agent: plain, agentKeys: 'all' }))).toBe(reason)
  expect(await reasonForOpenSsh(inventory(directory, { agent: plain }))).toBeUndefined()
})

test('an agent that does not answer, or answers something else, has no keys', async () => {
  expect(await agentKeyTypes(undefined)).toEqual([])
  expect(await agentKeyTypes('none')).toEqual([])
  expect(await agentKeyTypes('/nowhere/agent')).toEqual([])
})

test('an authority in known_hosts needs OpenSSH if it is for this host, and the key of the host is not known', async () => {
  const directory = scratch()
  const file = join(directory, 'known_hosts')
  const line = (names: string, key: string): string => `${names} ssh-ed25519 ${wireOf(keygen(join(directory, key)))}\n`
  writeFileSync(file, `@cert-authority ${line('web,*.example.com', 'authority')}`)
  expect(await reasonForOpenSsh(inventory(directory))).toBe(`${file}:1 has a certificate authority for it`)
  expect(await reasonForOpenSsh(inventory(directory, { address: 'other' }))).toBeUndefined()
  writeFileSync(file, `@cert-authority ${line('*', 'authority')}${line('web', 'host')}`)
  expect(await reasonForOpenSsh(inventory(directory))).toBeUndefined()
})

test('hosts behind a jump host that needs OpenSSH use OpenSSH as well', async () => {
  const directory = scratch()
  writeFileSync(join(directory, 'ssh'), '#!/bin/sh\nprintf "hostname gate\\nproxycommand nc gate 22\\n"\n', { mode: 0o755 })
  vi.stubEnv('PATH', `${directory}:${process.env.PATH}`)
  expect(await reasonForOpenSsh(inventory(directory, { jump: ['ops@gate'] }))).toBe('jump host ops@gate: ProxyCommand nc gate 22')
})

test('ssh2 refuses a ProxyCommand', async () => {
  const needs = inventory(scratch(), { sshNeeds: ['ProxyCommand nc %h %p'], transport: 'ssh2' })
  expect(await problemOf(connect(needs))).toMatchObject({
    class: 'input',
    where: { host: 'web-01' },
    what: 'ProxyCommand is not possible with transport ssh2',
    why: 'your SSH configuration sets ProxyCommand nc %h %p',
  })
})

test('a server that ssh2 has no algorithm in common with is reached with OpenSSH, at once by later connections', async () => {
  const directory = scratch()
  const key = keygen(join(directory, 'key'))
  let connections = 0
  const server = await sshServer({
    ...{ directory, accepts: wireOf(key), algorithms: { cipher: ['aes128-ctr'], hmac: ['hmac-sha1'] } },
    execute: (_, channel) => {
      channel.exit(0)
      channel.end()
    },
    serves: () => {
      connections += 1
      return true
    },
  })
  const target = targetOf(directory, server, { keys: [key], transport: 'auto' })
  const heard: string[] = []
  const options = { onTransport: (what: string) => heard.push(what) }
  expect(await execOn(target, ':', options)).toBe(0)
  expect(connections).toBe(2)
  expect(await execOn({ ...target }, ':', options)).toBe(0)
  expect(connections).toBe(3)
  const reason = expect.stringMatching(/^connects with OpenSSH: ssh2 has no algorithm in common with it \(no matching .* MAC\)$/)
  expect(heard).toEqual([reason, reason])
  expect((await fetchHostKeys(target)).map(({ type, verdict }) => [type, verdict.status])).toEqual([['ssh-ed25519', 'known']])
  expect(await problemOf(execOn({ ...target, transport: 'ssh2' }, ':'))).toMatchObject({
    what: 'connection failed during the key exchange',
  })
})

test('a failure for another reason than the algorithms is not tried with OpenSSH', async () => {
  const directory = scratch()
  const port = await peer((socket) => void socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))
  const target = targetOf(directory, { port, hostKey: keygen(join(directory, 'host')) }, { keys: [keygen(join(directory, 'key'))] })
  const heard: string[] = []
  const problem = await problemOf(connect({ ...target, transport: 'auto' }, { onTransport: (what) => heard.push(what) }))
  expect([problem.what, heard]).toEqual([`service on 127.0.0.1, port ${port} is not sshd`, []])
})
