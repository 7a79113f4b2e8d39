import { lastLines, type Problem } from '../../problem.ts'
import type { Target } from '../target/connection.ts'
import { unreachable } from '../target/problems.ts'

export type Stage = 'greeting' | 'key exchange' | 'login'

/** State of a handshake when it failed. */
export interface FailedHandshake {
  readonly stage: Stage
  /** The first bytes of the peer, in Latin-1. */
  readonly greeting: string
  /** Labels of the credentials that were tried. */
  readonly tried: readonly string[]
  /** Methods that the host accepts. */
  readonly accepted: readonly string[]
  readonly failure: Error | undefined
  /** Messages of another program that performed the handshake. */
  readonly words?: string
  /** Milliseconds after which the time was up; undefined if the connection ended. */
  readonly lateMs?: number | undefined
}

const lateLogins = new WeakSet<Problem>()

/** Whether the time for a key exchange or a login was up. */
export const isLateLogin = (problem: Problem): boolean => lateLogins.has(problem)

/** The problem of a connection that ended, or whose time was up, before the login. */
export const handshakeProblem = (target: Target, failed: FailedHandshake): Problem => {
  const { what, why, fix } = explanation(target, failed)
  const all = [why ?? '', failed.words ?? ''].filter((part) => part !== '').join('\n')
  const problem = unreachable(target.name, { what, why: all, fix, cause: failed.failure })
  if (failed.lateMs !== undefined) lateLogins.add(problem)
  return problem
}

const explanation = (
  target: Target,
  failed: FailedHandshake,
): { readonly what: string; readonly why?: string | undefined; readonly fix: string } => {
  const { stage, greeting, lateMs } = failed
  const place = `${target.address}, port ${target.port}`
  if (stage === 'greeting' && greeting !== '' && isBusy(greeting))
    return {
      what: `sshd on ${place} refuses new connections at present`,
      why: shownGreeting(greeting, ''),
      fix: 'close connections there, or raise MaxStartups and PerSourcePenalties of sshd; sshd -T prints both',
    }
  if (stage === 'greeting' && greeting !== '')
    return {
      what: `service on ${place} is not sshd`,
      why: shownGreeting(greeting, '?'),
      fix: 'correct the address or the port in the inventory',
    }
  if (lateMs !== undefined)
    return {
      what:
        stage === 'greeting'
          ? `${place} accepts connections, but sent nothing within ${lateMs / 1000} s`
          : `${stage} with ${place} did not finish within ${lateMs / 1000} s`,
      fix: 'check on the console of the host that sshd runs and that the host is not overloaded: systemctl status ssh; uptime',
    }
  if (stage === 'greeting')
    return {
      what: `${place} closed the connection before sending anything`,
      fix: 'check on the console of the host that sshd runs (systemctl status ssh), and its MaxStartups and PerSourcePenalties (sshd -T)',
    }
  return stage === 'login' ? loginExplanation(target, failed) : keyExchangeExplanation(place, failed)
}

const shownGreeting = (greeting: string, hidden: string): string => lastLines(greeting.slice(0, 2000).replace(/[^\x20-\x7e\n]/g, hidden), 5)

/** The fix for a login that was refused by `place`, which accepts these methods. Undefined or none: they are not known. */
export const refusedFix = (user: string, place: string, accepted: readonly string[] = []): string =>
  accepted.length === 0 || accepted.includes('publickey')
    ? `check the user, and add the public key to ~${user}/.ssh/authorized_keys on ${place}`
    : `permit a login by public key alone in sshd_config of ${place} (PubkeyAuthentication, AuthenticationMethods): provision enters no passwords and no codes`

const loginExplanation = ({ user }: Target, { tried, accepted, failure }: FailedHandshake) => {
  const keys = `tried ${tried.length === 0 ? 'no key' : tried.join(', ')}`
  if (isRefusedLogin(failure))
    return {
      what: `login as ${user} was refused`,
      why: `${keys}; the host accepts ${accepted.join(', ') || 'other methods'}`,
      fix: refusedFix(user, 'the host', accepted),
    }
  if (isTooManyKeys(failure))
    return {
      what: `login as ${user} was refused after too many keys`,
      why: `${keys}; sshd ends the connection after MaxAuthTries keys`,
      fix: 'set the right key in the inventory (key: path); for a key of the agent, its public key file is enough',
    }
  return {
    what: 'connection failed during the login',
    why: failure?.message ?? keys,
    fix: 'read the messages of sshd on the host: journalctl -u ssh',
  }
}

const keyExchangeExplanation = (place: string, { failure, words }: FailedHandshake) => {
  if (failure === undefined)
    return {
      what: `${place} closed the connection during the key exchange`,
      fix: 'read the messages of sshd on the host: journalctl -u ssh',
    }
  if (/no matching/.test(failure.message))
    return {
      what: 'connection failed during the key exchange',
      why: words === undefined ? failure.message : undefined,
      fix:
        words === undefined
          ? 'update sshd on the host: provision uses only current algorithms'
          : 'update sshd on the host, or ssh on this machine: they have no algorithm in common',
    }
  return {
    what: `${place} ended the key exchange`,
    why: failure.message,
    fix: 'read the messages of sshd on the host (journalctl -u ssh), and check that no proxy changes the connection',
  }
}

/** Whether a connection failed because the server, or a jump host, and ssh2 have no algorithm in common. */
export const isMismatch = (error: unknown): boolean =>
  error instanceof Error && (/\bno matching /i.test(error.message) || isMismatch(error.cause))

/** Whether a connection failed because sshd accepts none of the credentials. */
export const isRefusedLogin = (error: unknown): boolean =>
  error instanceof Error && 'level' in error && error.level === 'client-authentication'

const isTooManyKeys = (error: Error | undefined): boolean => /too many authentication failures/i.test(error?.message ?? '')

// sshd sends such lines in plain text, before its version, if it refuses connections because of load.
const isBusy = (greeting: string): boolean => /^(Exceeded MaxStartups|Not allowed at this time)/.test(greeting)

/**
 * Returns how often to try a connection that failed like this: sshd drops connections silently, or with a line about its load, and a restart
 * of sshd ends a key exchange.
 */
export const triesOf = ({ stage, greeting, failure, lateMs }: FailedHandshake): number => {
  if (lateMs !== undefined) return 1
  if (stage === 'greeting' && (greeting === '' || isBusy(greeting))) return 6
  return stage === 'key exchange' && failure === undefined ? 2 : 1
}

/** Whether the first bytes of a peer cannot be those of sshd, which sends lines of text before its version at most. */
export const isForeign = (greeting: string): boolean => /[\0-\x08\x0e-\x1f]|^(HTTP\/|220[ -]|\+OK|\* OK|<)/.test(greeting)
