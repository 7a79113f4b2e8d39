import { getEventListeners } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { openShell } from '../../../../src/host/shell/open.ts'
import type { PersistentShell } from '../../../../src/host/shell/persistent-shell.ts'
import { Problem } from '../../../../src/problem.ts'
import { Secret } from '../../../../src/secret/secret.ts'
import { problemOf } from '../../problem-of.ts'
import { emptyAnswer, LOCK, localHost, opened, passiveHost, textOf } from './local-host.ts'

// Only timers of this process: connections and processes are real.
const TIMERS = { toFake: ['setTimeout', 'clearTimeout'] } as const satisfies Parameters<typeof vi.useFakeTimers>[0]
afterEach(() => void vi.useRealTimers())

/** Waits without timers of this process, which `expect.poll` would advance. */
const eventually = async (check: () => void): Promise<void> => {
  for (let tries = 0; tries < 100; tries += 1) {
    try {
      return check()
    } catch {
      await sleep(20)
    }
  }
  check()
}

describe('the persistent shell', () => {
  test('answers with output, errors and exit status, in order, and closes without remains', async () => {
    const host = await localHost()
    const shell = await opened(host)
    const [first, second, third] = await Promise.all([
      shell.request('echo one; echo two >&2; exit 3'),
      shell.request('cat', { input: Buffer.from('three\n\0\xff', 'latin1') }),
      shell.request('cat', { input: new Secret('geheim-local') }),
    ])
    expect([first.code, first.stdout.toString(), first.stderr]).toEqual([3, 'one\n', 'two\n'])
    expect(second.stdout.toString('latin1')).toBe('three\n\0\xff')
    expect(third.stdout.toString()).toBe('geheim-local')
    expect(shell.frames).toBe(3)
    const [address, port, , serverPort] = shell.sshConnection
    expect([address, port, serverPort]).toEqual(['127.0.0.1', String(host.sockets[0]?.remotePort), String(host.target.port)])
    await shell.close()
    expect(host.remains()).toEqual([])
    await expect(shell.request(':')).rejects.toThrow('is closed')
  })

  test('answers the request that it was opened with before all others', async () => {
    const host = await localHost()
    const shell = await openShell(host.target, { first: { script: 'cat; exit 3', input: Buffer.from('first') } })
    const second = shell.request('echo second')
    const answer = await shell.first
    expect([answer?.code, answer?.stdout.toString(), (await second).stdout.toString(), shell.frames]).toEqual([3, 'first', 'second\n', 2])
    await shell.close()
  })

  test('sends that request only after the password of sudo', async () => {
    const host = await localHost()
    const target = { ...host.target, user: 'ops', sudoPassword: new Secret('pass word') }
    const shell = await openShell(target, { first: { script: 'echo first' } })
    expect((await shell.first)?.stdout.toString()).toBe('first\n')
    await shell.close()
  })

  test('runs each script in a subshell of a clean environment, with a directory for temporary files', async () => {
    const host = await localHost({ env: { LC_ALL: 'de_DE.UTF-8', HOME: '/nowhere' } })
    const shell = await opened(host)
    await shell.request('x=1; cd /tmp; exit 0')
    expect(await textOf(shell, 'echo "[$x]" "$PWD" "$HOME" "$LC_ALL" "$PATH"; umask; [ -d "$T" ] && stat -c %a "$T"')).toBe(
      '[] / /root C /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n0077\n700\n',
    )
  })

  test('takes scripts and inputs of any length', async () => {
    const shell = await opened(await localHost())
    const long = `${': padding\n'.repeat(1000)}printf %s "$((1+1))"\n`
    expect(await textOf(shell, long)).toBe('2')
    const big = Buffer.alloc(300_000, 'x')
    expect(await textOf(shell, 'wc -c', { input: big })).toMatch(/^ *300000\n$/)
  })

  test('passes complete lines on while a script runs, and refuses more output than permitted', async () => {
    const shell = await opened(await localHost())
    const lines: string[] = []
    await shell.request('printf "a\\nb"; printf "c\\nd"', { onLine: (line) => lines.push(line) })
    expect(lines).toEqual(['a', 'bc', 'd'])
    expect(await problemOf(shell.request('head -c 3000 /dev/zero', { maxBytes: 2048 }))).toMatchObject({
      class: 'task',
      where: { host: 'web-01' },
      what: 'output of a script exceeds 2 KB',
    })
    expect(await textOf(shell, 'head -c 2048 /dev/zero', { maxBytes: 2048 })).toHaveLength(2048)
    expect(await problemOf(shell.request('head -c 2049 /dev/zero', { maxBytes: 2048 }))).toMatchObject({ class: 'task' })
  })

  test('ends the connection of a script that prints more than 256 MB', async () => {
    let mark = ''
    const host = await passiveHost((text) => {
      mark = /[0-9a-f]{32}(?=\n$)/.exec(text)?.[0] ?? ''
    })
    const shell = (await opened(host)) as PersistentShell
    const problem = problemOf(shell.request('yes', { maxBytes: 1000 }))
    await expect.poll(() => mark).not.toBe('')
    const piece = Buffer.alloc(16 * 1024 * 1024)
    shell.take(Buffer.from(`${mark}+`))
    for (let i = 0; i < 16; i += 1) shell.take(piece)
    expect(host.sockets[0]?.destroyed).toBe(false)
    shell.take(Buffer.from('x'))
    expect(await problem).toMatchObject({ class: 'unreachable', what: 'output of a script exceeds 256 MB' })
    await expect.poll(() => host.sockets[0]?.destroyed).toBe(true)
  })

  test('names the reason for a lost connection', async () => {
    const host = await localHost()
    const shell = await opened(host)
    const problem = problemOf(shell.request('sleep 30'))
    host.sockets[0]?.resetAndDestroy()
    expect(await problem).toMatchObject({ what: 'connection was lost', why: expect.stringMatching(/^read ECONNRESET$|Broken pipe|reset/) })
  })

  test('loses all pending requests if the connection is cut, and reports that a started step finishes', async () => {
    const host = await localHost()
    const shell = await opened(host)
    const pending = [problemOf(shell.request('sleep 30')), problemOf(shell.request(':'))]
    await sleep(100)
    host.sockets[0]?.destroy()
    for (const problem of await Promise.all(pending))
      expect(problem).toMatchObject({ class: 'unreachable', where: { host: 'web-01' }, what: 'connection was lost' })
    expect((await problemOf(shell.request(':'))).fix).toContain('a started step finishes by itself, and no other was started')
  })

  test('names the exit status of a root shell that ended, and its last words, and ends the connection', async () => {
    const host = await localHost()
    const shell = await opened(host)
    const pending = [problemOf(shell.request('kill -9 $$')), problemOf(shell.request(':'))]
    for (const problem of await Promise.all(pending))
      expect(problem).toMatchObject({ class: 'unreachable', where: { host: 'web-01' }, what: 'connection was lost' })
    await expect.poll(() => host.sockets[0]?.destroyed).toBe(true)
    const other = await passiveHost((text, channel) => {
      if (!text.includes('exit-now')) return
      channel.stderr.write('oops\n')
      channel.exit(5)
      channel.end()
    })
    const last = { what: 'root shell ended (exit 5)', why: 'oops' }
    expect(await problemOf((await opened(other)).request('exit-now'))).toMatchObject(last)
  })

  test.each<[string, string, object]>([
    ['script', `: ${'x'.repeat(3000)}`, {}],
    ['input', 'cat', { input: Buffer.from('x') }],
  ])('reports a host without room for a %s, which is not executed', async (_, script, options) => {
    const shell = await opened(await localHost())
    await shell.request('rm -rf "$T"')
    expect(await problemOf(shell.request(script, options))).toMatchObject({
      class: 'unreachable',
      what: 'host could not store a request: /run is full',
      why: expect.stringContaining('cannot create'),
    })
  })

  test('closes after the pending requests, however long they take', async () => {
    const shell = await opened(await localHost())
    vi.useFakeTimers(TIMERS)
    const answers = ['sleep 0.3; echo one', 'echo two'].map((script) => textOf(shell, script))
    const closed = shell.close()
    expect(shell.close()).toBe(closed)
    await vi.advanceTimersByTimeAsync(60_000)
    expect(await Promise.all(answers)).toEqual(['one\n', 'two\n'])
    await closed
  })

  test('closes after five seconds if the host does not end it', async () => {
    const host = await passiveHost(undefined, true)
    const shell = await opened(host)
    vi.useFakeTimers(TIMERS)
    let isClosed = false
    const closed = shell.close().then(() => (isClosed = true))
    await vi.advanceTimersByTimeAsync(4_999)
    expect([isClosed, host.sockets[0]?.destroyed]).toEqual([false, false])
    await vi.advanceTimersByTimeAsync(1)
    await vi.waitFor(async () => {
      await vi.advanceTimersByTimeAsync(2_000)
      expect(isClosed).toBe(true)
    })
    await closed
    await expect.poll(() => host.sockets[0]?.destroyed).toBe(true)
  })

  test('that holds the lock sends a heartbeat every ten seconds, except during a step', async () => {
    const [reading, closing] = [await passiveHost(), await passiveHost()]
    const holding = await passiveHost((text, channel) => text.includes('\n:\n') && channel.write(emptyAnswer(text)))
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    const reader = await opened(reading)
    await (await opened(closing, { lock: LOCK })).close()
    const holder = await opened(holding, { lock: LOCK })
    await vi.advanceTimersByTimeAsync(9_999)
    expect(holding.requests()).toEqual([])
    await vi.advanceTimersByTimeAsync(1)
    await eventually(() => expect(holding.requests()).toEqual([':\n']))
    // The answer must have arrived as well: no heartbeat is sent while a request is pending.
    await sleep(100)
    await vi.advanceTimersByTimeAsync(10_000)
    await eventually(() => expect(holding.requests()).toEqual([':\n', ':\n']))
    expect(holder.frames).toBe(0)
    const step = problemOf(holder.request('step'))
    await eventually(() => expect(holding.requests()).toHaveLength(3))
    await vi.advanceTimersByTimeAsync(60_000)
    holding.sockets.at(-1)?.destroy()
    await step
    await vi.advanceTimersByTimeAsync(60_000)
    expect([holding, reading, closing].map((host) => host.requests().length)).toEqual([3, 0, 0])
    await reader.close()
    // A process of ssh that was starting ends a moment later.
    await eventually(() => expect(vi.getTimerCount()).toBe(0))
  })
})

