import { expect, test } from 'vitest'
import { connectProblem, isRefusedForNow, LATE } from '../../../../src/host/ssh/connect-problem.ts'
import type { Target } from '../../../../src/host/target/connection.ts'

const target: Target = {
  ...{ name: 'web-01', address: 'web.example', port: 2222, user: 'ops', keys: [], knownHosts: [], hostKeys: 'strict', jump: [] },
}
const failed = (code: string | undefined, message = ''): Error => Object.assign(new Error(message), code === undefined ? {} : { code })

test.each([
  ['ENOTFOUND', 'address web.example is an unknown host name', 'correct the address in the inventory'],
  [
    'EAI_AGAIN',
    'address web.example cannot be resolved: no name server answers',
    'check the network of this machine and its name servers: resolvectl status',
  ],
  [
    'ECONNREFUSED',
    'web.example, port 2222 refused the connection',
    'correct the address or the port in the inventory, or start sshd on the host: systemctl start ssh',
  ],
  [LATE, 'no answer from web.example, port 2222 within 10 s', 'check that the host is up, and that no firewall blocks the connection'],
  [
    'EHOSTUNREACH',
    'web.example, port 2222 cannot be reached (EHOSTUNREACH)',
    'correct the address in the inventory, or check the network of this machine: ip route',
  ],
])('a connection that failed with %s', (code, what, fix) => {
  const error = failed(code)
  expect(connectProblem(target, error, 10_000)).toMatchObject({ class: 'unreachable', where: { host: 'web-01' }, what, fix, cause: error })
  // A host name with an IPv4 and an IPv6 address.
  const both = new AggregateError([error, failed('ENETUNREACH')])
  expect(connectProblem(target, both, 10_000)).toMatchObject({ what, fix, cause: both })
})

test('a failure without a code is named by its message', () => {
  expect(connectProblem(target, failed(undefined, 'no luck'), 10_000).what).toBe('web.example, port 2222 cannot be reached (no luck)')
})

test.each<[boolean, unknown]>([
  [true, failed('ECONNREFUSED')],
  [true, failed('ECONNRESET')],
  [true, failed(undefined, '(SSH) Channel open failure: Connection refused')],
  [true, failed('EHOSTUNREACH')],
  [false, failed('ENETUNREACH')],
  [false, failed(undefined, '(SSH) Channel open failure: open failed')],
  [false, undefined],
])('is retried (%s): %s', (isRetried, cause) => {
  expect(isRefusedForNow(cause)).toBe(isRetried)
})
