import { readFileSync, writeFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { connect } from '../../../../src/host/ssh/connect.ts'
import type { Target } from '../../../../src/host/target/connection.ts'
import { problemOf } from '../../problem-of.ts'
import { keygen, type SshServer, scratch, sshServer, targetOf, wireOf } from './ssh-server.ts'

/** A host behind a jump host, which counts its open connections. */
const behindGate = async (otherwise: Partial<Target> = {}) => {
  const [directory, gateDirectory] = [scratch(), scratch()]
  const key = keygen(join(directory, 'key'))
  const open = new Set<Socket>()
  const host = await sshServer({ directory, accepts: wireOf(key) })
  const gate = await sshServer({
    directory: gateDirectory,
    accepts: wireOf(key),
    forwards: true,
    serves: (socket) => {
      open.add(socket.on('close', () => open.delete(socket)))
      return true
    },
  })
  const jump = `ops@127.0.0.1:${gate.port}`
  const target = targetOf(directory, host, { keys: [key], jump: [jump], ...otherwise })
  const line = ({ port, hostKey }: SshServer): string => `[127.0.0.1]:${port} ${readFileSync(`${hostKey}.pub`, 'utf8')}`
  writeFileSync(target.knownHosts[0] ?? '', line(host) + line(gate))
  return { target, gate, host, jump, open, directory }
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
