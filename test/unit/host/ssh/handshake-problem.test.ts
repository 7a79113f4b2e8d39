import { expect, test } from 'vitest'
import { type FailedHandshake, handshakeProblem, isForeign, isRefusedLogin, triesOf } from '../../../../src/host/ssh/handshake-problem.ts'
import type { Target } from '../../../../src/host/target/connection.ts'

const target: Target = {
  ...{ name: 'web-01', address: '192.0.2.1', port: 2222, user: 'ops', keys: [], knownHosts: [], hostKeys: 'strict', jump: [] },
}
const refused = Object.assign(new Error('All configured authentication methods failed'), { level: 'client-authentication' })
const failed = (more: Partial<FailedHandshake>): FailedHandshake => ({
  ...{ stage: 'greeting', greeting: '', tried: [], accepted: [], failure: undefined, ...more },
})

test.each<[string, Partial<FailedHandshake>, { what: string; why?: string; fix: string | RegExp }, number]>([
  [
    'closed before a greeting',
    {},
    { what: '192.0.2.1, port 2222 closed the connection before sending anything', fix: /MaxStartups and PerSourcePenalties \(sshd -T\)$/ },
    6,
  ],
  [
    'silent',
    { lateMs: 10_000 },
    {
      what: '192.0.2.1, port 2222 accepts connections, but sent nothing within 10 s',
      fix: /^check on the console of the host that sshd runs/,
    },
    1,
  ],
  [
    'busy',
    { greeting: 'Exceeded MaxStartups\r\n' },
    {
      what: 'sshd on 192.0.2.1, port 2222 refuses new connections at present',
      why: 'Exceeded MaxStartups',
      fix: /MaxStartups and PerSourcePenalties of sshd/,
    },
    6,
  ],
  [
    'penalized',
    { greeting: 'Not allowed at this time\r\n' },
    {
      what: 'sshd on 192.0.2.1, port 2222 refuses new connections at present',
      why: 'Not allowed at this time',
      fix: /^close connections there/,
    },
    6,
  ],
  [
    'another service that is slow',
    { greeting: 'hello\x00\n', lateMs: 10_000 },
    { what: 'service on 192.0.2.1, port 2222 is not sshd', why: 'hello?', fix: 'correct the address or the port in the inventory' },
    1,
  ],
  [
    'another service that mentions a busy sshd',
    { greeting: 'error: Exceeded MaxStartups\r\n' },
    { what: 'service on 192.0.2.1, port 2222 is not sshd', fix: 'correct the address or the port in the inventory' },
    1,
  ],
  [
    'a key exchange without an end',
    { stage: 'key exchange', greeting: 'SSH-2.0-x\r\n', lateMs: 20_000 },
    { what: 'key exchange with 192.0.2.1, port 2222 did not finish within 20 s', fix: /^check on the console of the host that sshd runs/ },
    1,
  ],
  [
    'a login without an end',
    { stage: 'login', lateMs: 20_000 },
    { what: 'login with 192.0.2.1, port 2222 did not finish within 20 s', fix: /not overloaded: systemctl status ssh; uptime$/ },
    1,
  ],
  [
    'closed in the key exchange',
    { stage: 'key exchange', greeting: 'SSH-2.0-x\r\n' },
    { what: '192.0.2.1, port 2222 closed the connection during the key exchange', fix: /journalctl -u ssh$/ },
    2,
  ],
  [
    'no common algorithm',
    { stage: 'key exchange', failure: new Error('Handshake failed: no matching key exchange algorithm') },
    {
      what: 'connection failed during the key exchange',
      why: 'Handshake failed: no matching key exchange algorithm',
      fix: 'update sshd on the host: provision uses only current algorithms',
    },
    1,
  ],
  [
    'a broken key exchange',
    { stage: 'key exchange', failure: new Error('Invalid packet length') },
    { what: '192.0.2.1, port 2222 ended the key exchange', why: 'Invalid packet length', fix: /^read the messages of sshd on the host/ },
    1,
  ],
  [
    'a refused login',
    { stage: 'login', tried: ['one', 'two'], accepted: ['publickey', 'password'], failure: refused },
    {
      what: 'login as ops was refused',
      why: 'tried one, two; the host accepts publickey, password',
      fix: 'check the user, and add the public key to ~ops/.ssh/authorized_keys on the host',
    },
    1,
  ],
  [
    'a login that needs more than a key',
    { stage: 'login', tried: ['one'], accepted: ['keyboard-interactive'], failure: refused },
    {
      what: 'login as ops was refused',
      why: 'tried one; the host accepts keyboard-interactive',
      fix: 'permit a login by public key alone in sshd_config of the host (PubkeyAuthentication, AuthenticationMethods): provision enters no passwords and no codes',
    },
    1,
  ],
  [
    'a login without a key',
    { stage: 'login', failure: refused },
    { what: 'login as ops was refused', why: 'tried no key; the host accepts other methods', fix: /^check the user/ },
    1,
  ],
  [
    'too many keys',
    { stage: 'login', tried: ['9 keys of the agent'], failure: new Error('Too many authentication failures for ops') },
    {
      what: 'login as ops was refused after too many keys',
      why: 'tried 9 keys of the agent; sshd ends the connection after MaxAuthTries keys',
      fix: /^set the right key in the inventory/,
    },
    1,
  ],
  [
    'a lost login',
    { stage: 'login', failure: new Error('read ECONNRESET') },
    { what: 'connection failed during the login', why: 'read ECONNRESET', fix: /journalctl -u ssh$/ },
    1,
  ],
])('%s: the problem, and the number of tries', (_, more, { what, why, fix }, tries) => {
  const problem = handshakeProblem(target, failed(more))
  expect(problem).toMatchObject({ class: 'unreachable', where: { host: 'web-01' }, what })
  if (why !== undefined) expect(problem.why).toBe(why)
  expect(problem.fix).toMatch(fix)
  expect(problem.cause).toBe(more.failure)
  expect(triesOf(failed(more))).toBe(tries)
})

test('only the level of ssh2 marks a refused login', () => {
  expect(isRefusedLogin(refused)).toBe(true)
  for (const other of [
    new Error('client-authentication'),
    Object.assign(new Error(), { level: 'agent' }),
    'client-authentication',
    undefined,
  ])
    expect(isRefusedLogin(other)).toBe(false)
})

test.each(['HTTP/1.1 400', '220 mail ESMTP', '220-mail', '+OK ready', '* OK IMAP', '<html>', 'J\0\0\0', '\x16\x03\x01'])(
  '%j is not the beginning of sshd',
  (greeting) => {
    expect(isForeign(greeting)).toBe(true)
  },
)

test.each(['', 'S', 'SSH', 'Welcome to the gate\r\n', 'Exceeded MaxStartups\r\n', '2200 words\n', 'über\tuns\r\n'])(
  '%j may be the beginning of sshd, which sends text before its version',
  (greeting) => {
    expect(isForeign(greeting)).toBe(false)
  },
)
