import { readFileSync, writeFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, expect, test, vi } from 'vitest'
import { connect } from '../../../../src/host/ssh/connect.ts'
import { bastionOf } from '../../../../src/host/ssh/jump.ts'
import type { Target } from '../../../../src/host/target/connection.ts'
import { fetchHostKeys } from '../../../../src/host/transport/trust.ts'
import { Secret } from '../../../../src/secret/secret.ts'
import { problemOf } from '../../problem-of.ts'
import { keygen, peer, type SshServer, scratch, sshServer, targetOf, wireOf } from './ssh-server.ts'

afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllEnvs()
})

/** A host behind a jump host, which counts its open connections. */
const behindGate = async (otherwise: Partial<Target> = {}, behaviour: Partial<Parameters<typeof sshServer>[0]> = {}) => {
  const [directory, gateDirectory] = [scratch(), scratch()]
  const key = keygen(join(directory, 'key'))
  const open = new Set<Socket>()
  const host = await sshServer({ directory, accepts: wireOf(key) })
  const gate = await sshServer({
    ...{ directory: gateDirectory, accepts: wireOf(key), forwards: true, ...behaviour },
    serves: (socket) => {
      open.add(socket.on('close', () => open.delete(socket)))
      return true
    },
  })
  const jump = `ops@127.0.0.1:${gate.port}`
  const target = targetOf(directory, host, { keys: [key], jump: [jump], ...otherwise })
  const line = ({ port, hostKey }: SshServer): string => `[127.0.0.1]:${port} ${readFileSync(`${hostKey}.pub`, 'utf8')}`
  writeFileSync(target.knownHosts[0] ?? '', line(host) + line(gate))
  return { target, gate, host, jump, open, directory, key }
}

test('hosts behind a jump host share one connection to it, which ends with the last of them', async () => {
  const { target, open } = await behindGate()
  const links = await Promise.all([connect(target), connect({ ...target, name: 'web-02' })])
  expect(open.size).toBe(1)
  await links[0]?.close()
  await sleep(300)
  expect([open.size, await Promise.race([links[1]?.gone, sleep(0, 'connected')])]).toEqual([1, 'connected'])
  await links[1]?.close()
  await expect.poll(() => open.size).toBe(0)
  await (await connect(target)).close()
  await expect.poll(() => open.size).toBe(0)
})

test('several jump hosts are used one after the other', async () => {
  const { target, gate, jump, open } = await behindGate()
  const link = await connect({ ...target, jump: [jump, `root@127.0.0.1:${gate.port}`] })
  expect(open.size).toBe(2)
  await link.close()
  await expect.poll(() => open.size).toBe(0)
})

test('a jump host that cannot be used is named with its own reason', async () => {
  const { target } = await behindGate()
  expect(await problemOf(connect({ ...target, jump: ['ops@127.0.0.1:1'] }, { retries: false }))).toMatchObject({
    class: 'unreachable',
    where: { host: 'web-01' },
    what: 'jump host ops@127.0.0.1:1 cannot be used: 127.0.0.1, port 1 refused the connection',
    fix: 'correct the address or the port in the inventory, or start sshd on the host: systemctl start ssh',
  })
})

test('a host that its jump host cannot reach is named', async () => {
  const { target, jump, open } = await behindGate()
  expect(await problemOf(connect({ ...target, port: 1 }, { retries: false }))).toMatchObject({
    class: 'unreachable',
    where: { host: 'web-01' },
    what: `jump host ${jump} cannot reach 127.0.0.1, port 1`,
  })
  await expect.poll(() => open.size).toBe(0)
})

