import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { connect as openSocket } from 'node:net'
import { userInfo } from 'node:os'
import type { Problem } from '../../problem.ts'
import type { Target } from '../target/connection.ts'
import { type Channel, type ConnectOptions, type Link, outputTaken } from '../target/link.ts'
import { unreachable, within } from '../target/problems.ts'

/** Commands on this machine, without SSH: each is a process, as if sshd had started it. */
export const connect = async (target: Target, { fresh = false, signal }: ConnectOptions = {}): Promise<Link> => {
  signal?.throwIfAborted()
  if (fresh) await requireSshd(target)
  const { promise: gone, resolve: end } = Promise.withResolvers<Error | undefined>()
  const running = new Set<Channel>()
  const destroy = (): void => {
    for (const channel of running) channel.destroy()
    end(undefined)
  }
  const run = async (command: string): Promise<Channel> => {
    const channel = await start(command)
    running.add(channel)
    channel.ended.then(() => running.delete(channel))
    return channel
  }
  return { run, gone, loginKeys: [], controller: process.pid, destroy, close: async () => destroy() }
}

/**
 * Starts a command in sh. (bash would read ~/.bashrc because its input is a socket.) Its session is its own, so that Ctrl-C at the terminal
 * does not reach it. If the controller ends, a running step finishes, as over SSH.
 */
const start = async (command: string): Promise<Channel> => {
  const { homedir } = userInfo()
  const cwd = existsSync(homedir) ? homedir : '/'
  const child = spawn('/bin/sh', ['-c', command], { env: environment(), cwd, stdio: ['pipe', 'pipe', 'pipe'], detached: true })
  await new Promise<void>((resolve, reject) => child.once('spawn', resolve).once('error', reject))
  const { stdin, stdout, stderr } = child
  stdin.on('error', () => {})
  const destroyed = Promise.withResolvers<undefined>()
  const exit = new Promise<number | undefined>((resolve) => {
    child.once('exit', (code) => resolve(code ?? undefined))
  })
  const over = Promise.all([exit, outputTaken(stdout, stderr)]).then(([code]) => code)
  const destroy = (): void => {
    for (const stream of [stdin, stdout, stderr]) stream.destroy()
    child.unref()
    destroyed.resolve(undefined)
  }
  return { stdin, stdout, stderr, ended: Promise.race([over, destroyed.promise]), destroy }
}

/** The environment that sshd sets. The other variables of the controller are not passed on, because they may contain secrets. */
const environment = (): NodeJS.ProcessEnv => {
  const { username, homedir, shell } = userInfo()
  const { SSH_CONNECTION } = process.env
  return {
    ...{ USER: username, LOGNAME: username, HOME: homedir, SHELL: shell ?? '/bin/sh', PATH: '/usr/local/bin:/usr/bin:/bin' },
    // The SSH connection of the person who runs provision here. A change must not shut them out.
    ...(SSH_CONNECTION === undefined ? {} : { SSH_CONNECTION }),
  }
}

const GREETING_MS = 10_000

/**
 * A change of sshd or the firewall is confirmed by a new process, which needs no sshd. If the person who runs provision is logged in
 * by SSH, that sshd must still answer.
 */
const requireSshd = async ({ name }: Target): Promise<void> => {
  const [, , address, port] = (process.env.SSH_CONNECTION ?? '').split(' ')
  if (address === undefined || port === undefined) return
  const problem = (why?: string): Problem =>
    unreachable(name, {
      what: `sshd at ${address}, port ${port} does not answer any more`,
      why,
      fix: 'check it on this machine: systemctl status ssh',
    })
  const socket = openSocket({ host: address, port: Number(port) })
  const greeted = new Promise<void>((resolve, reject) => {
    socket.once('error', (error) => reject(problem(error.message))).once('close', () => reject(problem()))
    socket.on('data', (chunk) => chunk.toString('latin1').startsWith('SSH-') && resolve())
  })
  await within(GREETING_MS, greeted, problem).finally(() => socket.destroy())
}
