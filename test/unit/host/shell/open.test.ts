import { setTimeout as sleep } from 'node:timers/promises'
import type { ServerChannel } from 'ssh2'
import { describe, expect, test } from 'vitest'
import { openShell } from '../../../../src/host/shell/open.ts'
import { problemOf } from '../../problem-of.ts'
import { LOCK, localHost, opened, textOf } from './local-host.ts'

describe('the lock', () => {
  test('refuses a second run with the holder, its state and its processes, and is free after the first', async () => {
    const host = await localHost()
    const shell = await opened(host, { lock: LOCK })
    const problem = await problemOf(openShell(host.target, { lock: { ...LOCK, user: 'ann' } }))
    expect(problem).toMatchObject({
      class: 'task',
      where: { host: 'web-01' },
      what: 'host is locked by jane on laptop since 2026-11-29T10:00:00Z (run)',
      fix: 'wait until that run ends, or run with --wait',
    })
    expect(problem.why).toMatch(/^the run is alive; processes with the lock: sh\(\d+\)/)
    expect(await textOf(shell, 'echo alive')).toBe('alive\n')
    await shell.close()
    await (await opened(host, { lock: LOCK })).close()
  })

  test('is not needed for reading', async () => {
    const host = await localHost()
    await opened(host, { lock: LOCK })
    expect(await textOf(await opened(host), 'echo in')).toBe('in\n')
  })

  test('is waited for with `wait`, and the waiting run names the holder', async () => {
    const host = await localHost()
    const shell = await opened(host, { lock: LOCK })
    const waiting: string[] = []
    const second = openShell(host.target, { lock: { ...LOCK, user: 'ann' }, wait: true, onWaiting: (holder) => waiting.push(holder) })
    await expect.poll(() => waiting.length, { timeout: 5000 }).toBeGreaterThan(0)
    expect(waiting[0]).toMatch(/^locked by jane on laptop since .* \(run\): the run is alive \(sh\(\d+\)/)
    await shell.close()
    const next = await second
    expect(await textOf(next, 'echo mine')).toBe('mine\n')
    await next.close()
  })

  test('of an idle shell that does not notice that its controller is gone is taken at once, and the shell is killed', async () => {
    const host = await localHost({ isDeaf: true })
    const shell = await opened(host, { lock: LOCK })
    const pid = (await textOf(shell, 'echo $$')).trim()
    host.sockets[0]?.destroy()
    const waiting: string[] = []
    const second = await opened(host, { lock: { ...LOCK, user: 'ann' }, onWaiting: (holder) => waiting.push(holder) })
    expect(waiting.join('\n')).toContain('the controller of the run is gone')
    expect(await textOf(second, `[ -e /proc/${pid}/exe ] || echo killed`)).toBe('killed\n')
    expect(host.remains().filter((name) => /^\.\d/.test(name))).toHaveLength(1)
  })

  test('of a controller whose connection is gone is taken after its last step', async () => {
    const host = await localHost()
    const shell = await opened(host, { lock: LOCK })
    const step = shell.request('sleep 1.3; echo done >"$T/../done"').catch(() => undefined)
    await sleep(300)
    host.sockets[0]?.destroy()
    const began = Date.now()
    const waiting: string[] = []
    const second = await opened(host, { lock: { ...LOCK, user: 'ann' }, onWaiting: (holder) => waiting.push(holder) })
    await step
    expect(Date.now() - began).toBeGreaterThan(800)
    expect(waiting.join('\n')).toMatch(/the controller of the run is gone|the run has ended, and its last step is still running/)
    expect(await textOf(second, 'cat "$T/../done"; rm "$T/../done"')).toBe('done\n')
    // The directory of the killed shell is removed.
    expect(host.remains().filter((name) => /^\.\d/.test(name))).toHaveLength(1)
  })
})

describe('a host that does not follow the protocol', () => {
  const host = (serve: (channel: ServerChannel, word: string) => void) =>
    localHost({
      instead: (_, channel, word) => {
        channel.write(word)
        serve(channel, word)
        return true
      },
    })

  test('cannot send output without end', async () => {
    const { target } = await host((channel) => void channel.write(Buffer.alloc(70_000, '0')))
    expect(await problemOf(openShell(target))).toMatchObject({
      class: 'unreachable',
      what: 'root shell sends output without end',
      fix: 'check the host: its root shell does not follow the protocol',
    })
  })

  test('cannot keep a run waiting forever', async () => {
    const { target } = await host((channel, word) => {
      const status = setInterval(() => channel.write(`${word} wait busy 3\n{}\n\n`), 50)
      channel.on('close', () => clearInterval(status))
    })
    const heard: string[] = []
    expect(await problemOf(openShell(target, { lock: LOCK, patienceMs: 400, onWaiting: (holder) => heard.push(holder) }))).toMatchObject({
      class: 'unreachable',
      what: 'root shell did not open within 0.4 s, longer than its limit for waiting for the lock',
    })
    expect(heard.length).toBeGreaterThan(2)
  })

  test('is refused if it reports a lock', async () => {
    const { target } = await host((channel, word) => void channel.write(`${word} locked alive 3\n${JSON.stringify(LOCK)}\n sh(7)\n`))
    expect(await problemOf(openShell(target, { lock: LOCK }))).toMatchObject({
      class: 'task',
      what: 'host is locked by jane on laptop since 2026-11-29T10:00:00Z (run)',
      why: 'the run is alive; processes with the lock: sh(7)',
    })
  })

  test('is named with the exit status of its shell and its last words', async () => {
    const { target } = await host((channel) => {
      channel.stderr.write('mkdir: No space left on device\n')
      channel.exit(96)
      channel.end()
    })
    expect(await problemOf(openShell(target))).toMatchObject({
      class: 'unreachable',
      what: 'root shell could not be set up (exit 96)',
      why: 'mkdir: No space left on device',
      fix: 'check on the host that /run is writable and util-linux is installed',
    })
  })

  test('is reported if the connection ends while the shell starts', async () => {
    const { target } = await host((channel) => {
      channel.exit('KILL', false)
      channel.end()
    })
    expect(await problemOf(openShell(target))).toMatchObject({ what: 'connection was lost while the root shell started' })
  })
})