describe('a step that exceeds its deadline', () => {
  const killed = new Problem({ class: 'task', where: { host: 'web-01' }, what: 'step was killed', fix: 'find out why' })
  const stuck = new Problem({ class: 'unreachable', where: { host: 'web-01' }, what: 'step cannot be killed', fix: 'reboot the host' })

  test('makes the host unreachable if nothing can kill it', async () => {
    const host = await localHost()
    const shell = await opened(host)
    const pending = [problemOf(shell.request('sleep 30', { deadlineMs: 300 })), problemOf(shell.request(':'))]
    for (const problem of await Promise.all(pending)) {
      expect(problem).toMatchObject({ class: 'unreachable', what: 'no answer within 0 s' })
      expect(problem.fix).toBe('check the host, then run again: the step may still be running there, and no other was started')
    }
    await expect.poll(() => host.sockets[0]?.destroyed).toBe(true)
  })

  test('has ten minutes by default, also if other requests follow it', async () => {
    const host = await passiveHost()
    const shell = await opened(host)
    vi.useFakeTimers(TIMERS)
    const settled: string[] = []
    const first = problemOf(shell.request('one')).finally(() => settled.push('one'))
    await vi.advanceTimersByTimeAsync(300_000)
    // Its own deadline begins when it is the first.
    const second = problemOf(shell.request('two', { deadlineMs: 1_001 }))
    // The host enforces the deadlines if the controller is gone.
    await eventually(() => expect(host.deadlines()).toEqual([600, 2]))
    await vi.advanceTimersByTimeAsync(299_999)
    expect(settled).toEqual([])
    await vi.advanceTimersByTimeAsync(1)
    expect(settled).toEqual(['one'])
    expect([(await first).what, (await second).what]).toEqual(['no answer within 600 s', 'no answer within 600 s'])
  })

  test('is measured from the end of the step before it', async () => {
    const shell = await opened(await localHost())
    const [first, second, third] = [
      textOf(shell, 'sleep 0.4; echo one', { deadlineMs: 20_000 }),
      textOf(shell, 'echo two', { deadlineMs: 300 }),
      problemOf(shell.request('sleep 30', { deadlineMs: 200 })),
    ]
    expect([await first, await second]).toEqual(['one\n', 'two\n'])
    expect(await third).toMatchObject({ what: 'no answer within 0 s' })
  })

  test.each<[string, Problem | undefined, string]>([
    ['that was killed', killed, 'step was killed'],
    ['that had ended', undefined, 'no answer within 1 s'],
  ])('%s has five more seconds for its answer', async (_, problem, what) => {
    const host = await passiveHost()
    const shell = await opened(host, { killOverdue: async () => problem })
    vi.useFakeTimers(TIMERS)
    let isOver = false
    const step = problemOf(shell.request('step', { deadlineMs: 1_000 })).finally(() => (isOver = true))
    await vi.advanceTimersByTimeAsync(5_999)
    expect(isOver).toBe(false)
    await vi.advanceTimersByTimeAsync(1)
    expect(await step).toMatchObject({ what })
    expect(await problemOf(shell.request(':'))).toMatchObject({ what })
  })

  test('that cannot be killed makes the host unreachable at once', async () => {
    const host = await localHost()
    const asked: unknown[] = []
    const shell = await opened(host, {
      killOverdue: async (word, ms) => {
        asked.push(word, ms)
        return stuck
      },
    })
    expect(await problemOf(shell.request('sleep 30', { deadlineMs: 200 }))).toBe(stuck)
    await expect.poll(() => host.sockets[0]?.destroyed).toBe(true)
    await sleep(50)
    expect(await problemOf(shell.request(':'))).toBe(stuck)
    const word = /printf %s ([0-9a-f]{32})/.exec(host.commands[0] ?? '')?.[1]
    expect(asked).toEqual([word, 200])
  })

  test('that answers while it is to be killed has the result of the kill, and the shell continues', async () => {
    const shell = await opened(await localHost(), {
      killOverdue: async () => {
        await answered
        return stuck
      },
    })
    const step = problemOf(shell.request('sleep 0.4', { deadlineMs: 200 }))
    const answered = shell.request('echo next')
    expect((await answered).stdout.toString()).toBe('next\n')
    expect(await step).toBe(stuck)
    expect(await textOf(shell, 'echo alive')).toBe('alive\n')
  })

  test('that had ended by itself has its own answer', async () => {
    const shell = await opened(await localHost(), { killOverdue: async () => undefined })
    expect(await textOf(shell, 'sleep 0.4; echo late', { deadlineMs: 200 })).toBe('late\n')
    expect(await textOf(shell, 'echo alive')).toBe('alive\n')
  })

  test('that takes its shell with it is the reason for the end of the shell', async () => {
    const host = await localHost()
    const shell = await opened(host, {
      killOverdue: async () => {
        process.kill(-Number(pid), 'SIGKILL')
        await sleep(100)
        return killed
      },
    })
    const pid = await textOf(shell, 'echo $$')
    expect(await problemOf(shell.request('sleep 30', { deadlineMs: 200 }))).toBe(killed)
  })
})

describe('opening', () => {
  test.each(['before the login', 'before its script', 'while the shell starts'])(
    'a shell ends with the reason of the signal %s, and ends the connection',
    async (moment) => {
      const stop = new AbortController()
      const abort = (): void => stop.abort(new Error('stop'))
      const host = await localHost({
        instead: () => {
          if (moment === 'while the shell starts') abort()
          return true
        },
      })
      const turn = async () => moment === 'before its script' && abort()
      if (moment === 'before the login') queueMicrotask(abort)
      await expect(openShell(host.target, { signal: stop.signal, turn })).rejects.toThrow('stop')
      expect(getEventListeners(stop.signal, 'abort')).toEqual([])
      expect(host.commands).toHaveLength(moment === 'before the login' ? 0 : 1)
      await expect.poll(() => host.sockets.every(({ destroyed }) => destroyed)).toBe(true)
    },
  )
})
