import { setTimeout as sleep } from 'node:timers/promises'
import type { ServerChannel } from 'ssh2'
import { describe, expect, onTestFinished, test } from 'vitest'
import { execOn } from '../../../../src/host/shell/exec.ts'
import { killOverdue } from '../../../../src/host/shell/kill-overdue.ts'
import { openShell } from '../../../../src/host/shell/open.ts'
import { runOnce } from '../../../../src/host/shell/run-once.ts'
import type { Holder, Shell } from '../../../../src/host/shell/shell.ts'
import { Secret } from '../../../../src/secret/secret.ts'
import { problemOf } from '../../problem-of.ts'
import { type LocalHost, localHost } from './local-host.ts'

const lock: Holder = { user: 'jane', machine: 'laptop', command: 'run', since: '2026-11-29T10:00:00Z' }

const opened = async (host: LocalHost, options: Parameters<typeof openShell>[1] = {}): Promise<Shell> => {
  const shell = await openShell(host.target, options)
  onTestFinished(() => shell.close())
  return shell
}
const textOf = async (shell: Shell, script: string, options = {}): Promise<string> =>
  (await shell.request(script, options)).stdout.toString()

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
    expect(await textOf(shell, 'head -c 2048 /dev/zero | wc -c', { maxBytes: 2048 })).toMatch(/2048/)
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

  test('names the exit status of a root shell that ended', async () => {
    const shell = await opened(await localHost())
    expect(await problemOf(shell.request('kill -9 $$'))).toMatchObject({ class: 'unreachable' })
    const other = await opened(await localHost())
    expect(await problemOf(other.request('kill $$; sleep 1'))).toMatchObject({ class: 'unreachable' })
  })

  test('gives a host up whose step exceeds its deadline, if nothing can kill the step', async () => {
    const shell = await opened(await localHost())
    const problem = await problemOf(shell.request('sleep 30', { deadlineMs: 300 }))
    expect(problem).toMatchObject({ class: 'unreachable', what: 'no answer within 0 s' })
    expect(problem.fix).toContain('the step may still be running there')
  })

  test('kills an overdue step with its children, names it, and continues', async () => {
    const host = await localHost()
    const shell = await opened(host, { killOverdue: killOverdue(host.target) })
    const problem = await problemOf(shell.request('sh -c "sleep 31 & sleep 32"; echo no', { deadlineMs: 1500 }))
    expect(problem).toMatchObject({ class: 'task', where: { host: 'web-01' } })
    expect(problem.what).toMatch(/^`sleep 3[12]` \(pid \d+\), `sleep 3[12]` \(pid \d+\) ran for 2 s and were killed$/)
    expect(await textOf(shell, 'echo alive')).toBe('alive\n')
  })

  test('is not opened after the signal, whose reason is thrown', async () => {
    const host = await localHost()
    const stop = new AbortController()
    const shell = openShell(host.target, { signal: stop.signal }).catch((error: unknown) => error)
    await expect.poll(() => host.sockets.length).toBe(1)
    stop.abort(new Error('stop'))
    expect(await shell).toMatchObject({ message: 'stop' })
    expect(host.commands.length).toBeLessThanOrEqual(1)
  })
})

