import { createHmac } from 'node:crypto'
import { expect, test } from 'vitest'
import {
  fingerprint,
  knownName,
  knownTypes,
  parseKnownHosts,
  presentedKey,
  statusOfKey,
  typeOf,
} from '../../../../src/host/known-hosts/known-hosts.ts'

const key = (type: string, secret: string): Buffer => {
  const field = (bytes: Buffer): Buffer => Buffer.concat([Buffer.from([0, 0, 0, bytes.length]), bytes])
  return Buffer.concat([field(Buffer.from(type)), field(Buffer.from(secret))])
}
const ED = key('ssh-ed25519', 'one')
const ED2 = key('ssh-ed25519', 'two')
const RSA = key('ssh-rsa', 'one')
const line = (names: string, shown: Buffer): string => `${names} ${typeOf(shown)} ${shown.toString('base64')}`
const hashed = (name: string): string => {
  const salt = Buffer.from('0123456789abcdefghij')
  return `|1|${salt.toString('base64')}|${createHmac('sha1', salt).update(name).digest('base64')}`
}

test.each([
  ['the name itself', 'web.example', 'web.example', 'known'],
  ['one of several names', 'web,10.0.0.1', '10.0.0.1', 'known'],
  ['another name', 'web.example', 'db.example', 'unknown'],
  ['a name in capitals', 'Web.Example', 'web.example', 'known'],
  ['a part of the name', 'web', 'web-01', 'unknown'],
  ['a pattern', 'web-0?.*', 'web-01.example', 'known'],
  ['a dot is a dot', 'web.example', 'webxexample', 'unknown'],
  ['a negated pattern at any position', '*.example,!db.example', 'db.example', 'unknown'],
  ['a negated pattern of another', '!db.example,*.example', 'web.example', 'known'],
  ['a port', '[web]:2222', '[web]:2222', 'known'],
  ['no port', 'web', '[web]:2222', 'unknown'],
  ['an IPv6 address', 'fd78::11', 'fd78::11', 'known'],
  ['a link-local address of an interface', 'fe80::11%eth0', 'fe80::11%eth0', 'known'],
  ['a link-local address of another interface', 'fe80::11%eth1', 'fe80::11%eth0', 'unknown'],
  ['a hashed name', hashed('web.example'), 'web.example', 'known'],
  ['a hashed name with a port', hashed('[web]:2222'), '[web]:2222', 'known'],
  ['another hashed name', hashed('db.example'), 'web.example', 'unknown'],
  ['a hashed name behind another name', `db,${hashed('web.example')}`, 'web.example', 'unknown'],
  ['more behind a hashed name', `${hashed('web.example')}|`, 'web.example', 'unknown'],
])('a line with %s', (_, names, name, says) => {
  expect(statusOfKey(parseKnownHosts('kh', line(names, ED)).entries, name, presentedKey(ED)).status).toBe(says)
})

const judged = (text: string, shown: Buffer) => statusOfKey(parseKnownHosts('kh', text).entries, 'web', presentedKey(shown))

test('a changed key is reported with the line of the known one', () => {
  expect(judged(`# keys\n\n${line('web', ED)}`, ED2)).toMatchObject({ status: 'changed', entry: { file: 'kh', line: 3 } })
})

test('one matching key among several of a type is enough', () => {
  expect(judged(`${line('web', ED)}\n${line('web', ED2)}`, ED2).status).toBe('known')
})

test('a key of another type is neither known nor changed', () => {
  expect(judged(line('web', RSA), ED)).toMatchObject({ status: 'other type', entry: { type: 'ssh-rsa', line: 1 } })
})

test('a revoked key is refused even if another line accepts it', () => {
  expect(judged(`${line('web', ED)}\n@revoked ${line('*', ED)}`, ED)).toMatchObject({ status: 'revoked', entry: { line: 2 } })
  expect(judged(`@revoked ${line('*', ED)}`, ED2).status).toBe('unknown')
})

test('unusable lines are ignored with a reason: markers, invalid lines', () => {
  const text = `#no key of web ssh-rsa\n\n@cert-authority ${line('*', ED)}\n@odd ${line('*', ED)}\nweb ssh-ed25519\nweb ssh-rsa ${ED.toString('base64')}\r\n${line('web', ED)}\r\n`
  const { entries, authorities, ignored } = parseKnownHosts('kh', text)
  expect(authorities.map((entry) => entry.line)).toEqual([3])
  expect(entries.map((entry) => entry.line)).toEqual([7])
  expect(ignored.map(({ line: at, why }) => `${at} ${why}`)).toEqual([
    '4 unknown marker @odd',
    '5 not a known_hosts line',
    '6 not a key of type ssh-rsa',
  ])
})

test('a line of another file is not shown: its words are cut', () => {
  const { ignored } = parseKnownHosts('kh', `login $y$sesame words\n@${'x'.repeat(70)} ${line('web', ED)}`)
  expect(ignored.map(({ why }) => why)).toEqual(['not a key of type …', `unknown marker @${'x'.repeat(59)}…`])
})

test('known types are listed in the order of the file', () => {
  const { entries } = parseKnownHosts('kh', [line('web', RSA), line('db', ED), `@revoked ${line('web', ED)}`].join('\n'))
  expect(knownTypes(entries, 'web')).toEqual(['ssh-rsa'])
})

test('a host’s name is its alias, or its address with a port that is not 22', () => {
  expect(knownName({ address: 'Web', port: 22 })).toBe('web')
  expect(knownName({ address: 'fd78::11', port: 2222 })).toBe('[fd78::11]:2222')
  expect(knownName({ address: 'web', port: 2222, hostKeyAlias: 'cluster' })).toBe('cluster')
})

test('a fingerprint equals the output of ssh-keygen -l', () => {
  const published = Buffer.from('AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl', 'base64')
  expect(fingerprint(published)).toBe('SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU')
})

test('bytes that are not a key have no type', () => {
  expect(typeOf(Buffer.from([0, 0, 0, 1, 65]))).toBe('A')
  expect([Buffer.alloc(0), Buffer.from([0, 0, 1]), Buffer.from([0, 0, 0, 0]), Buffer.from([0, 0, 1, 0, 65])].map(typeOf)).toEqual([
    undefined,
    undefined,
    undefined,
    undefined,
  ])
})
