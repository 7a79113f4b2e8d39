import type { Duplex } from 'node:stream'
import { Problem } from '../../problem.ts'
import type { Target } from '../target/connection.ts'
import { unreachable, within } from '../target/problems.ts'
import { argumentsFor, reachedThrough, resolveThroughSshConfig } from '../target/ssh-config.ts'
import type { Ssh2Link } from './link.ts'

const FORWARD_MS = 15_000

interface Bastion {
  readonly link: Promise<Ssh2Link>
  users: number
}

// All hosts behind a bastion share one connection to it. Otherwise a hundred hosts would mean a hundred logins there.
const bastions = new Map<string, Bastion>()

/** A stream to a target through its jump hosts. `release` closes the shared connection after its last user. */
export interface Tunnel {
  readonly stream: Duplex
  release(): Promise<void>
}

/** Opens a stream to the target's address through the last of its jump hosts; `connect` connects to a bastion. */
export const openTunnel = async (target: Target, connect: (bastion: Target) => Promise<Ssh2Link>): Promise<Tunnel> => {
  const path = target.jump.join(',')
  const key = [path, ...target.keys, ...target.knownHosts].join('\n')
  const bastion = bastions.get(key) ?? { link: bastionOf(target).then(connect), users: 0 }
  bastions.set(key, bastion)
  bastion.users += 1
  const forget = (): void => {
    if (bastions.get(key) === bastion) bastions.delete(key)
  }
  const release = async (): Promise<void> => {
    bastion.users -= 1
    if (bastion.users > 0) return
    forget()
    await bastion.link.then(
      (link) => link.close(),
      () => {},
    )
  }
  try {
    const link = await bastion.link.catch((error: unknown) => {
      forget()
      throw throughBastion(target, error)
    })
    link.gone.then(forget)
    return { stream: await forward(link, target), release }
  } catch (error) {
    await release()
    throw error
  }
}

const forward = async (link: Ssh2Link, target: Target): Promise<Duplex> => {
  const { name, address, port } = target
  const place = `${address}, port ${port}`
  const opened = new Promise<Duplex>((resolve, reject) => {
    link.client.forwardOut('127.0.0.1', 0, address, port, (error, stream) => {
      if (error)
        reject(
          unreachable(name, {
            what: `jump host ${target.jump.at(-1)} cannot reach ${place}`,
            why: error.message,
            fix: 'correct the address in the inventory, or permit forwarding on the jump host (AllowTcpForwarding yes in sshd_config)',
            cause: error,
          }),
        )
      else resolve(stream)
    })
  })
  const late = (): Problem =>
    unreachable(name, {
      what: `jump host ${target.jump.at(-1)} did not reach ${place} within ${FORWARD_MS / 1000} s`,
      fix: 'check that the host is up and that the jump host can reach it',
    })
  return await within(FORWARD_MS, opened, late, (stream) => stream.destroy())
}

/** The last jump host of a target. Its name is resolved by ssh's configuration; keys and known_hosts files of the target are tried as well. */
export const bastionOf = async (target: Target): Promise<Target> => {
  const destination = target.jump.at(-1) ?? ''
  const own = await resolveThroughSshConfig(destination)
  const behind = [...(target.behind ?? []), destination]
  const before = target.jump.slice(0, -1)
  // As with ssh -J.
  const config = before.length === 0 ? own : reachedThrough(before, own)
  const loop = config.jump.find((hop) => behind.includes(hop))
  if (loop !== undefined)
    throw new Problem({
      class: 'input',
      where: { command: `ssh -G ${destination}` },
      what: `jump host ${loop} is reached through itself`,
      why: `ProxyJump of ${destination} is ${config.jump.join(',')}`,
      fix: 'exclude the jump host from ProxyJump in ~/.ssh/config: Host * !GATE',
    })
  return {
    ...{ name: destination, sshConfig: argumentsFor(destination).at(-1) ?? destination },
    ...config,
    keys: [...config.keys, ...target.keys.filter((key) => !config.keys.includes(key))],
    knownHosts: [...target.knownHosts, ...config.knownHosts],
    hostKeys: target.hostKeys,
    behind,
    passphrase: target.passphrase,
  }
}

const throughBastion = (target: Target, error: unknown): unknown => {
  if (!(error instanceof Problem) || error.class !== 'unreachable' || !('host' in error.where) || error.where.host === target.name)
    return error
  return unreachable(target.name, {
    what: `jump host ${error.where.host} cannot be used: ${error.what}`,
    why: error.why,
    fix: error.fix,
    cause: error,
  })
}
