import { spawn } from 'node:child_process'
import { open, readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { makeDirectory } from '../disk/folder.ts'
import { Problem } from '../problem.ts'
import { endGroup, inGroup, membersOf } from './machine/cgroup.ts'
import type { Layout } from './spec.ts'

/** A daemon of the lab on this machine, in its own cgroup, by which it is found again. */
export interface Service {
  readonly name: string
  readonly argv: readonly string[]
  readonly env?: NodeJS.ProcessEnv
  readonly address: string
  /** The service is ready when it listens on all of them. */
  readonly ports: readonly number[]
}

/** The directory of the services' logs and configurations. No host can have its name. */
export const servicesOf = (layout: Layout): string => join(layout.state, '.services')

/** Starts a service unless it runs, and waits until it listens. Returns whether it was started. */
export const startService = async (layout: Layout, service: Service): Promise<boolean> => {
  const group = groupOf(layout, service.name)
  if ((await membersOf(group)).length > 0 && (await listens(service))) return false
  await stopService(layout, service.name)
  const directory = servicesOf(layout)
  makeDirectory(directory, 0o755)
  const log = await open(join(directory, `${service.name}.log`), 'w')
  const [command = '', ...args] = await inGroup(group, service.argv)
  const daemon = spawn(command, args, {
    cwd: '/',
    env: { PATH: process.env.PATH, ...service.env },
    detached: true,
    stdio: ['ignore', log.fd, log.fd],
  })
  await new Promise((resolve, reject) => daemon.once('spawn', resolve).once('error', reject))
  await log.close()
  const until = Date.now() + START_MS
  while (!(await listens(service))) {
    if (Date.now() > until || daemon.exitCode !== null) throw await notListening(join(directory, `${service.name}.log`), service)
    await sleep(50)
  }
  daemon.unref()
  return true
}

/** Time until a service listens. The test authority generates keys first, which takes long on a busy machine. */
const START_MS = 60_000

/** Ends a service and all its processes. */
export const stopService = (layout: Layout, name: string): Promise<void> => endGroup(groupOf(layout, name))

const groupOf = (layout: Layout, name: string) => join(layout.cgroup, `service-${name}`)

const listens = async ({ address, ports }: Service) => !(await Promise.all(ports.map((port) => accepts(address, port)))).includes(false)

const accepts = (address: string, port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect({ host: address, port })
    const settle = (answer: boolean) => {
      socket.destroy()
      resolve(answer)
    }
    socket.on('connect', () => settle(true))
    socket.on('error', () => settle(false))
  })

const notListening = async (log: string, { name, address, ports }: Service) =>
  new Problem({
    class: 'task',
    where: { command: `lab service ${name}` },
    what: `service ${name} does not listen on ${address}, port ${ports.join(' and ')}`,
    why: (await readFile(log, 'utf8')).trim().split('\n').slice(-10).join('\n'),
    fix: 'check whether another program uses the port: ss -ltnp, then stop it or give the lab another subnet',
  })