test('an unknown host key of a jump host is refused, and accept-new applies to both', async () => {
  const { target, jump, gate, directory } = await behindGate()
  const knownHosts = [join(directory, 'empty')]
  expect(await problemOf(connect({ ...target, knownHosts }))).toMatchObject({
    where: { host: 'web-01' },
    what: expect.stringContaining(`jump host ${jump} cannot be used: host key of ${jump} is not known`),
  })
  await (await connect({ ...target, knownHosts, hostKeys: 'accept-new' })).close()
  expect(readFileSync(knownHosts[0] ?? '', 'utf8').match(/^\[127\.0\.0\.1\]:\d+/gm)).toEqual([
    `[127.0.0.1]:${gate.port}`,
    `[127.0.0.1]:${target.port}`,
  ])
})

test('a jump host that is reached through itself is an input problem, and no deadlock', async () => {
  const { target, jump } = await behindGate()
  expect(await problemOf(connect({ ...target, jump: [jump, jump] }))).toMatchObject({
    class: 'input',
    what: `jump host ${jump} is reached through itself`,
  })
})

test('a host that refuses the login, or that is no sshd, releases its jump host', async () => {
  const { target, open, directory } = await behindGate()
  const other = keygen(join(directory, 'other'))
  const first = await connect(target)
  const lost = { ...target, keys: [...target.keys, other], user: 'nobody' }
  await (await connect(lost)).close()
  await first.close()
  await expect.poll(() => open.size).toBe(0)
  const silent = await peer((socket) => void socket.destroy())
  expect(await problemOf(connect({ ...target, port: silent }, { retries: false }))).toMatchObject({ where: { host: 'web-01' } })
  await expect.poll(() => open.size).toBe(0)
  const foreign = await peer((socket) => void socket.write('HTTP/1.1 400 Bad Request\r\n'))
  expect(await problemOf(connect({ ...target, port: foreign }))).toMatchObject({
    what: `service on 127.0.0.1, port ${foreign} is not sshd`,
  })
  await expect.poll(() => open.size).toBe(0)
  expect(await problemOf(fetchHostKeys({ ...target, port: foreign }))).toMatchObject({ class: 'unreachable' })
  expect(await fetchHostKeys(target)).toMatchObject([{ type: 'ssh-ed25519', verdict: { status: 'known' } }])
  await expect.poll(() => open.size).toBe(0)
})

test('hosts with other keys or other known_hosts files do not use the connection of another', async () => {
  const { target, jump, open, directory } = await behindGate()
  const link = await connect(target)
  const other = keygen(join(directory, 'other'))
  expect(await problemOf(connect({ ...target, keys: [other] }))).toMatchObject({
    class: 'unreachable',
    where: { host: 'web-01' },
    what: `jump host ${jump} cannot be used: login as ops was refused`,
    why: expect.stringContaining('/other ('),
  })
  expect(await problemOf(connect({ ...target, knownHosts: [join(directory, 'none')] }))).toMatchObject({
    what: `jump host ${jump} cannot be used: host key of ${jump} is not known`,
  })
  await expect.poll(() => open.size).toBe(1)
  await link.close()
})

test('after the loss of a jump host, the next host connects to it again', async () => {
  const { target, open } = await behindGate()
  const [first, second] = await Promise.all([connect(target), connect({ ...target, name: 'web-02' })])
  for (const socket of open) socket.destroy()
  await Promise.all([first?.gone, second?.gone])
  await (await connect(target)).close()
  await expect.poll(() => open.size).toBe(0)
})

test('more hosts than may log in at once share a jump host', async () => {
  const { target, open } = await behindGate()
  const links = await Promise.all(Array.from({ length: 21 }, (_, i) => connect({ ...target, name: `web-${i}` })))
  expect(open.size).toBe(1)
  await Promise.all(links.map((link) => link.close()))
  await expect.poll(() => open.size).toBe(0)
})

test('a jump host that forwards nothing for fifteen seconds is named', async () => {
  let asked = 0
  const { target, jump, open } = await behindGate({}, { forwards: () => (asked += 1) })
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  const problem = problemOf(connect(target))
  while (asked === 0) await sleep(5)
  await vi.advanceTimersByTimeAsync(15_000)
  expect(await problem).toMatchObject({
    class: 'unreachable',
    where: { host: 'web-01' },
    what: `jump host ${jump} did not reach 127.0.0.1, port ${target.port} within 15 s`,
    fix: 'check that the host is up and that the jump host can reach it',
  })
  vi.useRealTimers()
  await expect.poll(() => open.size).toBe(0)
})

