import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { typeOf } from '../../../../src/host/known-hosts/known-hosts.ts'
import { openKey, readKeyFile } from '../../../../src/host/ssh/key-file.ts'
import { newKey } from '../../../../src/host/ssh/new-key.ts'
import { Secret } from '../../../../src/secret/secret.ts'
import { problemOf } from '../../problem-of.ts'
import { keygen, scratch, wireOf } from './ssh-server.ts'

const field = (value: string | Buffer): Buffer => {
  const bytes = Buffer.from(value)
  return Buffer.concat([Buffer.from([0, 0, 0, bytes.length]), bytes])
}
const TOKEN_TYPE = 'sk-ssh-ed25519@openssh.com'
const TOKEN_KEY = Buffer.concat([field(TOKEN_TYPE), field(Buffer.alloc(32, 1)), field('ssh:')])
/** The text of a private key file of OpenSSH with this public key. */
const privateText = (publicKey: Buffer, cipher = 'none'): string => {
  const body = Buffer.concat([
    Buffer.from('openssh-key-v1\0'),
    ...[cipher, 'none', ''].map(field),
    Buffer.from([0, 0, 0, 1]),
    field(publicKey),
  ])
  return `-----BEGIN OPENSSH PRIVATE KEY-----\n${body.toString('base64')}\n-----END OPENSSH PRIVATE KEY-----\n`
}
const writing = (text: string, mode = 0o600): string => {
  const path = join(scratch(), 'key')
  writeFileSync(path, text, { mode })
  chmodSync(path, mode)
  return path
}

test.each([
  ['ed25519', ['-t', 'ed25519']],
  ['ecdsa', ['-t', 'ecdsa']],
  ['rsa', ['-t', 'rsa', '-b', '2048']],
])('an %s key file has its public half in itself', async (_, options) => {
  const path = keygen(join(scratch(), 'key'), ...options)
  const publicKey = Buffer.from(wireOf(path), 'base64')
  rmSync(`${path}.pub`)
  expect(await readKeyFile(path)).toEqual({ path, text: readFileSync(path, 'utf8'), encrypted: false, publicKey })
})

test.each(['aes256-ctr', 'chacha20-poly1305@openssh.com'])('a key file with the cipher %s is encrypted', async (cipher) => {
  const publicKey = Buffer.concat([field('ssh-ed25519'), field(Buffer.alloc(32, 7))])
  const text = privateText(publicKey, cipher)
  const path = writing(text)
  expect(await readKeyFile(path)).toEqual({ path, text, encrypted: true, publicKey })
})

test.each([
  ['RSA', 'Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n', true],
  ['EC', '', false],
  ['RSA, signed only,', 'Proc-Type: 4,MIC-ONLY\n', false],
])('a key file in the old format of %s has its public half beside it', async (name, header, encrypted) => {
  const text = `-----BEGIN ${name.split(',')[0]} PRIVATE KEY-----\n${header}AAAA\n-----END ${name.split(',')[0]} PRIVATE KEY-----\n`
  const path = writing(text)
  expect(await readKeyFile(path)).toEqual({ path, text, encrypted, publicKey: undefined })
  const other = keygen(join(scratch(), 'other'))
  writeFileSync(`${path}.pub`, readFileSync(`${other}.pub`))
  expect(await readKeyFile(path)).toEqual({ path, text, encrypted, publicKey: Buffer.from(wireOf(other), 'base64') })
})

test('a public key is read from its own file, or from beside a private key that is gone', async () => {
  const path = keygen(join(scratch(), 'key'))
  const publicKey = Buffer.from(wireOf(path), 'base64')
  expect(await readKeyFile(`${path}.pub`)).toEqual({ path: `${path}.pub`, publicKey })
  rmSync(path)
  expect(await readKeyFile(path)).toEqual({ path, publicKey })
  // Everybody may read a public key.
  chmodSync(`${path}.pub`, 0o644)
  expect(await readKeyFile(`${path}.pub`)).toEqual({ path: `${path}.pub`, publicKey })
})

test.each([
  ['private', privateText(TOKEN_KEY), '', true],
  ['public', `${TOKEN_TYPE} ${TOKEN_KEY.toString('base64')} me@laptop\n`, '', true],
  ['public half of a missing', '', '.pub', false],
])('the %s key of a security token is refused', async (half, text, suffix, isThere) => {
  const path = writing(text)
  if (suffix !== '') {
    writeFileSync(`${path}${suffix}`, `${TOKEN_TYPE} ${TOKEN_KEY.toString('base64')}\n`)
    rmSync(path)
  }
  expect(existsSync(path)).toBe(isThere)
  const { unusable, ...file } = await readKeyFile(path)
  expect(file).toEqual({ path, isOnToken: true, ...(half === 'private' ? {} : { publicKey: TOKEN_KEY }) })
  expect(unusable).toMatchObject({
    class: 'input',
    where: { file: path },
    what: 'key is on a security token (FIDO), which ssh2 cannot use',
    fix: 'set transport: openssh',
  })
})

test.each<[string, string, string, (path: string) => string]>([
  [
    'in PKCS#8',
    '-----BEGIN ENCRYPTED PRIVATE KEY-----\n',
    'key file has the format PKCS#8, which is not supported',
    (path) => `convert a copy to the format of OpenSSH: ssh-keygen -p -f ${path}`,
  ],
  [
    'that is damaged',
    privateText(Buffer.alloc(0)),
    'key file is damaged',
    () => 'restore it from a backup, or create a new key: ssh-keygen -t ed25519',
  ],
  [
    'without a key',
    '-----BEGIN DSA PRIVATE KEY-----\n',
    'key file contains no private key',
    () => 'name an ed25519, ECDSA or RSA private key in the format of OpenSSH',
  ],
])('a key file %s is used from the agent only, by the public half beside it', async (_, text, what, fix) => {
  const path = writing(text)
  const other = keygen(join(scratch(), 'other'))
  writeFileSync(`${path}.pub`, readFileSync(`${other}.pub`))
  const { unusable, ...file } = await readKeyFile(path)
  expect(file).toEqual({ path, publicKey: Buffer.from(wireOf(other), 'base64') })
  expect(unusable).toMatchObject({ class: 'input', where: { file: path }, what, fix: fix(path) })
})

