import type { Duplex } from 'node:stream'
import type { Algorithms, AuthenticationType, Client } from 'ssh2'
import { lastLines, type Problem } from '../../problem.ts'
import type { Target } from '../target/connection.ts'
import { unreachable } from '../target/problems.ts'
import type { Credential } from './credentials.ts'
import { loadSsh2 } from './ssh2.ts'

const GREETING_MS = 10_000
const LOGIN_MS = 20_000

export interface HandshakeOptions {
  readonly algorithms: Algorithms
  readonly credentials: readonly Credential[]
  /** The reason to refuse a host key, or undefined to accept it. */
  verify(key: Buffer): Promise<Problem | undefined>
  readonly signal?: AbortSignal | undefined
  readonly log?: ((line: string) => void) | undefined
}

/** A client after login, or the problem of a connection that sshd dropped before its greeting, which can be retried. */
export type HandshakeOutcome = { readonly client: Client; readonly gone: Promise<Error | undefined> } | { readonly dropped: Problem }

/** Performs key exchange and login over a stream. Throws a `Problem` if one fails. */
export const handshake = async (target: Target, stream: Duplex, options: HandshakeOptions): Promise<HandshakeOutcome> => {
  const { Client } = await loadSsh2()
  const { name, user, address, port } = target
  const { signal, log } = options
  const client = new Client()
  let stage: 'greeting' | 'key exchange' | 'login' = 'greeting'
  let refusal: Problem | undefined
  let accepted: readonly AuthenticationType[] = []
  let greeting = ''
  let failure: Error | undefined
  const tried: string[] = []
  const fail = (what: string, fix: string, why?: string, cause?: unknown): Problem => unreachable(name, { what, fix, why, cause })

  const outcome = new Promise<HandshakeOutcome>((resolve, reject) => {
    const deadline = (ms: number): NodeJS.Timeout =>
      setTimeout(
        () =>
          reject(fail(late(stage, ms, `${address}, port ${port}`), 'check that sshd listens there, and that the host is not overloaded')),
        ms,
      )
    let timer = deadline(GREETING_MS)
    const gone = new Promise<Error | undefined>((over) => {
      client.once('close', () => {
        over(failure)
        clearTimeout(timer)
        signal?.removeEventListener('abort', abort)
        const problem = refusal ?? problemOf()
        if (stage === 'greeting' && mayBeBusy(greeting)) resolve({ dropped: problem })
        else reject(problem)
      })
    })
    const abort = (): void => reject(signal?.reason)
    signal?.addEventListener('abort', abort)
    const problemOf = (): Problem => {
      if (stage === 'login' && isRefusedLogin(failure)) {
        const why = `tried ${tried.length === 0 ? 'no key' : tried.join(', ')}; the host accepts ${accepted.join(', ') || 'other methods'}`
        return fail(
          `login as ${user} was refused`,
          `check the user, and add the public key to ~${user}/.ssh/authorized_keys on the host`,
          why,
          failure,
        )
      }
      if (stage === 'greeting' && greeting !== '' && mayBeBusy(greeting))
        return fail(
          `sshd on ${address}, port ${port} refuses new connections at present`,
          'check which connections are open there, and its MaxStartups and PerSourcePenalties',
          lastLines(greeting.replace(/[^\x20-\x7e\n]/g, '')),
          failure,
        )
      if (stage === 'greeting' && greeting !== '')
        return fail(
          `service on ${address}, port ${port} is not sshd`,
          'check address and port',
          lastLines(greeting.replace(/[^\x20-\x7e\n]/g, '?')),
          failure,
        )
      if (stage === 'greeting')
        return fail(
          `${address}, port ${port} closed the connection before sending anything`,
          'check that sshd runs there, and its MaxStartups and PerSourcePenalties',
          undefined,
          failure,
        )
      return fail(
        `connection failed during the ${stage}`,
        stage === 'login'
          ? 'read the messages of sshd on the host: journalctl -u ssh'
          : 'update sshd on the host: provision uses only current algorithms',
        failure?.message,
        failure,
      )
    }

    client.on('error', (error: Error & { level?: string }) => {
      log?.(`${name}: ${error.message}`)
      // If the agent cannot sign, the next credential is tried.
      if (error.level !== 'agent') failure ??= error
    })
    client.once('handshake', () => {
      stage = 'login'
    })
    client.once('ready', () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', abort)
      resolve({ client, gone })
    })
    const pending = [...options.credentials]
    client.connect({
      sock: stream as never,
      username: user,
      algorithms: options.algorithms,
      readyTimeout: 0,
      keepaliveInterval: 10_000,
      keepaliveCountMax: 3,
      ...(log ? { debug: (line: string) => log(`${name}: ${line}`) } : {}),
      hostVerifier: (key: Buffer, verify: (ok: boolean) => void) => {
        options.verify(key).then(
          (problem) => {
            refusal = problem
            verify(problem === undefined)
          },
          (error) => {
            reject(error)
            verify(false)
          },
        )
      },
      authHandler: (left, _partial, next) => {
        accepted = left ?? []
        const credential = left && !left.includes('publickey') ? undefined : pending.shift()
        if (credential) tried.push(credential.label)
        // @types/ssh2 does not know that `false` gives up.
        next((credential?.method ?? false) as never)
      },
    })
    stream.on('data', function listen(chunk: Buffer) {
      greeting += chunk.toString('latin1', 0, 512)
      if (!/^SSH-/m.test(greeting)) return
      stream.off('data', listen)
      stage = 'key exchange'
      clearTimeout(timer)
      timer = deadline(LOGIN_MS)
    })
  })
  return await outcome.catch((error: unknown) => {
    client.destroy()
    throw error
  })
}

const late = (stage: string, ms: number, place: string): string =>
  stage === 'greeting'
    ? `${place} accepts connections, but sent nothing within ${ms / 1000} s`
    : `${stage} with ${place} did not finish within ${ms / 1000} s`

/** Whether a connection failed because sshd accepts none of the credentials. */
export const isRefusedLogin = (error: unknown): boolean =>
  error instanceof Error && 'level' in error && error.level === 'client-authentication'

// sshd sends such lines in plain text, before its version, if it refuses connections because of load.
const mayBeBusy = (greeting: string): boolean => greeting === '' || /^(Exceeded MaxStartups|Not allowed at this time)/.test(greeting)
