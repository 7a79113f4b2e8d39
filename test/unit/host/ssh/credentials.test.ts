import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test, vi } from 'vitest'
import { connect } from '../../../../src/host/ssh/connect.ts'
import { credentialsOf } from '../../../../src/host/ssh/credentials.ts'
import type { Target } from '../../../../src/host/target/connection.ts'
import { Secret } from '../../../../src/secret/secret.ts'
import { problemOf } from '../../problem-of.ts'
import { agentWith, keygen, scratch, sshServer, targetOf, wireOf } from './ssh-server.ts'

afterEach(() => vi.unstubAllEnvs())

/** A passphrase that is quickly tried. */
const LOCKED = ['-N', 'open sesame', '-a', '1']

/** A home directory with keys in `~/.ssh` and in `keys/`; `offers` logs in and returns the names of the offered keys. */
const setUp = async (lettingIn: string) => {
  const directory = scratch()
  vi.stubEnv('HOME', directory)
  for (const name of ['.ssh', 'keys']) mkdirSync(join(directory, name))
  const made = new Map<string, string>()
  const key = (name: string, ...options: readonly string[]): string => {
    const path = keygen(join(directory, name), ...options)
    made.set(wireOf(path), name)
    return path
  }
  const right = key(lettingIn)
  const server = await sshServer({ directory, accepts: wireOf(right) })
  const target = (otherwise: Partial<Target>): Target => targetOf(directory, server, otherwise)
  const offers = async (otherwise: Partial<Target>): Promise<readonly (string | undefined)[]> => {
    server.offered.length = 0
    await (await connect(target(otherwise))).close()
    return server.offered.map((wire) => made.get(wire))
  }
  return { directory, key, right, server, target, offers }
}

test('without key files: default files that the agent has, other keys of the agent, other default files', async () => {
  const { directory, key, right, offers } = await setUp('.ssh/id_rsa')
  const ecdsa = key('.ssh/id_ecdsa', '-t', 'ecdsa')
  key('.ssh/id_ed25519')
  const agent = await agentWith(directory, [key('keys/one'), key('keys/two'), ecdsa])
  expect(right).toMatch(/id_rsa$/)
  expect(await offers({ agent })).toEqual(['.ssh/id_ecdsa', 'keys/one', 'keys/two', '.ssh/id_ed25519', '.ssh/id_rsa'])
})

test('the right default key lets in before sshd has counted seven others of the agent', async () => {
  const { directory, key, right, offers } = await setUp('.ssh/id_ed25519')
  const others = [1, 2, 3, 4, 5, 6, 7].map((i) => key(`keys/k${i}`))
  const agent = await agentWith(directory, [...others, right])
  expect(await offers({ agent })).toEqual(['.ssh/id_ed25519'])
})

test('after too many keys of the agent, the message explains how to name the right one', async () => {
  const { directory, key, target } = await setUp('keys/right')
  const agent = await agentWith(
    directory,
    [1, 2, 3, 4, 5, 6, 7].map((i) => key(`keys/k${i}`)),
  )
  vi.stubEnv('SSH_AUTH_SOCK', agent)
  const { agent: _, ...usual } = target({})
  expect(await problemOf(connect(usual))).toMatchObject({
    class: 'unreachable',
    what: 'login as ops was refused after too many keys',
    why: 'tried 7 keys of the agent; sshd ends the connection after MaxAuthTries keys',
    fix: 'set the right key in the inventory (key: path); for a key of the agent, its public key file is enough',
  })
})

test('a refused login names the keys and what the host accepts', async () => {
  const { key, target } = await setUp('keys/right')
  const wrong = key('keys/wrong')
  expect(await problemOf(connect(target({ keys: [wrong] })))).toMatchObject({
    what: 'login as ops was refused',
    why: expect.stringMatching(/^tried .*\/keys\/wrong \(ssh-ed25519 SHA256:[^)]+\); the host accepts publickey$/),
    fix: 'check the user, and add the public key to ~ops/.ssh/authorized_keys on the host',
  })
})

test.each<[string, (right: string) => string]>([
  ['a public key', (right) => `${right}.pub`],
  ['a private key file that is gone, and its public key is there', (right) => right],
  ['an encrypted private key without its passphrase', (right) => right],
  ['an encrypted key in the old format', (right) => right],
  ['a key in PKCS#8', (right) => right],
])('%s selects that key of the agent, and no other', async (kind, named) => {
  const { directory, key, right, offers } = await setUp('keys/right')
  const agent = await agentWith(directory, [key('keys/other'), right])
  const pem = (header: string): void => writeFileSync(right, `-----BEGIN ${header}\nAAAA\n`, { mode: 0o600 })
  if (kind.includes('gone') || kind === 'a public key') renameSync(right, join(directory, 'elsewhere'))
  if (kind.includes('old format')) pem('RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED')
  if (kind.includes('PKCS#8')) pem('PRIVATE KEY-----')
  if (kind.includes('without its passphrase')) encrypt(right)
  expect(await offers({ agent, keys: [named(right)] })).toEqual(['keys/right'])
})

