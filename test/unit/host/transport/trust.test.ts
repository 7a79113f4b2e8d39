import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { fingerprint, typeOf } from '../../../../src/host/known-hosts/known-hosts.ts'
import { storeHostKeys } from '../../../../src/host/known-hosts/known-hosts-file.ts'
import { algorithmsFor } from '../../../../src/host/target/algorithms.ts'
import { fetchHostKeys } from '../../../../src/host/transport/trust.ts'
import { problemOf } from '../../problem-of.ts'
import { keygen, peer, scratch, sshServer, targetOf, wireOf } from '../ssh/ssh-server.ts'

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

test('a host that ends every connection has no keys, and its problem is thrown', async () => {
  const directory = scratch()
  const port = await peer((socket) => void socket.destroy())
  const target = targetOf(directory, { port, hostKey: keygen(join(directory, 'host')) })
  expect(await problemOf(fetchHostKeys(target, { retries: false }))).toMatchObject({ class: 'unreachable', where: { host: 'web-01' } })
})

test('a host that needs no login is not left connected', async () => {
  const directory = scratch()
  const target = targetOf(directory, { port: 1, hostKey: keygen(join(directory, 'host')) }, { transport: 'openssh' })
  const ssh = `#!/bin/sh
log=$2
while [ "$1" != -E ]; do shift; log=$2; done
for word; do case $word in SetEnv=*) session=$word ;; UserKnownHostsFile=*) file=\${word#*=?}; cat '${target.knownHosts[0]}' >"\${file%?}" ;; esac; done
echo $$ >>'${directory}/processes'
echo "debug1: $session" >"$log"
exec sleep 30
`
  writeFileSync(join(directory, 'ssh'), ssh, { mode: 0o755 })
  vi.stubEnv('PATH', `${directory}:${process.env.PATH}`)
  onTestFinished(() => void vi.unstubAllEnvs())
  expect(await fetchHostKeys(target)).not.toEqual([])
  const processes = readFileSync(join(directory, 'processes'), 'utf8').trim().split('\n').map(Number)
  expect(processes.length).toBeGreaterThan(0)
  for (const id of processes) await expect.poll(() => existsSync(`/proc/${id}/exe`), { timeout: 5000 }).toBe(false)
})

test('a host without a known_hosts file takes no keys', async () => {
  const directory = scratch()
  const target = targetOf(directory, { port: 1, hostKey: keygen(join(directory, 'host')) }, { knownHosts: [] })
  expect(await problemOf(storeHostKeys(target, []))).toMatchObject({ class: 'input', where: { host: 'web-01' } })
})

test('keys are added to the first file, each once, and the file is made for its owner only', async () => {
  const directory = scratch()
  const target = targetOf(directory, { port: 22, hostKey: keygen(join(directory, 'host')) })
  const file = join(directory, 'new/known_hosts')
  const keys = ['one', 'two'].map((name) => Buffer.from(wireOf(keygen(join(directory, name))), 'base64'))
  const lines = keys.map((key) => `127.0.0.1 ssh-ed25519 ${key.toString('base64')}\n`)
  const store = (some: readonly Buffer[]) => storeHostKeys({ ...target, address: '127.0.0.1', knownHosts: [file, '/nowhere'] }, some)
  await Promise.all([store(keys.slice(0, 1)), store(keys)])
  await store(keys)
  expect(readFileSync(file, 'utf8')).toBe(lines.join(''))
  expect([statSync(file).mode & 0o777, statSync(join(directory, 'new')).mode & 0o777]).toEqual([0o600, 0o700])
})

test('known types of host keys come first, and SHA-1 is offered to nobody', () => {
  const offered = (...known: readonly string[]) => algorithmsFor(known).serverHostKey as readonly string[]
  expect(offered()[0]).toBe('ssh-ed25519')
  expect(offered('ssh-rsa').slice(0, 3)).toEqual(['rsa-sha2-512', 'rsa-sha2-256', 'ssh-ed25519'])
  expect(offered('ssh-rsa', 'ecdsa-sha2-nistp384').slice(0, 3)).toEqual(['ecdsa-sha2-nistp384', 'rsa-sha2-512', 'rsa-sha2-256'])
  const { kex, hmac, cipher } = algorithmsFor([])
  for (const all of [offered(), kex, hmac, cipher] as readonly (readonly string[])[])
    expect(all.filter((name) => /sha1|md5|cbc|ssh-rsa|ssh-dss|group1-/.test(name))).toEqual([])
})
