import { type ChildProcess, spawn } from 'node:child_process'
import { chmodSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import type { ServerChannel } from 'ssh2'
import { onTestFinished } from 'vitest'
import { openShell } from '../../../../src/host/shell/open.ts'
import type { Holder, Shell } from '../../../../src/host/shell/shell.ts'
import type { Target } from '../../../../src/host/target/connection.ts'
import { keygen, scratch, sshServer, targetOf, wireOf } from '../ssh/ssh-server.ts'

const RUN = '/run/provision'

/** A host in this process: an SSH server that runs commands on this machine, with `/run/provision` elsewhere and its own sudo. */
export interface LocalHost {
  readonly target: Target
  readonly sockets: readonly Socket[]
  readonly commands: readonly string[]
  /** Paths that shells left behind. */
  remains(): readonly string[]
}

interface Peculiarities {
  /** Additional environment of every command. */
  readonly env?: Readonly<Record<string, string>>
  /** The script of sudo. */
  readonly sudo?: string
  /** Output of the login shell before each command. */
  readonly banner?: string
  /** Whether the first shell does not notice that its connection is lost, as if the network had died. */
  readonly isDeaf?: boolean
  /** Executed in place of the nth command, counted from 1, unless it returns false. `word` is the random word of a root shell. */
  readonly instead?: (count: number, channel: ServerChannel, word: string, command: string) => boolean
}

const SUDO = `#!/bin/sh
if [ "$1" = -n ]; then shift; exec "$@"; fi
printf %s "$3" >&2; IFS= read -r password
[ "$password" = 'pass word' ] || { echo 'Sorry, try again.' >&2; printf %s "$3" >&2; read -r again; exit 1; }
shift 3; exec "$@"
`

export const localHost = async ({
  env = {},
  sudo = SUDO,
  banner = '',
  isDeaf = false,
  instead = () => false,
}: Peculiarities = {}): Promise<LocalHost> => {
  const directory = scratch()
  const key = keygen(join(directory, 'key'))
  const bin = join(directory, 'bin')
  mkdirSync(bin)
  writeFileSync(join(bin, 'sudo'), sudo)
  chmodSync(join(bin, 'sudo'), 0o755)
  // As long as the name it replaces, because requests count their bytes.
  const run = `/tmp/p${Math.random().toString(36).slice(2, 10).padEnd(8, '0')}`
  const sockets: Socket[] = []
  const commands: string[] = []
  const children = new Set<ChildProcess>()
  const execute = (command: string, channel: ServerChannel, user: string): void => {
    commands.push(command)
    if (instead(commands.length, channel, /printf %s ([0-9a-f]{32})/.exec(command)?.[1] ?? '', command)) return
    const socket = sockets.at(-1)
    const child = spawn('sh', ['-c', `${banner === '' ? '' : `printf '%s' '${banner}'; echo noise >&2; `}${command}`], {
      env: {
        ...{ PATH: `${bin}:${process.env.PATH}`, USER: user, ...env },
        SSH_CONNECTION: `127.0.0.1 ${socket?.remotePort} 127.0.0.1 ${socket?.localPort}`,
      },
      detached: true,
    })
    children.add(child)
    // A piece can end within the path.
    let held = ''
    channel.on('data', (chunk: Buffer) => {
      const text = held + chunk.toString('latin1')
      held = Array.from(RUN, (_, i) => RUN.slice(0, RUN.length - 1 - i)).find((beginning) => text.endsWith(beginning)) ?? ''
      child.stdin.write(Buffer.from(text.slice(0, text.length - held.length).replaceAll(RUN, run), 'latin1'))
    })
    const deaf = isDeaf && commands.length === 1
    channel.on('end', () => deaf || child.stdin.end()).on('close', () => deaf || child.stdin.end())
    child.stdin.on('error', () => {})
    child.stdout.on('data', (chunk: Buffer) => channel.write(chunk))
    child.stderr.on('data', (chunk: Buffer) => channel.stderr.write(chunk))
    child.on('close', (code, signal) => {
      children.delete(child)
      if (signal === null) channel.exit(code ?? 0)
      else channel.exit(signal.replace('SIG', ''), false)
      channel.end()
    })
  }
  const server = await sshServer({
    directory,
    accepts: wireOf(key),
    execute,
    serves: (socket) => {
      sockets.push(socket)
      return true
    },
  })
  const remains = (): readonly string[] =>
    readdirSync('/tmp')
      .filter((name) => `/tmp/${name}`.startsWith(run))
      .map((name) => name.slice(run.length - '/tmp/'.length))
      .toSorted()
  onTestFinished(() => {
    for (const { pid } of children) if (pid !== undefined) endGroup(pid)
    for (const name of readdirSync('/tmp')) if (`/tmp/${name}`.startsWith(run)) rmSync(join('/tmp', name), { recursive: true })
  })
  return { target: targetOf(directory, server, { keys: [key], user: 'root' }), sockets, commands, remains }
}

/** Kills a process with its children. It may have ended by itself. */
const endGroup = (pid: number): void => {
  try {
    process.kill(-pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

/** The holder of a lock. */
export const LOCK: Holder = { user: 'jane', machine: 'laptop', command: 'run', since: '2026-11-29T10:00:00Z' }

/** A shell on a host, which is closed after the test. */
export const opened = async (host: LocalHost, options: Parameters<typeof openShell>[1] = {}): Promise<Shell> => {
  const shell = await openShell(host.target, options)
  onTestFinished(() => shell.close())
  return shell
}

/** The standard output of a script. */
export const textOf = async (shell: Shell, script: string, options = {}): Promise<string> =>
  (await shell.request(script, options)).stdout.toString()

/** A host whose root shell is `serve`, which gets the channel after the start of the shell. */
export const hostServedBy = (serve: (channel: ServerChannel, word: string) => void): Promise<LocalHost> =>
  localHost({
    instead: (_, channel, word) => {
      channel.write(word)
      serve(channel, word)
      return true
    },
  })

/** A host whose root shell opens, answers requests only if `answer` does, and ends with its input unless it `stays`. */
export const passiveHost = async (answer: (text: string, channel: ServerChannel) => unknown = () => {}, stays = false) => {
  const received: string[] = []
  const host = await hostServedBy((channel, word) => {
    channel.write(`${word} open 10.0.0.1 5 10.0.0.2 22\n`)
    channel.on('data', (chunk: Buffer) => {
      received.push(chunk.toString())
      answer(chunk.toString(), channel)
    })
    channel.on('end', () => stays || channel.end())
  })
  /** Scripts of the requests so far. */
  const requests = (): readonly string[] =>
    [...received.join('').matchAll(/^([0-9a-f]{32}) \d+ 0 0 \d+\n((?:.*\n)*?)\1$/gm)].map(([, , script = '']) => script)
  /** Deadlines of the requests so far, in seconds, as the host enforces them. */
  const deadlines = (): readonly number[] =>
    [...received.join('').matchAll(/^[0-9a-f]{32} \d+ 0 0 (\d+)$/gm)].map(([, seconds]) => Number(seconds))
  return { ...host, requests, deadlines }
}

/** The answer without output to a request. */
export const emptyAnswer = (text: string): string => {
  const [mark] = /[0-9a-f]{32}(?=\n$)/.exec(text) ?? []
  return `${mark}+${mark} 0\n${mark}-`
}
