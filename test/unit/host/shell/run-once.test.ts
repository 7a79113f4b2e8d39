import { describe, expect, test } from 'vitest'
import { runOnce } from '../../../../src/host/shell/run-once.ts'
import { problemOf } from '../../problem-of.ts'
import { localHost } from './local-host.ts'

describe('a separate connection', () => {
  test('runs a script once', async () => {
    const host = await localHost()
    const { code, stdout } = await runOnce(host.target, 'echo in; exit 2', { deadlineMs: 10_000 })
    expect([code, stdout.toString()]).toEqual([2, 'in\n'])
  })

  test('is retried until it works', async () => {
    const host = await localHost({
      instead: (count, channel) => {
        if (count > 2) return false
        channel.exit(1)
        channel.end()
        return true
      },
    })
    const began = Date.now()
    expect((await runOnce(host.target, 'echo in', { deadlineMs: 10_000 })).stdout.toString()).toBe('in\n')
    expect(host.commands).toHaveLength(3)
    // Pauses of 250 and 500 ms.
    expect(Date.now() - began).toBeGreaterThan(740)
  })

  test('ends with the last problem at the deadline', async () => {
    const host = await localHost()
    const began = Date.now()
    expect(await problemOf(runOnce({ ...host.target, port: 1 }, ':', { deadlineMs: 600 }))).toMatchObject({
      what: '127.0.0.1, port 1 refused the connection',
    })
    expect(Date.now() - began).toBeLessThan(6000)
  })

  test('is not retried more than twice after a refused login', async () => {
    const host = await localHost()
    const other = await localHost()
    const target = { ...host.target, keys: other.target.keys }
    expect(await problemOf(runOnce(target, ':', { deadlineMs: 20_000 }))).toMatchObject({ what: 'login as root was refused' })
    expect(host.sockets).toHaveLength(2)
  })

  test('leaves nothing behind on the host, and closes', async () => {
    const host = await localHost()
    await runOnce(host.target, ':', { deadlineMs: 10_000 })
    expect(host.remains()).toEqual([])
    await expect.poll(() => host.sockets[0]?.destroyed).toBe(true)
  })

  test('that never opens its shell fails at the deadline, and closes', async () => {
    const host = await localHost({ instead: () => true })
    const began = Date.now()
    expect(await problemOf(runOnce(host.target, ':', { deadlineMs: 600 }))).toMatchObject({
      class: 'unreachable',
      where: { host: 'web-01' },
      what: 'new connection failed within 1 s',
      fix: 'check on the host that sshd runs (systemctl status ssh) and that its firewall permits this machine',
    })
    expect(Date.now() - began).toBeLessThan(8000)
    await expect.poll(() => host.sockets[0]?.destroyed).toBe(true)
    expect(host.commands).toHaveLength(1)
  })

  test('whose script takes too long fails at the deadline, and closes', async () => {
    const host = await localHost()
    const began = Date.now()
    expect(await problemOf(runOnce(host.target, 'sleep 30', { deadlineMs: 800 }))).toMatchObject({ class: 'unreachable' })
    expect(Date.now() - began).toBeLessThan(8000)
    await expect.poll(() => host.sockets.every(({ destroyed }) => destroyed)).toBe(true)
  })

  test('is not retried after a problem of its own side', async () => {
    const host = await localHost()
    const began = Date.now()
    const target = { ...host.target, keys: ['/nowhere/key'] }
    expect(await problemOf(runOnce(target, ':', { deadlineMs: 10_000 }))).toMatchObject({ class: 'input', what: 'key file does not exist' })
    expect(Date.now() - began).toBeLessThan(8000)
    await expect(runOnce({ ...target, keys: undefined as never }, ':', { deadlineMs: 10_000 })).rejects.toThrow(TypeError)
  })
})
