import { expect, test } from 'vitest'
import { type SshLog, SshLogReader, type SshStage } from '../../../../src/host/openssh/log.ts'

const WORD = '5ffb9a3c1d'
const OPEN = `debug1: channel 0: setting env PROVISION_SESSION = "${WORD}"`
/** The contents of messages that arrive in pieces of this many characters. */
const parseSshLog = (text: string, size = 1000): SshLog => {
  const reader = new SshLogReader(WORD)
  for (let at = 0; at < text.length; at += size) reader.push(text.slice(at, at + size))
  reader.push('\r\n')
  return reader.log
}

// Messages of OpenSSH 9.2, in their order; each ends a stage.
const LINES: readonly (readonly [SshStage, string])[] = [
  ['connecting', 'debug1: Connecting to 192.0.2.1 [192.0.2.1] port 22.'],
  ['greeting', 'debug1: Connection established.'],
  ['greeting', 'debug1: kex_exchange_identification: banner line 0: Welcome'],
  ['greeting', 'debug1: kex_exchange_identification: banner line 1: to web-01'],
  ['key exchange', 'debug1: Remote protocol version 2.0, remote software version OpenSSH_9.2p1'],
  ['key exchange', 'debug1: Server host key: ssh-ed25519 SHA256:PZM9+5sgqy2BS5G6chQBAGWdR5OGVruqR5TngDHjFCw'],
  ['login', 'debug1: SSH2_MSG_NEWKEYS received'],
  ['login', 'debug1: Authentications that can continue: publickey,password'],
  ['login', 'debug1: Offering public key: /home/jane/my key ED25519 SHA256:aaa explicit'],
  ['login', 'debug1: Offering public key: jane@laptop RSA SHA256:bbb agent'],
  ['login', 'debug1: Server accepts key: jane@laptop RSA SHA256:bbb agent'],
  ['login', 'Authenticated to 192.0.2.1 ([192.0.2.1]:22) using "publickey".'],
  ['opening', 'debug1: Entering interactive session.'],
  ['open', OPEN],
  ['open', 'debug1: Sending command: exec sh'],
  ['open', 'debug1: client_input_channel_req: channel 0 rtype exit-status reply 0'],
  ['open', 'Transferred: sent 2188, received 1616 bytes, in 0.1 seconds'],
  ['open', 'Bytes per second: sent 23147.3, received 17096.0'],
  ['open', 'debug1: Exit status 3'],
]
const upTo = (count: number) =>
  parseSshLog(
    LINES.slice(0, count)
      .map(([, line]) => `${line}\r\n`)
      .join(''),
  )

test('each message of ssh has its stage', () => {
  expect(LINES.map((_, i) => upTo(i + 1).stage)).toEqual(LINES.map(([stage]) => stage))
  expect(parseSshLog('debug1: Executing proxy command: exec nc web 22').stage).toBe('proxy')
  expect(parseSshLog('debug1: mux_client_request_session: master session id: 2').stage).toBe('open')
})

test('messages are read whole, wherever a piece of them ends', () => {
  const text = LINES.map(([, line]) => `${line}\r\n`).join('')
  for (const size of [1, 7, 50]) expect(parseSshLog(text, size)).toEqual(parseSshLog(text))
})

test('text of the peer opens no session, and ends no command', () => {
  // Everything that a peer can write into a message, also before its key was checked (SSH_MSG_DEBUG).
  const said = `debug1: Remote: x\r\n${[
    'debug1: Entering interactive session.',
    'debug1: Sending command: exec sh',
    'debug1: mux_client_request_session: master session id: 2',
    'debug1: channel 0: setting env PROVISION_SESSION = "guess"',
    'debug1: client_input_channel_req: channel 0 rtype exit-signal reply 0',
    'debug1: Exit status 0',
  ].join('\r\n')}\r\n`
  for (let count = 2; LINES[count]?.[0] !== 'open'; count += 1) {
    const { stage, exit, signalled } = parseSshLog(
      `${LINES.slice(0, count)
        .map(([, line]) => `${line}\r\n`)
        .join('')}${said}`,
    )
    expect([count, stage, exit, signalled]).toEqual([count, 'opening', undefined, false])
  }
})

test('several host keys in the messages are none, because text of the peer can name one', () => {
  const presented = 'debug1: Server host key: ssh-ed25519 SHA256:aaa'
  expect(parseSshLog(`${presented}\n${presented}`).hostKey).toEqual({ type: 'ssh-ed25519', fingerprint: 'SHA256:aaa' })
  const said = 'debug1: Remote: x\ndebug1: Server host key: ssh-ed25519 SHA256:bbb'
  expect(parseSshLog(`${said}\n${presented}`).hostKey).toBeUndefined()
  const id = 'debug1: Server host certificate: ssh-ed25519-cert-v01@openssh.com SHA256:aaa, serial 0 ID "\n'
  expect(parseSshLog(`${id}${said}" CA ssh-ed25519 SHA256:ccc valid forever`).hostKey).toBeUndefined()
})

