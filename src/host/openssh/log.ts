/** Stages of a connection, in order. `proxy` is the one in which a ProxyCommand or a jump host has to connect. */
export type SshStage = 'connecting' | 'proxy' | 'greeting' | 'key exchange' | 'login' | 'opening' | 'open'

/** The contents of ssh's messages (LogLevel DEBUG1) so far. */
export interface SshLog {
  readonly stage: SshStage
  /** Lines of the peer before its version. */
  readonly greeting: string
  /** The host key that the host presented, with its fingerprint (`SHA256:…`). Undefined if the messages name several. */
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

/** Lines that begin a stage, in order. The stage never goes back. */
const STAGES: readonly (readonly [RegExp, SshStage])[] = [
  [/^Executing proxy (dialog )?command/, 'proxy'],
  [/^Connection established/, 'greeting'],
  [/^Remote protocol version/, 'key exchange'],
  [/^SSH2_MSG_NEWKEYS received/, 'login'],
  [/^Entering interactive session/, 'opening'],
]
const ORDER: readonly SshStage[] = ['connecting', ...STAGES.map(([, stage]) => stage), 'open']

// OpenSSH 10.1 warns of older key exchanges in lines that begin with asterisks.
const NOT_FOR_PEOPLE =
  /^(debug\d: |Connection closed by UNKNOWN port |Authenticated to |Transferred: |Bytes per second: |Warning: Permanently added |\*\* |$)/

/** Limits of what is kept: a host decides how much there is. */
const MAX = { line: 4096, greeting: 20, tried: 50, messages: 100 }

/**
 * Reads the messages of ssh, as OpenSSH 8.4 to 10 writes them. Some of them contain text of the peer, also before its key was checked, and
 * this text may contain line ends: it can look like any message. So `word`, which ssh passes to the host when the session opens
 * (SetEnv), decides whether one is open: no peer knows it before. Everything else serves error messages and time limits only.
 */
export class SshLogReader {
  readonly #word: string
  #begun = ''
  #stage: SshStage = 'connecting'
  #accepts: string | undefined
  #loginKey: string | undefined
  #exit: number | undefined
  #signalled = false
  #refusedSession: string | undefined
  #accepted: readonly string[] = []
  readonly #greeting: string[] = []
  readonly #hostKeys = new Map<string, string>()
  readonly #tried: string[] = []
  #messages: string[] = []

  constructor(word: string) {
    this.#word = word
  }

  push(text: string): void {
    const lines = (this.#begun + text).split('\n')
    this.#begun = (lines.pop() ?? '').slice(0, MAX.line)
    for (const line of lines) this.#take(line.replace(/\r$/, ''))
  }

  get log(): SshLog {
    const [only, ...others] = this.#hostKeys
    return {
      stage: this.#stage,
      greeting: this.#greeting.join(''),
      hostKey: only === undefined || others.length > 0 ? undefined : { type: only[1], fingerprint: only[0] },
      tried: [...this.#tried],
      accepted: this.#accepted,
      loginKey: this.#loginKey,
      exit: this.#exit,
      signalled: this.#signalled,
      refusedSession: this.#refusedSession,
      messages: [...this.#messages],
    }
  }

  #take(line: string): void {
    if (!NOT_FOR_PEOPLE.test(line)) this.#keep(line)
    const text = line.startsWith('debug1: ') ? line.slice('debug1: '.length) : undefined
    if (this.#stage === 'open') {
      if (text !== undefined) this.#takeEnd(text)
    } else if (text?.includes(this.#word) === true || this.#isShared(text)) this.#stage = 'open'
    else if (text !== undefined) this.#takeStep(text)
    else this.#takeLogin(line)
  }

  /** Whether a shared connection has confirmed the session. Only the first messages can say so, before anything of a peer is among them. */
  #isShared(text: string | undefined): boolean {
    return this.#stage === 'connecting' && text?.startsWith('mux_client_request_session: master session id') === true
  }

  #keep(line: string): void {
    if (/^channel \d+: open failed|^(exec|shell) request failed/.test(line)) this.#refusedSession ??= line
    this.#messages = [...this.#messages, line].slice(-MAX.messages)
  }

  #takeStep(text: string): void {
    for (const [pattern, stage] of STAGES) if (pattern.test(text) && ORDER.indexOf(stage) > ORDER.indexOf(this.#stage)) this.#stage = stage
    const greeting = /^kex_exchange_identification: banner line \d+: (.*)/.exec(text)?.[1]
    if (greeting !== undefined && this.#greeting.length < MAX.greeting) this.#greeting.push(`${greeting}\n`)
    const [, type, print] = /^Server host (?:key|certificate): (\S+) (SHA256:[A-Za-z0-9+/]+)/.exec(text) ?? []
    if (type !== undefined && print !== undefined && this.#hostKeys.size < 2) this.#hostKeys.set(print, type)
    const [, path, kind, offered] = /^Offering public key: (.*) (\S+) (SHA256:\S+)/.exec(text) ?? []
    if (path !== undefined && this.#tried.length < MAX.tried) this.#tried.push(`${path} (${kind} ${offered})`)
    this.#accepted = /^Authentications that can continue: (.*)/.exec(text)?.[1]?.split(',') ?? this.#accepted
    // A certificate has the fingerprint of its key, and needs no line in authorized_keys.
    if (text.startsWith('Server accepts key: ')) this.#accepts = / (?!\S*-CERT )\S+ (SHA256:[A-Za-z0-9+/]+)/.exec(text)?.[1]
    // Older versions write it with LogLevel DEBUG1.
    this.#takeLogin(text)
  }

  #takeLogin(text: string): void {
    if (/^Authenticated to .*"publickey"/.test(text)) this.#loginKey = this.#accepts
  }

  #takeEnd(text: string): void {
    const exit = /^Exit status (-?\d+)/.exec(text)?.[1]
    if (exit !== undefined) this.#exit = exit === '-1' ? undefined : Number(exit)
    if (/^client_input_channel_req: channel \d+ rtype exit-signal/.test(text)) this.#signalled = true
  }
}