test.each([1, 16, 20, 40, 60])('a key file of OpenSSH that is cut off after %i bytes is damaged', async (length) => {
  const bytes = Buffer.from(privateText(Buffer.alloc(40, 1)).split('\n')[1] ?? '', 'base64').subarray(0, length)
  const path = writing(`-----BEGIN OPENSSH PRIVATE KEY-----\n${bytes.toString('base64')}\n-----END OPENSSH PRIVATE KEY-----\n`)
  expect((await readKeyFile(path)).unusable?.what).toBe('key file is damaged')
})

test('a missing key file is reported with the command that creates it', async () => {
  const path = join(scratch(), 'missing')
  expect(await problemOf(readKeyFile(path))).toMatchObject({
    class: 'input',
    where: { file: path },
    what: 'key file does not exist',
    fix: `correct the path, or create the key: ssh-keygen -t ed25519 -f ${path} (provision lab up creates that of a lab)`,
  })
})

test('a key file that cannot be read is reported with the reason', async () => {
  const path = join(scratch(), 'loop')
  symlinkSync(path, path)
  expect(await problemOf(readKeyFile(path))).toMatchObject({
    class: 'input',
    where: { file: path },
    what: 'key file cannot be read (ELOOP)',
    fix: 'let your account read the file (chmod, chown)',
  })
})

test.each([0o640, 0o604, 0o620, 0o610, 0o601])('a private key with the mode %o is refused', async (mode) => {
  const path = writing(privateText(Buffer.concat([field('ssh-ed25519'), field('x')])), mode)
  expect(await problemOf(readKeyFile(path))).toMatchObject({
    class: 'input',
    where: { file: path },
    what: 'private key is readable by other accounts',
    fix: `run: chmod 600 ${path}, and consider replacing the key`,
  })
})

test('a private key that only its owner may use in any way is read', async () => {
  const path = keygen(join(scratch(), 'key'))
  chmodSync(path, 0o700)
  expect(await readKeyFile(path)).toMatchObject({ encrypted: false })
})

test('a key is decrypted once for all hosts, and again with another passphrase or content', async () => {
  const open = (text: string, passphrase: string) => {
    const key = openKey({ path: '/keys/shared', text }, new Secret(passphrase))
    key.catch(() => {})
    return key
  }
  const first = open('one', 'sesame')
  expect(open('one', 'sesame')).toBe(first)
  const second = open('one', 'another')
  expect(second).not.toBe(first)
  expect(open('two', 'another')).not.toBe(second)
  expect(await problemOf(second)).toMatchObject({ what: expect.stringContaining('key cannot be used') })
})

test('a key that ssh2 cannot read is an input problem, with or without a passphrase', async () => {
  const key = { path: '/keys/broken', text: privateText(Buffer.concat([field('ssh-ed25519'), field('x')])) }
  expect(await problemOf(openKey({ ...key, encrypted: false }, undefined))).toMatchObject({
    class: 'input',
    where: { file: '/keys/broken' },
    what: expect.stringMatching(/^key cannot be used: ./),
    fix: 'use an ed25519, ECDSA or RSA key',
  })
  expect(await problemOf(openKey({ ...key, encrypted: true }, new Secret('no')))).toMatchObject({
    what: expect.stringMatching(/^key cannot be decrypted: ./),
    fix: 'correct the passphrase',
  })
  expect(await problemOf(openKey({ ...key, encrypted: true }, undefined))).toMatchObject({
    what: 'key is encrypted, and no passphrase is set',
    fix: 'load it into your agent: ssh-add /keys/broken, or set passphrase in the inventory',
  })
})

test('a new key is whole, also the one in 256 that begins with a zero byte', async () => {
  const keys = await Promise.all(Array.from({ length: 1500 }, () => newKey('x')))
  // Two lengths of four bytes, the name of the type, and the key of 32 bytes (RFC 8709).
  const sizes = new Set(keys.map(({ publicKey }) => Buffer.from(publicKey.split(' ')[1] ?? '', 'base64').length))
  expect([...sizes]).toEqual([4 + 'ssh-ed25519'.length + 4 + 32])
})

test('a new key can be used, and has its comment', async () => {
  const { privateKey, publicKey } = await newKey('me@laptop')
  const path = writing(privateKey)
  const file = await readKeyFile(path)
  expect(typeOf(file.publicKey ?? Buffer.alloc(0))).toBe('ssh-ed25519')
  expect(publicKey).toBe(`ssh-ed25519 ${file.publicKey?.toString('base64')} me@laptop`)
  expect(privateKey).toMatch(/END OPENSSH PRIVATE KEY-----\n$/)
})

test('a key file that is a device, a pipe or too large is not read', { timeout: 10_000 }, async () => {
  const [pipe, large] = ['pipe', 'large'].map((name) => join(scratch(), name))
  execFileSync('mkfifo', [pipe ?? ''])
  writeFileSync(large ?? '', 'x'.repeat(2 ** 20 + 1))
  for (const path of [pipe ?? '', '/dev/zero'])
    expect((await problemOf(readKeyFile(path))).what).toBe('key file cannot be read (not a regular file)')
  expect((await problemOf(readKeyFile(large ?? ''))).what).toBe('key file cannot be read (larger than 1 MB)')
})
