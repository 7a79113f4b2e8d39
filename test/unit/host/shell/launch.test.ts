import { describe, expect, test } from 'vitest'
import { execOn } from '../../../../src/host/shell/exec.ts'
import { openShell } from '../../../../src/host/shell/open.ts'
import { Secret } from '../../../../src/secret/secret.ts'
import { problemOf } from '../../problem-of.ts'
import { LOCK, type LocalHost, localHost, opened, textOf } from './local-host.ts'

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
})