test('of messages without end, the beginning and the end are kept', () => {
  const reader = new SshLogReader(WORD)
  const offered = (i: number) => `debug1: Offering public key: /${i} RSA SHA256:x\n`
  for (let i = 0; i < 5000; i += 1) reader.push(`${offered(i)}debug1: kex_exchange_identification: banner line ${i}: ${i}\nline ${i}\n`)
  reader.push('x'.repeat(1_000_000))
  const { tried, greeting, messages } = reader.log
  expect([tried.length, tried[0], greeting.split('\n').length, messages.length, messages.at(-1)]).toEqual([
    50,
    '/0 (RSA SHA256:x)',
    21,
    100,
    'line 4999',
  ])
  reader.push('\n')
  expect(reader.log.messages.at(-1)).toHaveLength(4096)
})

test('text of the host that looks like a message of an earlier stage gains it no time', () => {
  const said = 'debug1: Remote: x\ndebug1: Connection established.\ndebug1: Executing proxy command: nc\r\n'
  for (const stage of ['login', 'open'] as const) {
    const until = LINES.slice(0, LINES.findLastIndex(([its]) => its === stage) + 1)
    expect(parseSshLog([...until.map(([, line]) => `${line}\r\n`), said].join('')).stage).toBe(stage)
  }
})

test('keys, methods, greeting and exit status are read, and nothing of it is for people', () => {
  expect(upTo(LINES.length)).toEqual({
    stage: 'open',
    greeting: 'Welcome\nto web-01\n',
    hostKey: { type: 'ssh-ed25519', fingerprint: 'SHA256:PZM9+5sgqy2BS5G6chQBAGWdR5OGVruqR5TngDHjFCw' },
    tried: ['/home/jane/my key (ED25519 SHA256:aaa)', 'jane@laptop (RSA SHA256:bbb)'],
    accepted: ['publickey', 'password'],
    loginKey: 'SHA256:bbb',
    exit: 3,
    signalled: false,
    refusedSession: undefined,
    messages: [],
  })
})

test('a key that was accepted is the login only if the login succeeded with it, and it is no certificate', () => {
  expect(upTo(11).loginKey).toBeUndefined()
  const accepts = (key: string, method = 'publickey') =>
    parseSshLog(`debug1: Server accepts key: /k ${key} SHA256:ccc explicit\nAuthenticated to web ([web]:22) using "${method}".`).loginKey
  expect([accepts('ED25519'), accepts('ED25519-CERT'), accepts('ED25519', 'gssapi-with-mic')]).toEqual(['SHA256:ccc', undefined, undefined])
  const unsigned = 'debug1: Server accepts key: /k ED25519 SHA256:ccc explicit'
  const certificate = 'debug1: Server accepts key: /k ED25519-CERT SHA256:ccc explicit\nAuthenticated to web using "publickey".'
  expect(parseSshLog(`${unsigned}\n${certificate}`).loginKey).toBeUndefined()
})

test('a command without an exit status has none, and a signal is known', () => {
  const after = (line: string) => parseSshLog(`${OPEN}\n${line}`)
  expect(after('debug1: Exit status -1').exit).toBeUndefined()
  expect(after('debug1: Exit status 255').exit).toBe(255)
  expect(after('debug1: client_input_channel_req: channel 0 rtype exit-signal reply 0').signalled).toBe(true)
})

test('lines for people are kept, in their order', () => {
  const text =
    '** WARNING: connection is not using a post-quantum key exchange algorithm.\ndebug1: x\nWarning: Permanently added web\nssh: connect to host web port 22: Connection refused\nConnection closed by UNKNOWN port 65535\n\n'
  expect(parseSshLog(`${text}channel 0: open failed: administratively prohibited: open failed`)).toMatchObject({
    messages: ['ssh: connect to host web port 22: Connection refused', 'channel 0: open failed: administratively prohibited: open failed'],
    refusedSession: 'channel 0: open failed: administratively prohibited: open failed',
  })
  expect(parseSshLog('exec request failed on channel 0').refusedSession).toBe('exec request failed on channel 0')
})

test('a host certificate is a host key', () => {
  const line = 'debug1: Server host certificate: ssh-ed25519-cert-v01@openssh.com SHA256:ddd, serial 0 ID "host" CA ssh-ed25519 SHA256:eee'
  expect(parseSshLog(line).hostKey).toEqual({ type: 'ssh-ed25519-cert-v01@openssh.com', fingerprint: 'SHA256:ddd' })
})
