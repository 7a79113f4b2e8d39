import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { execOn } from '../../../../src/host/shell/exec.ts'
import { openShell } from '../../../../src/host/shell/open.ts'
import { Secret } from '../../../../src/secret/secret.ts'
import { problemOf } from '../../problem-of.ts'
import { keygen, scratch, sshServer, targetOf, transport, wireOf } from '../ssh/ssh-server.ts'
import { LOCK, type LocalHost, localHost, opened, textOf } from './local-host.ts'

afterEach(() => void vi.useRealTimers())

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
    expect(await problemOf(openShell(host.target, { lock: LOCK, wait: true }))).toMatchObject(refused)
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

  test('a password is sent once, also if sudo prints text before and after its prompt', async () => {
    const sudo = `#!/bin/sh
echo lecture >&2; sleep 0.05; printf %s "$3" >&2; IFS= read -r password; sleep 0.05; echo thanks >&2; sleep 0.05
[ "$password" = 'pass word' ] || exit 1
shift 3; exec "$@"
`
    const host = as(await localHost({ sudo }), { sudoPassword: new Secret('pass word') })
    expect(await textOf(await opened(host), 'cat; echo in')).toBe('in\n')
  })

  test('a prompt of the started shell is not answered', async () => {
    let received = ''
    const host = await localHost({
      instead: (_, channel, word, command) => {
        channel.on('data', (chunk: Buffer) => (received += chunk)).on('end', () => channel.end())
        channel.write(word)
        channel.stderr.write(`x${/-p '?([0-9a-f]{32})/.exec(command)?.[1]}`)
        channel.write(`${word} open\n`)
        return true
      },
    })
    const shell = await openShell({ ...host.target, user: 'ops', sudoPassword: new Secret('pass word') })
    await shell.close()
    expect(received).not.toBe('')
    expect(received).not.toContain('pass word')
  })

  test('errors of the login shell are not those of the root shell', async () => {
    const { target } = await localHost({
      instead: (_, channel, word) => {
        channel.stderr.write('noise of the login shell\n')
        setTimeout(() => channel.write(`Welcome!\n${word}`), 30)
        setTimeout(() => {
          channel.stderr.write('mkdir: No space left on device\n')
          channel.exit(96)
          channel.end()
        }, 60)
        return true
      },
    })
    expect(await problemOf(openShell(target))).toMatchObject({
      what: 'root shell could not be set up (exit 96)',
      // OpenSSH passes the two streams on separately, which loses their order.
      why:
        transport.current === 'ssh2'
          ? 'mkdir: No space left on device'
          : expect.stringMatching(/^(noise .*\n)?mkdir: No space left on device$/),
    })
  })

  test('the last 64 KB of errors are kept for messages', async () => {
    const { target } = await localHost({
      instead: (_, channel) => {
        channel.stderr.write('x'.repeat(100_000))
        channel.exit(1)
        channel.end()
        return true
      },
    })
    expect((await problemOf(openShell(target))).why).toHaveLength(65_536)
  })

  test('a connection that is lost before the shell starts is reported', async () => {
    const { target } = await localHost({
      instead: (_, channel) => {
        channel.write('Welcome!\n')
        channel.exit('KILL', false)
        channel.end()
        return true
      },
    })
    expect(await problemOf(openShell(target))).toMatchObject({
      class: 'unreachable',
      where: { host: 'web-01' },
      what: 'connection was lost before the root shell started',
      why: 'Welcome!',
      fix: 'check that the host is up, then run again',
    })
  })

  test('a login shell that starts nothing is given up after 30 seconds', async () => {
    const host = await localHost({
      instead: (_, channel) => {
        channel.stderr.write('enter your token:\n')
        return true
      },
    })
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const problem = problemOf(openShell(host.target))
    while (host.commands.length === 0) await sleep(10)
    await sleep(50)
    await vi.advanceTimersByTimeAsync(30_000)
    expect(await problem).toMatchObject({
      class: 'unreachable',
      what: 'root shell did not start within 30 s',
      why: 'enter your token:',
      fix: 'check on the host what the login shell of root and sudo wait for',
    })
    await expect.poll(() => host.sockets[0]?.destroyed).toBe(true)
  })
})

describe('a session', () => {
  const server = async (behaviour: object) => {
    const directory = scratch()
    const key = keygen(join(directory, 'key'))
    return targetOf(directory, await sshServer({ directory, accepts: wireOf(key), ...behaviour }), { keys: [key] })
  }
  const refused = {
    class: 'unreachable',
    where: { host: 'web-01' },
    what: 'sshd refused to open a session',
    fix: 'raise MaxSessions, or remove ForceCommand, in the sshd configuration of the host',
  }

  const OPEN_FAILURE = /^\(SSH\) Channel open failure:|^channel 0: open failed: administratively prohibited:/

  test('that sshd refuses is reported with its reason', async () => {
    const problem = await problemOf(openShell(await server({})))
    expect(problem).toMatchObject({ ...refused, why: expect.stringMatching(OPEN_FAILURE) })
    expect(problem.cause).toMatchObject({ message: expect.stringMatching(OPEN_FAILURE) })
  })

  test('on a connection that was lost meanwhile is reported with its reason', async () => {
    const host = await localHost()
    const turn = async (): Promise<void> => {
      host.sockets[0]?.destroy()
      await sleep(50)
    }
    expect(await problemOf(openShell(host.target, { turn }))).toMatchObject({
      class: 'unreachable',
      where: { host: 'web-01' },
      what: expect.stringMatching(/^connection was lost (before|while) the root shell started$/),
    })
  })

  test('that does not open is given up after 15 seconds', async () => {
    let asked = false
    const target = await server({ holdsSessions: () => (asked = true) })
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const problem = problemOf(openShell(target))
    while (!asked) await sleep(10)
    await vi.advanceTimersByTimeAsync(15_000)
    expect(await problem).toMatchObject({
      class: 'unreachable',
      what: 'session did not open within 15 s',
      fix: 'check that the host is not overloaded',
    })
  })
})
