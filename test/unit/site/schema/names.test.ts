import { expect, test } from 'vitest'
import {
  canonicalAddress,
  groupNameProblem,
  hostNameProblem,
  isDestination,
  isIpAddress,
  isReachable,
} from '../../../../src/site/schema/names.ts'
import { list, nearest, suggestion } from '../../../../src/site/source/suggest.ts'

const label = 'a'.repeat(63)

test.each(['web-01', 'a', 'a1.b2.example', `${label}.${label}.${label}.${'a'.repeat(61)}`, '1web'])('%s is a host name', (name) => {
  expect(hostNameProblem(name)).toBeUndefined()
})

test.each([
  ['10.0.0.1', '`10.0.0.1` is an address, not a name', 'give the host a name with `address: 10.0.0.1`'],
  ['fd00::1', '`fd00::1` is an address, not a name', 'give the host a name with `address: fd00::1`'],
  ['controller', 'host name `controller` is reserved for this machine', 'use another name'],
  ['all', 'host name `all` is reserved for the pattern of all hosts', 'use another name'],
  ['Web_01 x', 'invalid host name `Web_01 x`', /, for example `web-01-x`$/],
  ['-web', 'invalid host name `-web`', /at least one letter$/],
  ['web-', 'invalid host name `web-`', /at least one letter$/],
  ['web..x', 'invalid host name `web..x`', /at least one letter$/],
  ['12', 'invalid host name `12`', /at least one letter$/],
  [`${label}a`, `invalid host name \`${'a'.repeat(60)}…\``, /at least one letter$/],
  [`${label}.${label}.${label}.${'a'.repeat(62)}`, expect.stringContaining('…'), /at least one letter$/],
  ['$(reboot)', 'invalid host name `$(reboot)`', /, for example `reboot`$/],
])('%s is not a host name', (name, what, fix) => {
  const problem = hostNameProblem(name)
  expect(problem?.what).toEqual(what)
  expect(problem?.fix).toMatch(fix)
})

test.each(['web', 'a', 'paris_web-2', `a${'b'.repeat(62)}`])('%s is a group name', (name) => {
  expect(groupNameProblem(name)).toBeUndefined()
})

test.each([
  ['all', 'group name `all` is reserved'],
  ['1web', 'invalid group name `1web`'],
  ['Web', 'invalid group name `Web`'],
  ['_web', 'invalid group name `_web`'],
  ['web.x', 'invalid group name `web.x`'],
  ['', 'invalid group name ``'],
  [`a${'b'.repeat(63)}`, `invalid group name \`a${'b'.repeat(59)}…\``],
])('%s is not a group name', (name, what) => {
  expect(groupNameProblem(name)?.what).toBe(what)
})

test.each([
  ['10.0.0.1', true],
  ['fe80::1%eth0', true],
  ['web-01.example.', true],
  ['_sip.example', true],
  ['10.0.0', false],
  ['web.12', false],
  ['a b', false],
  ['-web', false],
  ['', false],
  [`${`${label}.`.repeat(4)}com`, false],
  [`${label}a.com`, false],
])('%j can be reached as an address: %s', (address, expected) => {
  expect(isReachable(address)).toBe(expected)
})

test('a zone belongs to one machine: an address with it is none of a site', () => {
  expect(['10.0.0.1', 'fd00::1', 'fe80::1%eth0', 'web'].map(isIpAddress)).toEqual([true, true, false, false])
  expect(['FD00:0:0::1', 'fe80::A%eth0', '10.0.0.1', 'Web.Example'].map(canonicalAddress)).toEqual([
    'fd00::1',
    'fe80::a%eth0',
    '10.0.0.1',
    'web.example',
  ])
})

test.each([
  ['gate', true],
  ['my_gate.alias-1', true],
  ['ops@gate:2200', true],
  ['jane@corp@gate', true],
  ['ops@[fd00::1]:22', true],
  ['[fd00::1]', true],
  ['gate:1', true],
  ['gate:65535', true],
  ['gate:0', false],
  ['gate:65536', false],
  ['gate:', false],
  ['fd00::1', false],
  ['-oProxyCommand=x', false],
  ['ops@-gate', false],
  ['1ops@gate', false],
  ['[gate!]', false],
  ['', false],
])('%j is a destination of ssh: %s', (text, expected) => {
  expect(isDestination(text)).toBe(expected)
})

test.each([
  ['wbe', ['db', 'web', 'wide'], 'web'],
  ['Web_01', ['web-02', 'web-01'], 'web-01'],
  ['we', ['web'], 'web'],
  ['balancer', ['balancers'], 'balancers'],
  ['x', ['abc'], undefined],
  ['web', [], undefined],
  ['monitor', ['monitoring'], undefined],
])('the word nearest to %s of %j is %s', (word, known, expected) => {
  expect(nearest(word, known)).toBe(expected)
})

test('a suggestion is the nearest word, or the list of words', () => {
  expect(suggestion('wbe', ['web', 'web'], 'add it')).toBe('did you mean `web`?')
  expect(suggestion('mail', ['web', 'db', 'web'], 'add it')).toBe('add it (available: web, db)')
  expect(suggestion('mail', [], 'add it')).toBe('add it')
  const words = Array.from({ length: 13 }, (_, i) => `w${i}`)
  expect(list(words.slice(0, 12))).toBe('w0, w1, w2, w3, w4, w5, w6, w7, w8, w9, w10, w11')
  expect(list(words)).toMatch(/, w11 and 1 more$/)
})
