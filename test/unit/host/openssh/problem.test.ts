import { expect, test } from 'vitest'
import { fingerprint, parseKnownHosts } from '../../../../src/host/known-hosts/known-hosts.ts'
import { SshLogReader } from '../../../../src/host/openssh/log.ts'
import { failedSsh } from '../../../../src/host/openssh/problem.ts'
import type { Dropped } from '../../../../src/host/ssh/patience.ts'
import type { Target } from '../../../../src/host/target/connection.ts'
import { Problem } from '../../../../src/problem.ts'

const target: Target = {
  ...{ name: 'web-01', address: '192.0.2.1', port: 22, user: 'ops', keys: [], knownHosts: ['/kh'], hostKeys: 'strict', jump: [] },
}

const WORD = 'a1b2c3'
const OPEN = `debug1: channel 0: setting env PROVISION_SESSION = "${WORD}"`

/** The problem of an ssh process that ended with these messages, or was late, and whether it is tried again. */
const failing = (
  lines: readonly string[],
  {
    otherwise = {},
    stderr = '',
    known = '',
    ...more
  }: { otherwise?: Partial<Target>; stderr?: string; known?: string; lateMs?: number; isFlooded?: boolean } = {},
): Problem & { readonly again?: Dropped } => {
  const reader = new SshLogReader(WORD)
  reader.push(`${lines.join('\n')}\n`)
  const { log } = reader
  const { entries } = parseKnownHosts('/kh', known)
  try {
    const again = failedSsh({ ...target, ...otherwise }, { log, stderr, known: entries, refused: [], wrong: [], ...more })
    return Object.assign(again.dropped, { again })
  } catch (error) {
    if (error instanceof Problem) return error
    throw error
  }
}
const GREETED = ['debug1: Connection established.']
const EXCHANGING = [...GREETED, 'debug1: Remote protocol version 2.0']
const LOGIN = [...EXCHANGING, 'debug1: SSH2_MSG_NEWKEYS received']

test.each<[string, string, boolean]>([
  ['ssh: connect to host 192.0.2.1 port 22: Connection refused', '192.0.2.1, port 22 refused the connection', true],
  ['ssh: connect to host 192.0.2.1 port 22: No route to host', '192.0.2.1, port 22 cannot be reached (EHOSTUNREACH)', true],
  ['ssh: connect to host 192.0.2.1 port 22: Network is unreachable', '192.0.2.1, port 22 cannot be reached (ENETUNREACH)', false],
  ['ssh: Could not resolve hostname web: Name or service not known', 'address 192.0.2.1 is an unknown host name', false],
  [
    'ssh: Could not resolve hostname web: Temporary failure in name resolution',
    'address 192.0.2.1 cannot be resolved: no name server answers',
    false,
  ],
  ['something else', '192.0.2.1, port 22 cannot be reached (something else)', false],
])('before the connection, `%s` is a problem with our own message', (line, what, isRetried) => {
  const problem = failing([line])
  expect(problem).toMatchObject({ class: 'unreachable', where: { host: 'web-01' }, what })
  expect(problem.again === undefined).toBe(!isRetried)
})

test('a stage that takes too long is a problem of that stage', () => {
  expect(failing([], { lateMs: 10_000 }).what).toBe('no answer from 192.0.2.1, port 22 within 10 s')
  expect(failing(GREETED, { lateMs: 10_000 }).what).toBe('192.0.2.1, port 22 accepts connections, but sent nothing within 10 s')
  expect(failing(EXCHANGING, { lateMs: 20_000 }).what).toBe('key exchange with 192.0.2.1, port 22 did not finish within 20 s')
  expect(failing(LOGIN, { lateMs: 20_000 }).what).toBe('login with 192.0.2.1, port 22 did not finish within 20 s')
  expect(failing([...LOGIN, 'debug1: Entering interactive session.'], { lateMs: 15_000 }).what).toBe('session did not open within 15 s')
})

