import type { Duplex } from 'node:stream'
import { Problem } from '../../problem.ts'
import type { Target } from '../target/connection.ts'
import { unreachable, within } from '../target/problems.ts'
import { resolveThroughSshConfig } from '../target/ssh-config.ts'
import type { Link } from './link.ts'

const FORWARD_MS = 15_000

interface Bastion {
  readonly link: Promise<Link>
  users: number
}

// One connection for all hosts behind a bastion: a hundred hosts would otherwise be a hundred logins there.
const bastions = new Map<string, Bastion>()

/** A stream to a target through its jump hosts, and how to let go of it. */
export interface Tunnel {
  readonly stream: Duplex
  release(): Promise<void>
}

/** Opens a stream to the target's address through the last of its jump hosts; `connect` reaches a bastion. */
export const openTunnel = async (target: Target, connect: (bastion: Target) => Promise<Link>): Promise<Tunnel> => {
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

const forward = async (link: Link, target: Target): Promise<Duplex> => {
  const { name, address, port } = target
  const place = `${address}, port ${port}`
  const opened = new Promise<Duplex>((resolve, reject) => {
    link.client.forwardOut('127.0.0.1', 0, address, port, (error, stream) => {
      if (error)
        reject(
          unreachable(name, {
            what: `the jump host ${target.jump.at(-1)} cannot reach ${place}`,
            why: error.message,
            fix: 'check the address, and that the jump host permits forwarding (AllowTcpForwarding)',
            cause: error,
          }),
        )
      else resolve(stream)
    })
  })
  const late = (): Problem =>
    unreachable(name, {
      what: `the jump host ${target.jump.at(-1)} did not reach ${place} within ${FORWARD_MS / 1000} s`,
      fix: 'check that the host is up and that the jump host may reach it',
    })
  return await within(FORWARD_MS, opened, late, (stream) => stream.destroy())
}

// A jump host is ssh's own idea: its name means what ssh's configuration says. Keys and known_hosts of the host behind it serve too.
const bastionOf = async (target: Target): Promise<Target> => {
  const destination = target.jump.at(-1) ?? ''
  const config = await resolveThroughSshConfig(destination.includes(':') ? `ssh://${destination}` : destination)
  const { passphrase } = target
  return {
    name: destination,
    ...config,
    keys: [...config.keys, ...target.keys.filter((key) => !config.keys.includes(key))],
    knownHosts: [...target.knownHosts, ...config.knownHosts.filter((file) => !target.knownHosts.includes(file))],
    hostKeys: target.hostKeys,
    jump: [...target.jump.slice(0, -1), ...config.jump],
    ...(passphrase ? { passphrase } : {}),
  }
}

const throughBastion = (target: Target, error: unknown): unknown => {
  if (!(error instanceof Problem) || error.class !== 'unreachable' || !('host' in error.where) || error.where.host === target.name)
    return error
  return unreachable(target.name, {
    what: `its jump host ${error.where.host} cannot be used: ${error.what}`,
    why: error.why,
    fix: error.fix,
    cause: error,
  })
}
