import type { Duplex } from 'node:stream'
import type { Algorithms, AuthenticationType, Client } from 'ssh2'
import type { Problem } from '../../problem.ts'
import type { Target } from '../target/connection.ts'
import type { Credential } from './credentials.ts'
import { type FailedHandshake, handshakeProblem, isForeign, type Stage, triesOf } from './handshake-problem.ts'
import { loadSsh2 } from './ssh2.ts'

const GREETING_MS = 10_000
const LOGIN_MS = 20_000
/** Bytes in which the version of sshd must begin. */
const MAX_GREETING = 16 * 1024

export interface HandshakeOptions {
  readonly algorithms: Algorithms
  readonly credentials: readonly Credential[]
  /** The reason to refuse a host key, or undefined to accept it. */
  verify(key: Buffer): Promise<Problem | undefined>
  readonly signal?: AbortSignal | undefined
  readonly log?: ((line: string) => void) | undefined
}

/** A client after login, or the problem of a connection that sshd dropped, and how often to try. */
export type HandshakeOutcome =
  | { readonly client: Client; readonly gone: Promise<Error | undefined>; readonly loginKeys: readonly string[] }
  | { readonly dropped: Problem; readonly tries: number }

/** Performs key exchange and login over a stream. Throws a `Problem` if one fails. */
export const handshake = async (target: Target, stream: Duplex, options: HandshakeOptions): Promise<HandshakeOutcome> => {
  const { Client } = await loadSsh2()
  const { name, user } = target
  const { signal, log } = options
  const client = new Client()
  let stage: Stage = 'greeting'
  let isReady = false
  let refusal: Problem | undefined
  let accepted: readonly AuthenticationType[] = []
  let greeting = ''
  let failure: Error | undefined
  const tried: string[] = []
  let loginKeys: readonly string[] = []
  const failed = (lateMs?: number): FailedHandshake => ({ stage, greeting, tried, accepted, failure, lateMs })

  const outcome = new Promise<HandshakeOutcome>((resolve, reject) => {
    const deadline = (ms: number): NodeJS.Timeout => setTimeout(() => reject(handshakeProblem(target, failed(ms))), ms)
    let timer = deadline(GREETING_MS)
    const gone = new Promise<Error | undefined>((over) => {
      client.once('close', () => {
        over(failure)
        clearTimeout(timer)
        signal?.removeEventListener('abort', abort)
        const problem = refusal ?? handshakeProblem(target, failed())
        const tries = refusal === undefined ? triesOf(failed()) : 1
        if (tries > 1) resolve({ dropped: problem, tries })
        else reject(problem)
      })
    })
    const abort = (): void => reject(signal?.reason)
    signal?.addEventListener('abort', abort)
    client.on('error', (error: Error & { level?: string }) => {
      log?.(`${name}: ${error.message}`)
      // If the agent cannot sign, the next credential is tried.
      if (error.level === 'agent') return
      failure ??= error
      endAtOnce()
    })
    // After an error ssh2 only ends its half of the connection, and a peer that keeps the connection open would cost the whole time limit.
    const endAtOnce = (): void => {
      if (!isReady) stream.destroy()
    }
    stream.once('end', endAtOnce).once('finish', endAtOnce)
    client.once('handshake', () => {
      stage = 'login'
    })
    client.once('ready', () => {
      isReady = true
      clearTimeout(timer)
      signal?.removeEventListener('abort', abort)
      resolve({ client, gone, loginKeys })
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
        loginKeys = credential?.publicKeys ?? []
        // @types/ssh2 does not know that `false` gives up.
        next((credential?.method ?? false) as never)
      },
    })
    stream.on('data', function listen(chunk: Buffer) {
      greeting = (greeting + chunk.toString('latin1', 0, MAX_GREETING)).slice(0, MAX_GREETING)
      if (!/^SSH-/m.test(greeting)) {
        if (isForeign(greeting) || greeting.length === MAX_GREETING) endAtOnce()
        return
      }
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