test('a dropped connection is tried again, and another service is not', () => {
  const closed = 'kex_exchange_identification: Connection closed by remote host'
  const dropped = failing([...GREETED, closed])
  expect(dropped).toMatchObject({ what: '192.0.2.1, port 22 closed the connection before sending anything', why: closed })
  expect(dropped.again?.tries).toBe(6)
  const busy = failing([...GREETED, 'debug1: kex_exchange_identification: banner line 0: Not allowed at this time', closed])
  expect([busy.what, busy.again?.tries]).toEqual(['sshd on 192.0.2.1, port 22 refuses new connections at present', 6])
  const web = failing([...GREETED, 'debug1: kex_exchange_identification: banner line 0: HTTP/1.1 400 Bad Request', closed])
  expect([web.what, web.again]).toEqual(['service on 192.0.2.1, port 22 is not sshd', undefined])
  const long = 'kex_exchange_identification: banner line too long'
  expect(failing([...GREETED, long])).toMatchObject({
    what: 'service on 192.0.2.1, port 22 is not sshd',
    why: `a line without end\n${long}`,
  })
  expect(failing([...EXCHANGING, 'Connection closed by 192.0.2.1 port 22']).again?.tries).toBe(2)
})

test('a login is refused with the keys that were tried and the words of ssh, which cannot control the terminal', () => {
  const tried = 'debug1: Offering public key: /key ED25519 SHA256:aaa explicit'
  const methods = 'debug1: Authentications that can continue: publickey'
  expect(failing([...LOGIN, methods, tried, 'ops@192.0.2.1: Permission denied (publickey).\x1b[2J'])).toMatchObject({
    what: 'login as ops was refused',
    why: 'tried /key (ED25519 SHA256:aaa); the host accepts publickey\nops@192.0.2.1: Permission denied (publickey).␛[2J',
    cause: { level: 'client-authentication' },
  })
  expect(failing([...LOGIN, 'Received disconnect from 192.0.2.1 port 22:2: Too many authentication failures']).what).toBe(
    'login as ops was refused after too many keys',
  )
  expect(failing([...LOGIN, 'client_loop: send disconnect: Broken pipe']).what).toBe('connection failed during the login')
})

test('a key exchange without a common algorithm is not tried again', () => {
  const problem = failing([
    ...EXCHANGING,
    'Unable to negotiate with 192.0.2.1 port 22: no matching key exchange method found. Their offer: x',
  ])
  expect(problem).toMatchObject({
    what: 'connection failed during the key exchange',
    why: 'Unable to negotiate with 192.0.2.1 port 22: no matching key exchange method found. Their offer: x',
    fix: 'update sshd on the host, or ssh on this machine: they have no algorithm in common',
  })
  expect(problem.again).toBeUndefined()
})

test('a host key is refused by the known_hosts files, as with ssh2', () => {
  const wire = (type: string, secret: string): Buffer =>
    Buffer.concat([Buffer.from([0, 0, 0, type.length]), Buffer.from(type), Buffer.from(secret)])
  const [shown, old] = [wire('ssh-ed25519', 'new'), wire('ssh-ed25519', 'old')]
  const lines = [...EXCHANGING, `debug1: Server host key: ssh-ed25519 ${fingerprint(shown)}`, 'Host key verification failed.']
  expect(failing(lines)).toMatchObject({
    what: 'host key of web-01 is not known',
    why: `192.0.2.1 presents ssh-ed25519 ${fingerprint(shown)}`,
  })
  // A host that writes a key into the messages that is not its own does not get it shown as its own.
  expect(failing(['debug1: Server host key: ssh-ed25519 SHA256:aaa', ...lines])).toMatchObject({
    what: '192.0.2.1, port 22 ended the key exchange',
    why: expect.stringMatching(/Host key verification failed\.$/),
  })
  // accept-new stores a key before the connection; ssh itself accepts none.
  expect(failing(lines, { otherwise: { hostKeys: 'accept-new' } }).what).toBe('host key of web-01 is not known')
  expect(failing(lines, { known: `192.0.2.1 ssh-ed25519 ${old.toString('base64')}` }).what).toMatch(
    /^host key of web-01 changed \(\/kh:1\)/,
  )
  expect(failing(lines, { known: `@revoked * ssh-ed25519 ${shown.toString('base64')}` }).what).toBe('host key of web-01 is revoked (/kh:1)')
})

