import { execFileSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import type { Target } from '../../../../src/host/target/connection.ts'
import { checkTargets } from '../../../../src/host/transport/check-targets.ts'
import { Secret } from '../../../../src/secret/secret.ts'

const directory = mkdtempSync(join(tmpdir(), 'provision-keys-'))
afterAll(() => rmSync(directory, { recursive: true }))

const write = (name: string, text: string): string => {
  const path = join(directory, name)
  writeFileSync(path, text, { mode: 0o600 })
  return path
}
const generate = (name: string, ...options: string[]): string => {
  const path = join(directory, name)
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-f', path, ...options])
  return path
}
const host = (keys: readonly string[], otherwise: Partial<Target> = {}): Target => ({
  name: 'web-01',
  address: '192.0.2.1',
  port: 22,
  user: 'ops',
  keys,
  knownHosts: [],
  hostKeys: 'strict',
  jump: [],
  agent: join(directory, 'no-agent'),
  ...otherwise,
})

const plain = generate('plain', '-N', '')
const encrypted = generate('encrypted', '-N', 'open sesame', '-a', '1')
const shared = generate('shared', '-N', '')
chmodSync(shared, 0o644)
const pkcs8 = write('pkcs8', generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString())

test.each([
  ['missing', join(directory, 'missing'), 'key file does not exist'],
  ['a directory', directory, 'key file is a directory'],
  ['readable by others', shared, 'private key is readable by other accounts'],
  ['the public half', `${plain}.pub`, 'key file contains a public key'],
  ['PKCS#8', pkcs8, 'key file has the format PKCS#8, which is not supported'],
  ['something else', write('text', 'hello\n'), 'key file contains no private key'],
  [
    'cut off',
    write('cut', '-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEA\n-----END OPENSSH PRIVATE KEY-----\n'),
    'key file is damaged',
  ],
  ['encrypted, without a passphrase', encrypted, 'key is encrypted, and no passphrase is set'],
])('a key file that is %s is an input problem at that file', async (_, path, what) => {
  expect(await checkTargets([host([path])])).toMatchObject([{ class: 'input', where: { file: path }, what: expect.stringContaining(what) }])
})

test('a wrong passphrase is an input problem, and the right one is not', async () => {
  expect(await checkTargets([host([encrypted], { passphrase: new Secret('open says me') })])).toMatchObject([
    { class: 'input', fix: 'correct the passphrase' },
  ])
  expect(await checkTargets([host([encrypted], { passphrase: new Secret('open sesame') })])).toEqual([])
})

test('the same problem of several hosts is reported once', async () => {
  const missing = join(directory, 'missing')
  expect(await checkTargets([host([missing]), host([missing], { name: 'web-02' }), host([plain])])).toHaveLength(1)
})

test('a known_hosts that is a directory is an input problem', async () => {
  expect(await checkTargets([host([plain], { knownHosts: [directory] })])).toMatchObject([{ class: 'input', where: { file: directory } }])
})

test('a defect of provision is no problem of a key', async () => {
  await expect(checkTargets([host(undefined as never)])).rejects.toThrow(TypeError)
})
