import { expect, test } from 'vitest'
import { refusalOf } from '../../../../src/host/known-hosts/host-key.ts'
import { fingerprint, type HostKeyStatus, type KnownHost, presentedKey } from '../../../../src/host/known-hosts/known-hosts.ts'
import type { Target } from '../../../../src/host/target/connection.ts'

const key = (type: string, secret: string): Buffer => {
  const field = (text: string): Buffer => Buffer.concat([Buffer.from([0, 0, 0, text.length]), Buffer.from(text)])
  return Buffer.concat([field(type), field(secret)])
}
const SHOWN = key('ssh-ed25519', 'new')
const OLD = key('ssh-rsa', 'old')
const entry: KnownHost = { file: '/kh', line: 3, revoked: false, names: 'web', type: 'ssh-rsa', key: OLD.toString('base64') }
const targetWith = (hostKeys: Target['hostKeys']): Target => ({
  ...{ name: 'web-01', address: 'web', port: 2222, user: 'ops', keys: [], knownHosts: ['/kh'], hostKeys, jump: [] },
})
const PRESENTED = `[web]:2222 presents ssh-ed25519 ${fingerprint(SHOWN)}`
const BOTH = `${PRESENTED}\n/kh:3 has ssh-rsa ${fingerprint(OLD)}`

test.each<[HostKeyStatus, { what: string; why: string; fix: string }]>([
  [
    { status: 'changed', entry },
    {
      what: 'host key of web-01 changed (/kh:3): the host was reinstalled, or the connection is intercepted',
      why: BOTH,
      fix: 'if the host was reinstalled, remove line 3 of /kh, then: provision trust web-01',
    },
  ],
  [
    { status: 'other type', entry },
    {
      what: 'host key of web-01 has another type than the known one (/kh:3)',
      why: BOTH,
      fix: 'compare the fingerprint with the host’s own, then: provision trust web-01',
    },
  ],
  [
    { status: 'revoked', entry },
    {
      what: 'host key of web-01 is revoked (/kh:3)',
      why: PRESENTED,
      fix: 'find out why it was revoked before you connect, and create new host keys on the host: ssh-keygen -A',
    },
  ],
])('a host key is refused, also with accept-new: %s', (verdict, problem) => {
  for (const hostKeys of ['strict', 'accept-new'] as const)
    expect(refusalOf(targetWith(hostKeys), verdict, presentedKey(SHOWN))).toMatchObject({
      class: 'unreachable',
      where: { host: 'web-01' },
      ...problem,
    })
})

test('an unknown host key is refused, except with accept-new', () => {
  expect(refusalOf(targetWith('strict'), { status: 'unknown' }, presentedKey(SHOWN))).toMatchObject({
    class: 'unreachable',
    where: { host: 'web-01' },
    what: 'host key of web-01 is not known',
    why: PRESENTED,
    fix: 'compare the fingerprint with the host’s own, then: provision trust web-01',
  })
  expect(refusalOf(targetWith('accept-new'), { status: 'unknown' }, presentedKey(SHOWN))).toBeUndefined()
})

test('a known host key is accepted', () => {
  for (const hostKeys of ['strict', 'accept-new'] as const)
    expect(refusalOf(targetWith(hostKeys), { status: 'known' }, presentedKey(SHOWN))).toBeUndefined()
})