describe('the lock', () => {
  test('refuses a second run with the holder, its state and its processes, and is free after the first', async () => {
    const host = await localHost()
    const shell = await opened(host, { lock })
    const problem = await problemOf(openShell(host.target, { lock: { ...lock, user: 'ann' } }))
    expect(problem).toMatchObject({
      class: 'task',
      where: { host: 'web-01' },
      what: 'host is locked by jane on laptop since 2026-11-29T10:00:00Z (run)',
      fix: 'wait until that run ends, or run with --wait',
    })
    expect(problem.why).toMatch(/^the run is alive; processes with the lock: sh\(\d+\)/)
    expect(await textOf(shell, 'echo alive')).toBe('alive\n')
    await shell.close()
    await (await opened(host, { lock })).close()
  })

  test('is not needed for reading', async () => {
    const host = await localHost()
    await opened(host, { lock })
    expect(await textOf(await opened(host), 'echo in')).toBe('in\n')
  })

  test('is waited for with `wait`, and the waiting run names the holder', async () => {
    const host = await localHost()
    const shell = await opened(host, { lock })
    const waiting: string[] = []
    const second = openShell(host.target, { lock: { ...lock, user: 'ann' }, wait: true, onWaiting: (holder) => waiting.push(holder) })
    await expect.poll(() => waiting.length, { timeout: 5000 }).toBeGreaterThan(0)
    expect(waiting[0]).toMatch(/^locked by jane on laptop since .* \(run\): the run is alive \(sh\(\d+\)/)
    await shell.close()
    const next = await second
    expect(await textOf(next, 'echo mine')).toBe('mine\n')
    await next.close()
  })

  test('of an idle shell that does not notice that its controller is gone is taken at once, and the shell is killed', async () => {
    const host = await localHost({ isDeaf: true })
    const shell = await opened(host, { lock })
    const pid = (await textOf(shell, 'echo $$')).trim()
    host.sockets[0]?.destroy()
    const waiting: string[] = []
    const second = await opened(host, { lock: { ...lock, user: 'ann' }, onWaiting: (holder) => waiting.push(holder) })
    expect(waiting.join('\n')).toContain('the controller of the run is gone')
    expect(await textOf(second, `[ -e /proc/${pid}/exe ] || echo killed`)).toBe('killed\n')
    expect(host.remains().filter((name) => /^\.\d/.test(name))).toHaveLength(1)
  })

  test('of a controller whose connection is gone is taken after its last step', async () => {
    const host = await localHost()
    const shell = await opened(host, { lock })
    const step = shell.request('sleep 2; echo done >"$T/../done"').catch(() => undefined)
    await sleep(300)
    host.sockets[0]?.destroy()
    const began = Date.now()
    const waiting: string[] = []
    const second = await opened(host, { lock: { ...lock, user: 'ann' }, onWaiting: (holder) => waiting.push(holder) })
    await step
    expect(Date.now() - began).toBeGreaterThan(800)
    expect(waiting.join('\n')).toMatch(/the controller of the run is gone|the run has ended, and its last step is still running/)
    expect(await textOf(second, 'cat "$T/../done"; rm "$T/../done"')).toBe('done\n')
    // The directory of the killed shell is removed.
    expect(host.remains().filter((name) => /^\.\d/.test(name))).toHaveLength(1)
  })
})

describe('becoming root', () => {
  const as = (host: LocalHost, more = {}): LocalHost => ({ ...host, target: { ...host.target, user: 'ops', ...more } })

  test('root needs no sudo, and others use it without a question', async () => {
    const host = await localHost()
    await opened(host)
    expect(host.commands[0]).toMatch(/^exec sh -c /)
    await opened(as(host))
    expect(host.commands[1]).toMatch(/^exec sudo -n sh -c /)
  })

  test('a password is sent at the prompt, and never in an argument', async () => {
    const host = as(await localHost(), { sudoPassword: new Secret('pass word') })
    expect(await textOf(await opened(host), 'echo in')).toBe('in\n')
    expect(host.commands.join('\n')).not.toContain('pass word')
  })

  test('a password for which sudo does not ask is not read by the shell', async () => {
    const sudo = '#!/bin/sh\nshift 3; exec "$@"\n'
    const host = as(await localHost({ sudo }), { sudoPassword: new Secret('pass word') })
    expect(await textOf(await opened(host), 'cat; echo in')).toBe('in\n')
  })

  test('a wrong password is tried once', async () => {
    const host = as(await localHost(), { sudoPassword: new Secret('guess-once') })
    expect(await problemOf(openShell(host.target))).toMatchObject({
      class: 'unreachable',
      what: 'sudo refused the password of ops',
      fix: 'correct sudo_password in the inventory',
    })
    expect(host.commands).toHaveLength(1)
  })

  test.each<[string, string, object, { what: string; why?: string; fix: string }]>([
    [
      'needs a password',
      'sudo: a password is required',
      {},
      {
        what: 'ops cannot become root by sudo (exit 1)',
        why: 'sudo: a password is required',
        fix: 'permit ops to use sudo without a password, or set sudo_password in the inventory',
      },
    ],
    [
      'needs a terminal',
      'sudo: sorry, you must have a tty to run sudo',
      {},
      { what: 'ops cannot become root by sudo (exit 1)', fix: 'remove requiretty for ops from sudoers on the host' },
    ],
    [
      'finds no shell',
      'sudo: sh: command not found',
      {},
      { what: 'ops cannot become root by sudo (exit 1)', fix: 'add /usr/bin and /bin to secure_path in sudoers on the host' },
    ],
    [
      'permits nothing',
      'ops is not in the sudoers file.',
      { sudoPassword: new Secret('pass word') },
      { what: 'ops cannot become root by sudo (exit 1)', fix: 'install sudo on the host and permit ops to use it' },
    ],
  ])('sudo that %s is reported in its own words, with a fix', async (_, words, more, expected) => {
    const host = as(await localHost({ sudo: `#!/bin/sh\necho '${words}' >&2; exit 1\n` }), more)
    expect(await problemOf(openShell(host.target))).toMatchObject({ class: 'unreachable', where: { host: 'web-01' }, ...expected })
  })

  test('sudo with noexec is refused, with the lock, without it, and for a command', async () => {
    const host = as(await localHost({ env: { LD_PRELOAD: '/usr/libexec/sudo/sudo_noexec.so' } }))
    const refused = {
      class: 'unreachable',
      what: 'sudo forbids the root shell of ops to start programs',
      fix: 'remove noexec for ops from sudoers (Defaults noexec, and the tag NOEXEC:)',
    }
    expect(await problemOf(openShell(host.target, { lock, wait: true }))).toMatchObject(refused)
    expect(await problemOf(openShell(host.target))).toMatchObject(refused)
    expect(await problemOf(execOn(host.target, 'id', { sudo: true }))).toMatchObject(refused)
  })

  test('the output of a login shell is skipped', async () => {
    const host = await localHost({ banner: 'Welcome!\n' })
    expect(await textOf(await opened(host), 'echo in')).toBe('in\n')
    let out = ''
    await execOn(host.target, 'echo in', { sudo: true, onStdout: (chunk) => (out += chunk) })
    expect(out).toBe('in\n')
  })

  test('a login shell of root that starts nothing is reported', async () => {
    const host = await localHost({
      instead: (_, channel) => {
        channel.write('This account is not available.\n')
        channel.exit(1)
        channel.end()
        return true
      },
    })
    expect(await problemOf(openShell(host.target))).toMatchObject({
      what: 'login shell of root does not start sh (exit 1)',
      why: 'This account is not available.',
    })
    expect(await problemOf(openShell({ ...host.target, user: 'ops' }))).toMatchObject({ why: 'This account is not available.' })
  })
})

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
  })

  test('that a signal ended is reported without an exit status', async () => {
    const host = await localHost()
    expect(await problemOf(execOn(host.target, 'kill -9 $$'))).toMatchObject({
      class: 'unreachable',
      what: 'exit status of the command is not known: the connection was lost, or a signal ended the command',
    })
  })
})

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
    expect((await runOnce(host.target, 'echo in', { deadlineMs: 10_000 })).stdout.toString()).toBe('in\n')
    expect(host.commands).toHaveLength(3)
  })

  test('ends with the last problem at the deadline', async () => {
    const host = await localHost()
    const began = Date.now()
    expect(await problemOf(runOnce({ ...host.target, port: 1 }, ':', { deadlineMs: 600 }))).toMatchObject({
      what: '127.0.0.1, port 1 refused the connection',
    })
    expect(Date.now() - began).toBeLessThan(2000)
  })

  test('is not retried more than twice after a refused login', async () => {
    const host = await localHost()
    const other = await localHost()
    const target = { ...host.target, keys: other.target.keys }
    expect(await problemOf(runOnce(target, ':', { deadlineMs: 20_000 }))).toMatchObject({ what: 'login as root was refused' })
    expect(host.sockets).toHaveLength(2)
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
    expect(await problemOf(openShell(target, { lock, patienceMs: 400, onWaiting: (holder) => heard.push(holder) }))).toMatchObject({
      class: 'unreachable',
      what: 'root shell did not open within 0.4 s, longer than its limit for waiting for the lock',
    })
    expect(heard.length).toBeGreaterThan(2)
  })

  test('is refused if it reports a lock', async () => {
    const { target } = await host((channel, word) => void channel.write(`${word} locked alive 3\n${JSON.stringify(lock)}\n sh(7)\n`))
    expect(await problemOf(openShell(target, { lock }))).toMatchObject({
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
