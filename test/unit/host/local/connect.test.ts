import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, onTestFinished, test, vi } from 'vitest'
import { connect } from '../../../../src/host/local/connect.ts'
import { execOn } from '../../../../src/host/shell/exec.ts'
import { takeLock } from '../../../../src/host/shell/lock.ts'
import type { Target } from '../../../../src/host/target/connection.ts'
import { resolveTarget } from '../../../../src/host/target/target.ts'
import { reasonForOpenSsh } from '../../../../src/host/transport/choose.ts'
import { fetchHostKeys } from '../../../../src/host/transport/trust.ts'
import { problemOf } from '../../problem-of.ts'
import { scratch } from '../ssh/ssh-server.ts'

afterEach(() => void vi.unstubAllEnvs())

const target = (): Promise<Target> =>
  resolveTarget('me', {
    ...{ address: 'local', port: 22, user: 'somebody', keys: [], knownHosts: [], hostKeys: 'strict', jump: [] },
    transport: 'local',
  })

const outputOf = async (command: string, options = {}): Promise<readonly [number, string, string]> => {
  let [out, err] = ['', '']
  const code = await execOn(await target(), command, { onStdout: (c) => (out += c), onStderr: (c) => (err += c), ...options })
  return [code, out, err]
}

test('a command runs as the account of the controller, with its status and both outputs', async () => {
  expect(await outputOf('id -un; pwd; cat; echo oops >&2; exit 3')).toEqual([
    3,
    `${userInfo().username}\n${userInfo().homedir}\n`,
    'oops\n',
  ])
  expect((await target()).user).toBe(userInfo().username)
})

test.runIf(process.getuid?.() === 0)('a command with sudo runs as root', async () => {
  expect(await outputOf('id -u', { sudo: true })).toEqual([0, '0\n', ''])
})

test('the environment of the controller is not passed on, except the connection of the person', async () => {
  vi.stubEnv('SUDO_PASSWORD', 'let me in')
  vi.stubEnv('SSH_CONNECTION', '10.0.0.1 5 10.0.0.2 22')
  const [, output] = await outputOf('env')
  expect(output).not.toContain('let me in')
  expect(output).toContain('SSH_CONNECTION=10.0.0.1 5 10.0.0.2 22\n')
  expect(output).toContain(`HOME=${userInfo().homedir}\n`)
})

test('a command that a signal ended has no exit status', async () => {
  expect(await problemOf(outputOf('kill -9 $$'))).toMatchObject({ class: 'unreachable', where: { host: 'me' } })
})

test('a destroyed link ends at once, and its command finishes', async () => {
  const path = join(scratch(), 'ended')
  const link = await connect(await target())
  const channel = await link.run(`trap '' PIPE; sleep 0.3; echo done; : >${path}`)
  const began = Date.now()
  link.destroy()
  expect(await channel.ended).toBeUndefined()
  expect(await link.gone).toBeUndefined()
  expect(Date.now() - began).toBeLessThan(250)
  await expect.poll(() => existsSync(path), { timeout: 3000 }).toBe(true)
})

test('a fresh connection needs the sshd through which the person came', async () => {
  const server = createServer((socket) => void socket.end('SSH-2.0-OpenSSH_10.0\r\n')).listen(0, '127.0.0.1')
  onTestFinished(() => void server.close())
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  vi.stubEnv('SSH_CONNECTION', `127.0.0.1 5 127.0.0.1 ${port}`)
  await (await connect(await target(), { fresh: true })).close()
  server.close()
  await once(server, 'close')
  expect(await problemOf(connect(await target(), { fresh: true }))).toMatchObject({
    class: 'unreachable',
    what: `sshd at 127.0.0.1, port ${port} does not answer any more`,
  })
  await (await connect(await target())).close()
  vi.stubEnv('SSH_CONNECTION', undefined)
  await (await connect(await target(), { fresh: true })).close()
})

test('this machine needs neither OpenSSH nor host keys', async () => {
  expect(await reasonForOpenSsh(await target())).toBeUndefined()
  expect(await fetchHostKeys(await target())).toEqual([])
})

test('a lock is taken from a controller on this machine once its process has ended', () => {
  const directory = scratch()
  const text = String(takeLock('w'.repeat(32), false))
  const connected = /\nconnected\(\) \{[\s\S]*?\n\}/.exec(text)?.[0] ?? ''
  const about = /\nabout\(\) \{[\s\S]*?\n\}/.exec(text)?.[0] ?? ''
  const stat = readFileSync('/proc/self/stat', 'utf8')
  const since = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
  const is = (process: string): string => {
    writeFileSync(join(directory, 'script'), `${about}${connected}\nconnected controller ${process} && echo connected || echo gone`)
    return execFileSync('sh', [join(directory, 'script')], { encoding: 'utf8' }).trim()
  }
  expect([is(`${process.pid}:${since}`), is(`${process.pid}:1`), is('999999999:1')]).toEqual(['connected', 'gone', 'gone'])
})