const encrypt = (path: string): void => {
  const bytes = Buffer.from(readFileSync(path, 'utf8').replace(/-----[^-]+-----|\n/g, ''), 'base64')
  // The first field of the file is the cipher; `none` is no encryption.
  const damaged = Buffer.concat([bytes.subarray(0, 15), Buffer.from([0, 0, 0, 4]), Buffer.from('aes1'), bytes.subarray(23)])
  writeFileSync(path, `-----BEGIN OPENSSH PRIVATE KEY-----\n${damaged.toString('base64')}\n-----END OPENSSH PRIVATE KEY-----\n`, {
    mode: 0o600,
  })
}

test('an encrypted key with a passphrase is decrypted, and the agent is not asked', async () => {
  const { key, target } = await setUp('keys/right')
  const locked = key('keys/locked', ...LOCKED)
  const [credential] = await credentialsOf(target({ keys: [locked], passphrase: new Secret('open sesame') }))
  expect(credential?.label).toMatch(/keys\/locked \(ssh-ed25519 SHA256:/)
})

test('set key files come first in their order; ssh’s configuration adds the other keys of the agent', async () => {
  const { directory, key, right, offers, target } = await setUp('keys/right')
  const [first, second] = [key('keys/first'), key('keys/second')]
  const agent = await agentWith(directory, [right, second])
  expect(await offers({ agent, keys: [first, second], agentKeys: 'all' })).toEqual(['keys/first', 'keys/second', 'keys/right'])
  const labelsOf = async (inAgent: string) =>
    (await credentialsOf(target({ agent: inAgent, keys: [first, second], agentKeys: 'all' }))).map(({ label }) =>
      label.replace(/ \(.*/, ''),
    )
  expect(await labelsOf(agent)).toEqual([first, second, 'one key of the agent'])
  const credentials = await credentialsOf(target({ agent, keys: [first, second], agentKeys: 'all' }))
  expect(credentials.map(({ publicKeys }) => publicKeys)).toEqual([first, second, right].map((path) => [wireOf(path)]))
  expect(await labelsOf(await agentWith(scratch(), [right, second, key('keys/third')]))).toEqual([first, second, '2 keys of the agent'])
  for (const agentKeys of ['named', undefined] as const)
    expect(await credentialsOf(target({ agent, keys: [first, second], ...(agentKeys && { agentKeys }) }))).toHaveLength(2)
})

test('without key files, agentKeys `named` tries only default keys', async () => {
  const { directory, key, right, offers } = await setUp('.ssh/id_ed25519')
  const agent = await agentWith(directory, [key('keys/other'), right])
  expect(await offers({ agent, agentKeys: 'named' })).toEqual(['.ssh/id_ed25519'])
})

test.each<[string, (directory: string) => Promise<string>, string]>([
  ['there is no agent', async () => 'none', 'no SSH agent is set (SSH_AUTH_SOCK, IdentityAgent)'],
  ['the variable of the agent is empty', async () => '', 'no SSH agent is set (SSH_AUTH_SOCK, IdentityAgent)'],
  ['the agent is gone', async (directory) => join(directory, 'gone'), 'does not answer'],
  ['the agent is empty', (directory) => agentWith(directory, []), 'the SSH agent has no keys'],
])('if %s, the missing key is an input problem that says so', async (_, socket, why) => {
  const { directory, right, target } = await setUp('keys/right')
  const agent = await socket(directory)
  expect(await problemOf(credentialsOf(target({ agent })))).toMatchObject({
    class: 'input',
    where: { host: 'web-01' },
    what: 'no SSH key is available for login',
    why: expect.stringContaining(why),
  })
  expect(await problemOf(credentialsOf(target({ agent, keys: [`${right}.pub`] })))).toMatchObject({
    class: 'input',
    where: { file: `${right}.pub` },
    what: 'key file contains a public key, and the agent does not have its private key',
    why: expect.stringContaining(why),
  })
})

test('an unusable default key file is skipped', async () => {
  const { directory, right, offers } = await setUp('.ssh/id_rsa')
  writeFileSync(join(directory, '.ssh/id_ed25519'), 'no key\n', { mode: 0o600 })
  expect(right).toMatch(/id_rsa$/)
  expect(await offers({})).toEqual(['.ssh/id_rsa'])
})

test('an unusable default key file alone is no key, and a defect of provision is reported as one', async () => {
  const { directory, key, target } = await setUp('keys/right')
  writeFileSync(join(directory, '.ssh/id_ed25519'), 'no key\n', { mode: 0o600 })
  expect(await problemOf(credentialsOf(target({})))).toMatchObject({ what: 'no SSH key is available for login' })
  key('.ssh/id_ecdsa', '-t', 'ecdsa', ...LOCKED)
  await expect(credentialsOf(target({ passphrase: {} as never }))).rejects.toThrow(TypeError)
})

test('an agent with other keys only is named as such', async () => {
  const { directory, key, right, target } = await setUp('keys/right')
  const agent = await agentWith(directory, [key('keys/other')])
  expect(await problemOf(credentialsOf(target({ agent, keys: [`${right}.pub`] })))).toMatchObject({
    what: 'key file contains a public key, and the agent does not have its private key',
    why: 'the SSH agent has other keys only',
  })
})
