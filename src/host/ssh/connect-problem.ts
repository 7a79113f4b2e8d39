import type { Problem } from '../../problem.ts'
import type { Target } from '../target/connection.ts'
import { unreachable } from '../target/problems.ts'

/** Code of an error for a connection that was not established in time. */
export const LATE = 'LATE'

/** The problem of a TCP connection that failed, or was not established within `ms`. */
export const connectProblem = (target: Target, error: NodeJS.ErrnoException, ms: number): Problem => {
  const { name, address, port } = target
  const place = `${address}, port ${port}`
  // An address with several IP addresses fails with an error for each.
  const code = error.code ?? (error instanceof AggregateError ? (error.errors[0] as NodeJS.ErrnoException).code : undefined)
  const parts: Record<string, { what: string; fix: string }> = {
    ENOTFOUND: { what: `address ${address} is an unknown host name`, fix: 'correct the address in the inventory' },
    EAI_AGAIN: {
      what: `address ${address} cannot be resolved: no name server answers`,
      fix: 'check the network of this machine and its name servers: resolvectl status',
    },
    ECONNREFUSED: {
      what: `${place} refused the connection`,
      fix: 'correct the address or the port in the inventory, or start sshd on the host: systemctl start ssh',
    },
    [LATE]: {
      what: `no answer from ${place} within ${ms / 1000} s`,
      fix: 'check that the host is up, and that no firewall blocks the connection',
    },
  }
  return unreachable(name, {
    ...(parts[code ?? ''] ?? {
      what: `${place} cannot be reached (${code ?? error.message})`,
      fix: 'correct the address in the inventory, or check the network of this machine: ip route',
    }),
    cause: error,
  })
}

/** Whether a connection failed because nothing accepted it, as while a host boots or restarts sshd. */
export const isRefusedForNow = (cause: unknown): boolean => {
  const { code, message } = (cause ?? {}) as { readonly code?: unknown; readonly message?: unknown }
  // A jump host passes the reason on as text (RFC 4254 section 5.1).
  return (
    ['ECONNREFUSED', 'ECONNRESET', 'EHOSTUNREACH'].includes(String(code)) || /connection refused|no route to host/i.test(String(message))
  )
}
