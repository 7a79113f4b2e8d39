import { showHidden } from '../../hidden.ts'
import { lastLines, Problem } from '../../problem.ts'
import { refusalOf } from '../known-hosts/host-key.ts'
import { type KnownHost, knownName, statusOfKey } from '../known-hosts/known-hosts.ts'
import { connectProblem, LATE } from '../ssh/connect-problem.ts'
import { type FailedHandshake, handshakeProblem, refusedFix, triesOf } from '../ssh/handshake-problem.ts'
import { type Dropped, refusedForNow } from '../ssh/patience.ts'
import type { Target } from '../target/connection.ts'
import { lateSession, sessionProblem, unreachable } from '../target/problems.ts'
import { refusedConfig } from '../target/refused-config.ts'
import type { SshLog } from './log.ts'

/** An ssh process that ended or timed out before it opened a session. */
export interface FailedSsh {
  readonly log: SshLog
  /** Standard error: messages of proxies and jump hosts. */
  readonly stderr: string
  readonly lateMs?: number | undefined
  /** Whether ssh wrote too many messages. */
  readonly isFlooded?: boolean | undefined
  /** Questions that nobody could answer. */
  readonly refused: readonly string[]
  /** Keys with a wrong passphrase in the inventory. */
  readonly wrong: readonly string[]
  /** The entries of the target's known_hosts files. */
  readonly known: readonly KnownHost[]
}

/** Returns the problem of a failed connection, as ssh2 would report it, with the messages of ssh. Throws it if a retry cannot help. */
export const failedSsh = (target: Target, failed: FailedSsh): Dropped => {
  const { log, lateMs, wrong, refused } = failed
  const login = log.stage === 'login'
  if (login && wrong[0] !== undefined)
    throw new Problem({ class: 'input', where: { file: wrong[0] }, what: 'key cannot be decrypted', fix: 'correct the passphrase' })
  if (login && refused[0] !== undefined) throw unanswered(target, refused[0])
  if (failed.isFlooded === true)
    throw unreachable(target.name, {
      what: 'host sends messages without end',
      why: wordsOf(failed),
      fix: 'check the host: its sshd does not follow the protocol',
    })
  const invalid = log.stage === 'connecting' ? refusedConfig({ host: target.name }, wordsOf(failed)) : undefined
  if (invalid) throw invalid
  if (log.stage === 'connecting') return refusedForNow(connectProblem(target, connectError(failed), lateMs ?? 0))
  if (log.stage === 'proxy' && log.greeting === '') return refusedForNow(proxyProblem(target, failed))
  if (log.stage === 'opening' || log.stage === 'open') throw openingProblem(target, failed)
  const key = hostKeyProblem(target, failed)
  if (key) throw key
  const stage = log.stage === 'proxy' ? 'greeting' : log.stage
  const greeting = log.greeting === '' && log.messages.some((line) => NO_VERSION.test(line)) ? 'a line without end\n' : log.greeting
  const handshake: FailedHandshake = { ...log, greeting, stage, failure: failureOf(failed), words: wordsOf(failed), lateMs }
  const tries = triesOf(handshake)
  const problem = handshakeProblem(target, handshake)
  if (tries > 1) return { dropped: problem, tries }
  throw problem
}

const NO_VERSION = /^kex_exchange_identification: (banner line too long|banner line contains invalid characters|No SSH version received)/

/** The last messages of ssh. They may contain text of the host. */
const wordsOf = ({ log, stderr }: FailedSsh): string =>
  lastLines(showHidden([...log.messages, ...stderr.split(/\r?\n/).filter((line) => line.trim() !== '')].join('\n').slice(-2000)), 5)

const CODES: readonly (readonly [RegExp, string])[] = [
  [/Name or service not known|nodename nor servname|No address associated/, 'ENOTFOUND'],
  [/Temporary failure in name resolution/, 'EAI_AGAIN'],
  [/Connection refused/, 'ECONNREFUSED'],
  [/Connection timed out|Operation timed out/, LATE],
  [/No route to host/, 'EHOSTUNREACH'],
  [/Network is unreachable/, 'ENETUNREACH'],
  [/Connection reset/, 'ECONNRESET'],
]

const connectError = (failed: FailedSsh): NodeJS.ErrnoException => {
  const text = wordsOf(failed)
  const code = failed.lateMs === undefined ? CODES.find(([pattern]) => pattern.test(text))?.[1] : LATE
  return Object.assign(new Error(lastLines(text, 1)), code === undefined ? {} : { code })
}

/** Errors of the handshake as ssh2 has them. */
const failureOf = ({ log: { stage, messages } }: FailedSsh): Error | undefined => {
  const find = (pattern: RegExp): string | undefined => messages.find((line) => pattern.test(line))
  if (stage === 'login') {
    const tooMany = find(/Too many authentication failures/)
    if (tooMany !== undefined) return new Error(tooMany)
    const denied = find(/Permission denied/)
    return denied === undefined ? lastError(messages) : Object.assign(new Error(denied), { level: 'client-authentication' })
  }
  const mismatch = find(/no matching .* found/)
  return mismatch === undefined ? lastError(messages) : new Error(mismatch)
}

