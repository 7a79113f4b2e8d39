import type { BaseAgent, IdentityCallback, ParsedKey, SignCallback, SigningRequestOptions } from 'ssh2'
import { loadSsh2 } from './ssh2.ts'

/** A key that the agent holds. */
export interface AgentKey {
  /** The public half in SSH's wire format. */
  readonly wire: Buffer
  readonly parsed: ParsedKey
}

/** The agent of a host: its usable keys in its own order. */
export interface Agent {
  readonly keys: readonly AgentKey[]
  /** The reason why there is no key, for messages. */
  readonly state: string
  /** An agent for ssh2 that offers only these keys, in this order. */
  only(keys: readonly AgentKey[]): BaseAgent<string | Buffer | ParsedKey>
}

/**
 * Opens the agent at a socket; `none` and undefined mean no agent. An agent that does not answer counts as an agent without keys. Keys of
 * types that ssh2 cannot use, such as those of security tokens, are left out.
 */
export const openAgent = async (socket: string | undefined): Promise<Agent> => {
  const { createAgent, BaseAgent } = await loadSsh2()
  const address = socket === undefined || socket === '' || socket === 'none' ? undefined : socket
  const agent = address === undefined ? undefined : createAgent(address)
  const held = await new Promise<readonly ParsedKey[] | undefined>((resolve) => {
    if (agent === undefined) resolve([])
    // ssh2 leaves out keys that it cannot use.
    else agent.getIdentities((error, keys) => resolve(error ? undefined : ((keys ?? []) as ParsedKey[])))
  })
  const keys = (held ?? []).map((parsed) => ({ parsed, wire: parsed.getPublicSSH() }))
  class Chosen extends BaseAgent<string | Buffer | ParsedKey> {
    readonly #chosen: readonly AgentKey[]
    constructor(chosen: readonly AgentKey[]) {
      super()
      this.#chosen = chosen
    }
    getIdentities(callback: IdentityCallback): void {
      callback(
        undefined,
        this.#chosen.map(({ parsed }) => parsed),
      )
    }
    sign(key: string | Buffer | ParsedKey, data: Buffer, options: SigningRequestOptions | SignCallback, callback?: SignCallback): void {
      agent?.sign(key, data, options as SigningRequestOptions, callback)
    }
  }
  return { keys, state: stateOf(address, held), only: (chosen) => new Chosen(chosen) }
}

const stateOf = (socket: string | undefined, held: readonly unknown[] | undefined): string => {
  if (socket === undefined) return 'no SSH agent is set (SSH_AUTH_SOCK, IdentityAgent)'
  if (held === undefined) return `the SSH agent at ${socket} does not answer`
  return held.length === 0 ? 'the SSH agent has no keys' : 'the SSH agent has other keys only'
}