test.each<[string, string, string]>([
  [
    'ssh: connect to host 192.0.2.9 port 2200: Connection refused\r\n',
    '192.0.2.9, port 2200 refused the connection',
    'systemctl start ssh',
  ],
  ['ssh: Could not resolve hostname gate: Name or service not known\r\n', 'address gate is an unknown host name', 'correct the address'],
  [
    'No ED25519 host key is known for gate.\r\nHost key verification failed.\r\n',
    'host key of ops@gate is not known',
    'store the key: ssh ops@gate',
  ],
  [
    '@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\r\nHost key verification failed.\r\n',
    'host key of ops@gate changed',
    'find out why',
  ],
  ['jane@gate: Permission denied (publickey).\r\n', 'login as jane was refused', '~jane/.ssh/authorized_keys on ops@gate'],
  ['jane@gate: Permission denied (keyboard-interactive).\r\n', 'login as jane was refused', 'in sshd_config of ops@gate'],
  ['odd\r\n', 'it did not connect to 192.0.2.1, port 22', 'try it: ssh ops@gate'],
])('a jump host whose ssh prints %j cannot be used', (stderr, what, fix) => {
  const problem = failing(['debug1: Executing proxy command: exec ssh -W'], { stderr, otherwise: { jump: ['ops@gate'] } })
  expect(problem).toMatchObject({ class: 'unreachable', where: { host: 'web-01' }, what: `jump host ops@gate cannot be used: ${what}` })
  expect(problem.fix).toContain(fix)
})

test('a jump host that cannot reach the host, and a ProxyCommand that fails, are named', () => {
  const proxy = ['debug1: Executing proxy command: exec x']
  const jump = { jump: ['ops@gate'] }
  expect(failing(proxy, { stderr: 'channel 0: open failed: connect failed: No way\nstdio forwarding failed', otherwise: jump }).what).toBe(
    'jump host ops@gate cannot reach 192.0.2.1, port 22',
  )
  expect(failing(proxy, { stderr: 'nc: no way' })).toMatchObject({
    what: 'ProxyCommand did not connect to 192.0.2.1, port 22',
    why: 'nc: no way',
  })
  expect(failing(proxy, { lateMs: 45_000 }).what).toBe('ProxyCommand did not connect to 192.0.2.1, port 22 within 45 s')
})

test('a session that is refused, and one that is lost, are named', () => {
  const open = [...LOGIN, 'debug1: Entering interactive session.']
  expect(failing([...open, 'channel 0: open failed: administratively prohibited: open failed']).what).toBe('sshd refused to open a session')
  expect(failing([...open, OPEN, 'Connection reset by 192.0.2.1 port 22'])).toMatchObject({
    what: 'connection was lost before the session opened',
    why: 'Connection reset by 192.0.2.1 port 22',
  })
})

test('a host that sends messages without end is named, at every stage', () => {
  for (const lines of [GREETED, EXCHANGING, LOGIN, [...LOGIN, OPEN]])
    expect(failing(lines, { isFlooded: true })).toMatchObject({ class: 'unreachable', what: 'host sends messages without end' })
})

test('a configuration that ssh refuses is an input problem, and text of the host never is', () => {
  const line = '/home/jane/.ssh/config: line 4: Bad configuration option: foo'
  expect(failing([line, '/home/jane/.ssh/config: terminating, 1 bad configuration options'])).toMatchObject({
    class: 'input',
    where: { file: '/home/jane/.ssh/config', line: 4 },
  })
  expect(failing([], { stderr: `${line}\r\n` }).class).toBe('input')
  expect(failing([...LOGIN, line]).class).toBe('unreachable')
})