// Messages about the end of a connection that give no reason for it.
const ENDED =
  /^(Connection (closed|reset) by|kex_exchange_identification: |ssh_dispatch_run_fatal: .*(Broken pipe|closed|reset)|banner exchange: )/

const lastError = (messages: readonly string[]): Error | undefined => {
  const last = messages.filter((line) => !ENDED.test(line)).at(-1)
  return last === undefined ? undefined : new Error(last)
}

const hostKeyProblem = (target: Target, { log, known }: FailedSsh): Problem | undefined => {
  if (log.hostKey === undefined || !log.messages.some((line) => /^Host key verification failed/.test(line))) return undefined
  const presented = { ...log.hostKey, type: log.hostKey.type.replace(/-cert-v\d+@openssh\.com$/, '') }
  const verdict = statusOfKey(known, knownName(target), presented)
  return refusalOf({ ...target, hostKeys: 'strict' }, verdict, presented)
}

const proxyProblem = (target: Target, failed: FailedSsh): Problem => {
  const { name, address, port, jump } = target
  const why = wordsOf(failed)
  const cause = new Error(why)
  const late = failed.lateMs === undefined ? '' : ` within ${failed.lateMs / 1000} s`
  const gate = jump.at(-1)
  if (gate === undefined)
    return unreachable(name, {
      what: `ProxyCommand did not connect to ${address}, port ${port}${late}`,
      why,
      fix: `run the command on its own; ssh -G ${target.sshConfig ?? address} prints it`,
      cause,
    })
  if (/open failed|stdio forwarding failed/.test(why))
    return unreachable(name, {
      what: `jump host ${gate} cannot reach ${address}, port ${port}`,
      why,
      fix: 'correct the address in the inventory, or permit forwarding on the jump host (AllowTcpForwarding yes in sshd_config)',
      cause,
    })
  const reason = reasonOf(gate, why) ?? { what: `it did not connect to ${address}, port ${port}${late}`, fix: `try it: ssh ${gate}` }
  return unreachable(name, { what: `jump host ${gate} cannot be used: ${reason.what}`, why, fix: reason.fix, cause })
}

/** Returns the problem of a jump host, according to the messages of its ssh process. */
const reasonOf = (gate: string, words: string): Pick<Problem, 'what' | 'fix'> | undefined => {
  if (/REMOTE HOST IDENTIFICATION HAS CHANGED/.test(words))
    return { what: `host key of ${gate} changed`, fix: 'find out why; if the host was reinstalled, remove its old line from known_hosts' }
  if (/Host key verification failed/.test(words))
    return { what: `host key of ${gate} is not known`, fix: `compare the fingerprint with the host’s own, and store the key: ssh ${gate}` }
  const [, user = gate, methods] = /(\S+)@\S+: Permission denied(?: \(([^)]*)\))?/.exec(words) ?? []
  if (/Permission denied/.test(words)) return { what: `login as ${user} was refused`, fix: refusedFix(user, gate, methods?.split(',')) }
  const [, address, port] = /connect to host (\S+) port (\d+): /.exec(words) ?? []
  const [, unknown] = /Could not resolve hostname (\S+): /.exec(words) ?? []
  const place = address ?? unknown
  const code = CODES.find(([pattern]) => pattern.test(words))?.[1]
  if (place === undefined || code === undefined) return undefined
  const target: Target = { ...NOWHERE, name: gate, address: place, port: Number(port ?? 22) }
  return connectProblem(target, Object.assign(new Error(words), { code }), 0)
}

const NOWHERE = { user: '', keys: [], knownHosts: [], hostKeys: 'strict', jump: [] } as const

const openingProblem = (target: Target, failed: FailedSsh): Problem => {
  const { log, lateMs } = failed
  if (log.refusedSession !== undefined) return sessionProblem(target.name, new Error(showHidden(log.refusedSession)))
  if (lateMs !== undefined) return lateSession(target.name, lateMs)
  return unreachable(target.name, {
    what: 'connection was lost before the session opened',
    why: wordsOf(failed),
    fix: 'check that the host is up, then run again',
  })
}

const unanswered = ({ name }: Target, question: string): Problem => {
  const parts = (what: string, fix: string): Problem =>
    new Problem({ class: 'input', where: { host: name }, what, why: `ssh asks: ${question}`, fix })
  const terminal = 'run the command on a terminal'
  if (/passphrase/i.test(question))
    return parts('key needs its passphrase, and no terminal is attached', `load the key into your agent, set passphrase, or ${terminal}`)
  if (/\bPIN\b/.test(question)) return parts('key needs its PIN, and no terminal is attached', terminal)
  if (/presence|touch/i.test(question)) return parts('key needs a touch, and no terminal is attached', terminal)
  return parts('ssh has a question, and no terminal is attached', terminal)
}
