import { Problem } from '../../problem.ts'
import { connect as connectLocally } from '../local/connect.ts'
import { connect as connectByOpenSsh } from '../openssh/connect.ts'
import { connect as connectBySsh2 } from '../ssh/connect.ts'
import { isMismatch } from '../ssh/handshake-problem.ts'
import type { Target } from '../target/connection.ts'
import type { ConnectOptions, Link } from '../target/link.ts'
import { reasonForOpenSsh, recordMismatch } from './choose.ts'

/** Connects to a host by the transport of its settings, or by the one that it needs. */
export const connect = async (target: Target, options: ConnectOptions = {}): Promise<Link> => {
  if (target.transport === 'local') return await connectLocally(target, options)
  return await byTransport(
    target,
    options,
    () => connectBySsh2(target, options),
    () => connectByOpenSsh(target, options),
  )
}

/** Calls `bySsh2`, or `byOpenSsh` if the host needs it or ssh2 has no algorithm in common with the server. */
export const byTransport = async <T>(
  target: Target,
  { onTransport }: ConnectOptions,
  bySsh2: () => Promise<T>,
  byOpenSsh: () => Promise<T>,
): Promise<T> => {
  const reason = await reasonForOpenSsh(target)
  if (reason !== undefined) {
    onTransport?.(`connects with OpenSSH: ${reason}`)
    return await byOpenSsh()
  }
  try {
    return await bySsh2()
  } catch (error) {
    if (target.transport === 'ssh2' || !(error instanceof Problem) || !isMismatch(error.cause)) throw error
    onTransport?.(`connects with OpenSSH: ${recordMismatch(target, error.why ?? '')}`)
    return await byOpenSsh()
  }
}
