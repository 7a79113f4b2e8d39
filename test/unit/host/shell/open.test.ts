import { setTimeout as sleep } from 'node:timers/promises'
import type { ServerChannel } from 'ssh2'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { openShell } from '../../../../src/host/shell/open.ts'
import { problemOf } from '../../problem-of.ts'
import { emptyAnswer, hostServedBy, LOCK, localHost, opened, passiveHost, textOf } from './local-host.ts'

// Only timers of this process: connections and processes are real.
const TIMERS = { toFake: ['setTimeout', 'clearTimeout'] } as const satisfies Parameters<typeof vi.useFakeTimers>[0]
afterEach(() => void vi.useRealTimers())

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
  test('cannot send output without end', async () => {
    let channel: ServerChannel | undefined
    const host = await hostServedBy((opened) => {
      channel = opened
      opened.write(Buffer.alloc(65_536, '0'))
    })
    let isOver = false
    const problem = problemOf(openShell(host.target)).finally(() => (isOver = true))
    await expect.poll(() => host.commands.length).toBe(1)
    await sleep(100)
    expect(isOver).toBe(false)
    channel?.write('0')
    expect(await problem).toMatchObject({
      class: 'unreachable',
      where: { host: 'web-01' },
      what: 'root shell sends output without end',
      fix: 'check the host: its root shell does not follow the protocol',
    })
    await expect.poll(() => host.sockets[0]?.destroyed).toBe(true)
  })

  test('is given up if it is silent for a minute', async () => {
    const host = await hostServedBy((channel) => channel.stderr.write('looking for a lock\n'))
    vi.useFakeTimers(TIMERS)
    const problem = problemOf(openShell(host.target, { lock: LOCK, wait: true }))
    while (host.commands.length === 0) await sleep(10)
    await sleep(50)
    await vi.advanceTimersByTimeAsync(60_000)
    expect(await problem).toMatchObject({
      class: 'unreachable',
      what: 'root shell sent no valid status for 60 s',
      why: 'looking for a lock',
      fix: 'check the host: its root shell does not follow the protocol',
    })
    await expect.poll(() => host.sockets[0]?.destroyed).toBe(true)
  })

  /** Opens a shell on a host that reports a holder every 50 seconds, for `seconds`; returns how often it was heard. */
  const reporting = async (seconds: number, options: Parameters<typeof openShell>[1]) => {
    let status = (): unknown => undefined
    const { target, commands } = await hostServedBy((channel, word) => {
      status = () => channel.write(`${word} wait busy 3\n${JSON.stringify(LOCK)}\n\n`)
    })
    const heard: string[] = []
    vi.useFakeTimers(TIMERS)
    const problem = problemOf(openShell(target, { ...options, onWaiting: (holder) => heard.push(holder) }))
    while (commands.length === 0) await sleep(10)
    for (let time = 0; time < seconds; time += 50) {
      status()
      for (let tries = 0; heard.length <= time / 50 && tries < 100; tries += 1) await sleep(5)
      await vi.advanceTimersByTimeAsync(50_000)
    }
    return { heard, problem }
  }

  test.each([
    [100, 60, 'without the lock', {}],
    [1000, 960, 'with the lock', { lock: LOCK }],
    [100, 60, 'without the lock, although it would wait for it', { wait: true }],
  ])('cannot keep a run waiting for %i s, but for %i s %s', async (seconds, limit, _, options) => {
    const { heard, problem } = await reporting(seconds, options)
    expect(await problem).toMatchObject({
      class: 'unreachable',
      what: `root shell did not open within ${limit} s, longer than its limit for waiting for the lock`,
    })
    expect(heard).toHaveLength(seconds / 50)
    expect(heard[0]).toBe('locked by jane on laptop since 2026-11-29T10:00:00Z (run): the run is executing a step')
  })

  test('is waited for as long as it reports a holder, if the run waits', async () => {
    const { heard, problem } = await reporting(1500, { lock: LOCK, wait: true })
    expect(heard).toHaveLength(30)
    await vi.advanceTimersByTimeAsync(10_000)
    expect(await problem).toMatchObject({ what: 'root shell sent no valid status for 60 s' })
  })

  test('has no time limit once it is open', async () => {
    const host = await passiveHost((text, channel) => channel.write(emptyAnswer(text)))
    vi.useFakeTimers(TIMERS)
    const shell = await opened(host)
    await vi.advanceTimersByTimeAsync(1_000_000)
    expect((await shell.request(':')).code).toBe(0)
    expect(shell.sshConnection).toEqual(['10.0.0.1', '5', '10.0.0.2', '22'])
    vi.useRealTimers()
  })

  test('is refused if it reports a lock', async () => {
    const { target } = await hostServedBy(
      (channel, word) => void channel.write(`${word} locked alive 3\n${JSON.stringify(LOCK)}\n sh(7)\n`),
    )
    expect(await problemOf(openShell(target, { lock: LOCK }))).toMatchObject({
      class: 'task',
      what: 'host is locked by jane on laptop since 2026-11-29T10:00:00Z (run)',
      why: 'the run is alive; processes with the lock: sh(7)',
    })
  })

  test('is named with the exit status of its shell and its last words', async () => {
    const { target } = await hostServedBy((channel) => {
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
    const { target } = await hostServedBy((channel) => {
      channel.exit('KILL', false)
      channel.end()
    })
    expect(await problemOf(openShell(target))).toMatchObject({
      class: 'unreachable',
      where: { host: 'web-01' },
      what: 'connection was lost while the root shell started',
      fix: 'check that the host is up, then run again',
    })
  })
})
