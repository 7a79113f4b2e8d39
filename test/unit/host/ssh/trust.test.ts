import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { fingerprint, typeOf } from '../../../../src/host/known-hosts/known-hosts.ts'
import { storeHostKeys } from '../../../../src/host/known-hosts/known-hosts-file.ts'
import { fetchHostKeys } from '../../../../src/host/ssh/trust.ts'
import { problemOf } from '../../problem-of.ts'
import { keygen, peer, scratch, sshServer, targetOf, wireOf } from './ssh-server.ts'

test.each([
  ['ed25519', 'ssh-ed25519'],
  ['ecdsa', 'ecdsa-sha2-nistp256'],
  ['rsa', 'ssh-rsa'],
])('the %s key of a host is fetched without a login, and known once it is stored', async (hostKeyType, type) => {
  const directory = scratch()
  const server = await sshServer({ directory, hostKeyType })
  const target = targetOf(directory, server)
  writeFileSync(target.knownHosts[0] ?? '', '')
  const key = Buffer.from(wireOf(server.hostKey), 'base64')
  const expected = { type, key, fingerprint: fingerprint(key), line: `[127.0.0.1]:${server.port} ${type} ${key.toString('base64')}` }
  expect(await fetchHostKeys(target)).toEqual([{ ...expected, verdict: { status: 'unknown' } }])
  expect(await storeHostKeys(target, [key])).toBe(target.knownHosts[0])
  expect(await fetchHostKeys(target)).toEqual([{ ...expected, verdict: { status: 'known' } }])
  expect([typeOf(key), server.offered]).toEqual([type, []])
})

test('a host without sshd has no keys, and its problem is thrown', async () => {
  const directory = scratch()
  const port = await peer((socket) => void socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))
  const target = targetOf(directory, { port, hostKey: keygen(join(directory, 'host')) })
  expect(await problemOf(fetchHostKeys(target))).toMatchObject({ what: `service on 127.0.0.1, port ${port} is not sshd` })
})

test('a host without a known_hosts file takes no keys', async () => {
  const directory = scratch()
  const target = targetOf(directory, { port: 1, hostKey: keygen(join(directory, 'host')) }, { knownHosts: [] })
  expect(await problemOf(storeHostKeys(target, []))).toMatchObject({ class: 'input', where: { host: 'web-01' } })
})
