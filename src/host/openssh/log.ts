/** Stages of a connection, in order. `proxy` is the one in which a ProxyCommand or a jump host has to connect. */
export type SshStage = 'connecting' | 'proxy' | 'greeting' | 'key exchange' | 'login' | 'opening' | 'open'

/** The contents of ssh's messages (LogLevel DEBUG1) so far. */
export interface SshLog {
  readonly stage: SshStage
  /** Lines of the peer before its version. */
  readonly greeting: string
  /** The host key that the host presented, with its fingerprint (`SHA256:…`). */
  readonly hostKey?: { readonly type: string; readonly fingerprint: string } | undefined
  /** The keys that were offered, in order. */
  readonly tried: readonly string[]
  /** The methods that the host accepts. */
  readonly accepted: readonly string[]
  /** The fingerprint of the key that the host accepted. */
  readonly loginKey?: string | undefined
  /** The exit status of the command that the host reported. */
  readonly exit?: number | undefined
  /** Whether a signal ended the command. */
  readonly signalled: boolean
  /** The reason why the host opened no session. */
  readonly refusedSession?: string | undefined
  /** Errors, warnings and other lines for people. */
  readonly messages: readonly string[]
}

/** Lines that begin a stage, in order. The stage never goes back: text of the host may look like such a line, and must gain it no time. */
const STAGES: readonly (readonly [RegExp, SshStage])[] = [
  [/^Executing proxy (dialog )?command/, 'proxy'],
  [/^Connection established/, 'greeting'],
  [/^Remote protocol version/, 'key exchange'],
  [/^SSH2_MSG_NEWKEYS received/, 'login'],
  [/^Entering interactive session/, 'opening'],
  // The host has confirmed the session, or the shared connection has.
  [/^Sending command:|^mux_client_request_session: master session id/, 'open'],
]

// OpenSSH 10.1 warns of older key exchanges in lines that begin with asterisks.
const NOT_FOR_PEOPLE =
  /^(debug\d: |Connection closed by UNKNOWN port |Authenticated to |Transferred: |Bytes per second: |Warning: Permanently added |\*\* |$)/

/** Parses the messages of ssh, as OpenSSH 8.4 to 10 writes them. */
export const parseSshLog = (text: string): SshLog => {
  const lines = text.split('\n').map((line) => line.replace(/\r$/, ''))
  const debug = lines.flatMap((line) => (line.startsWith('debug1: ') ? [line.slice('debug1: '.length)] : []))
  const match = (pattern: RegExp): readonly RegExpExecArray[] => debug.map((line) => pattern.exec(line)).filter((found) => found !== null)
  let stage: SshStage = 'connecting'
  for (const [pattern, next] of STAGES) if (debug.some((line) => pattern.test(line))) stage = next
  const key = match(/^Server host (?:key|certificate): (\S+) (SHA256:[A-Za-z0-9+/]+)/).at(-1)
  // A certificate has the fingerprint of its key, and needs no line in authorized_keys.
  const login = match(/^Server accepts key: .* (?!\S*-CERT )\S+ (SHA256:[A-Za-z0-9+/]+)/).at(-1)?.[1]
  const exit = match(/^Exit status (-?\d+)/).at(-1)?.[1]
  const messages = lines.filter((line) => !NOT_FOR_PEOPLE.test(line))
  return {
    stage,
    greeting: match(/^kex_exchange_identification: banner line \d+: (.*)/)
      .map(([, line]) => `${line}\n`)
      .join(''),
    hostKey: key && { type: key[1] ?? '', fingerprint: key[2] ?? '' },
    tried: match(/^Offering public key: (.*) (\S+) (SHA256:\S+)/).map(([, path, type, print]) => `${path} (${type} ${print})`),
    accepted:
      match(/^Authentications that can continue: (.*)/)
        .at(-1)?.[1]
        ?.split(',') ?? [],
    loginKey: lines.some((line) => /^(debug1: )?Authenticated to .*"publickey"/.test(line)) ? login : undefined,
    exit: exit === undefined || exit === '-1' ? undefined : Number(exit),
    signalled: debug.some((line) => /^client_input_channel_req: channel \d+ rtype exit-signal/.test(line)),
    refusedSession: messages.find((line) => /^channel \d+: open failed|^(exec|shell) request failed/.test(line)),
    messages,
  }
}