test('a jump host has the passphrase and the keys of the host, behind its own of the ssh configuration', async () => {
  const { target, gate, directory, jump, key } = await behindGate()
  const [own, locked] = [keygen(join(directory, 'own')), keygen(join(directory, 'locked'), '-N', 'open sesame', '-a', '1')]
  const known = join(directory, 'known_of_gate')
  const [hostLine = '', gateLine = ''] = readFileSync(target.knownHosts[0] ?? '', 'utf8').split(/(?<=\n)/)
  writeFileSync(target.knownHosts[0] ?? '', hostLine)
  writeFileSync(known, gateLine)
  configured({ [jump]: [`hostname 127.0.0.1`, `port ${gate.port}`, 'user ops', `identityfile ${own}`, `userknownhostsfile ${known}`] })
  const keys = [locked, own, key]
  await (await connect({ ...target, keys, passphrase: new Secret('open sesame') })).close()
  expect(gate.offered).toEqual([own, locked, key].map(wireOf))
})

test('an input problem of a jump host is reported as it is', async () => {
  const { target, gate, jump } = await behindGate()
  configured({ [jump]: ['hostname 127.0.0.1', `port ${gate.port}`, 'user ops'] })
  expect(await problemOf(connect({ ...target, knownHosts: [], hostKeys: 'accept-new' }))).toMatchObject({
    class: 'input',
    where: { host: jump },
    what: 'host has no known_hosts file to which its keys can be added',
  })
})

test('a chain of jump hosts in the ssh configuration that leads back is an input problem', async () => {
  const { target } = await behindGate()
  configured({ one: ['proxyjump two'], two: ['proxyjump three'], three: ['proxyjump one'] })
  expect(await problemOf(connect({ ...target, jump: ['one'] }))).toMatchObject({
    class: 'input',
    where: { command: 'ssh -G three' },
    what: 'jump host one is reached through itself',
    why: 'ProxyJump of three is one',
    fix: 'exclude the jump host from ProxyJump in ~/.ssh/config: Host * !GATE',
  })
})

test('hosts that are named before a jump host replace its own ProxyJump and ProxyCommand, as with ssh -J', async () => {
  const { target } = await behindGate()
  configured({ one: ['proxyjump zero'], two: ['proxyjump three', 'proxycommand nc', 'certificatefile /c'] })
  const two = await bastionOf({ ...target, jump: ['one', 'two'] })
  expect(two).toMatchObject({ jump: ['one'], sshNeeds: ['CertificateFile /c'] })
  expect(await bastionOf(two)).toMatchObject({ name: 'one', jump: ['zero'] })
  expect(await bastionOf({ ...target, jump: ['two'] })).toMatchObject({
    jump: ['three'],
    sshNeeds: ['ProxyCommand nc', 'CertificateFile /c'],
  })
})

/** Replaces ssh by one that prints these settings for a destination. */
const configured = (settings: Readonly<Record<string, readonly string[]>>): void => {
  const directory = scratch()
  const cases = Object.entries(settings).map(([destination, lines]) => {
    const [user, rest] = destination.includes('@') ? destination.split('@') : [undefined, destination]
    const [host, port] = rest?.split(':') ?? []
    return `'${[...(user ? ['-l', user] : []), ...(port ? ['-p', port] : []), '--', host].join(' ')}') printf '%s\\n' ${lines.map((line) => `'${line}'`).join(' ')} ;;`
  })
  writeFileSync(join(directory, 'ssh'), `#!/bin/sh\nshift 3; case $* in\n${cases.join('\n')}\nesac\n`, { mode: 0o755 })
  vi.stubEnv('PATH', `${directory}:${process.env.PATH}`)
}
