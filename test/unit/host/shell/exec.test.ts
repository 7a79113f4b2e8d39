import { getEventListeners } from 'node:events'
import { describe, expect, test } from 'vitest'
import { execOn } from '../../../../src/host/shell/exec.ts'
import { problemOf } from '../../problem-of.ts'
import { hostServedBy, localHost } from './local-host.ts'

describe('a command', () => {
  test.each([true, false])('has empty input, separate outputs and its own exit status (sudo: %s)', async (sudo) => {
    const host = await localHost()
    const out: Record<'stdout' | 'stderr', string> = { stdout: '', stderr: '' }
    const code = await execOn(host.target, "cat; echo 'it''s'; echo err >&2; exit 6", {
      sudo,
      onStdout: (chunk) => {
        out.stdout += chunk
      },
      onStderr: (chunk) => {
        out.stderr += chunk
      },
    })
    expect([code, out]).toEqual([6, { stdout: 'its\n', stderr: 'err\n' }])
    // Without sudo, the login shell of the user runs it.
    expect(host.commands[0]?.startsWith('cat; echo')).toBe(!sudo)
  })

  test('that a signal ended is reported without an exit status', async () => {
    const host = await localHost()
    expect(await problemOf(execOn(host.target, 'kill -9 $$'))).toMatchObject({
      class: 'unreachable',
      what: 'exit status of the command is not known: the connection was lost, or a signal ended the command',
    })
  })

  test.each([true, false])('needs no listener for its output, and may exit like a refused shell (sudo: %s)', async (sudo) => {
    const host = await localHost()
    expect(await execOn(host.target, 'echo out; echo err >&2; exit 93', { sudo })).toBe(93)
    await expect.poll(() => host.sockets.every(({ destroyed }) => destroyed)).toBe(true)
  })

  test('of root that prints at once loses nothing', async () => {
    const { target } = await hostServedBy((channel, word) => {
      channel.write(`${word} open\nout\n`)
      channel.stderr.write('err\n')
      channel.exit(3)
      channel.end()
    })
    let [out, err] = ['', '']
    const code = await execOn(target, 'quick', { sudo: true, onStdout: (chunk) => (out += chunk), onStderr: (chunk) => (err += chunk) })
    expect([code, out, err]).toEqual([3, 'out\n', 'err\n'])
  })

  test.each([true, false])('ends with the reason of the signal, and its connection is closed (sudo: %s)', async (sudo) => {
    const host = await localHost()
    const stop = new AbortController()
    const options = { sudo, signal: stop.signal, onStdout: () => stop.abort(new Error('stop')) }
    await expect(execOn(host.target, 'echo begun; sleep 30', options)).rejects.toThrow('stop')
    expect(getEventListeners(stop.signal, 'abort')).toEqual([])
    await expect.poll(() => host.sockets[0]?.destroyed).toBe(true)
  })

  test('that is lost with its connection has an unknown exit status', async () => {
    const host = await localHost()
    const onStdout = (): void => void host.sockets[0]?.destroy()
    expect(await problemOf(execOn(host.target, 'echo begun; sleep 30', { onStdout }))).toMatchObject({
      class: 'unreachable',
      where: { host: 'web-01' },
      fix: 'check on the host whether the command is still running, and what it did',
    })
  })
})
