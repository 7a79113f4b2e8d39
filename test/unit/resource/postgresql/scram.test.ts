import { expect, it } from 'vitest'
import { newParameters, passwordFault, scramVerifier } from '../../../../src/resource/postgresql/scram.ts'

it('computes the verifier that PostgreSQL stores', () => {
  // The server of Debian 12 stored it for `ALTER ROLE ... PASSWORD 'pencil'`.
  expect(scramVerifier('pencil', { salt: VERIFIER.split(/[:$]/)[2] ?? '', iterations: 4096 })).toBe(VERIFIER)
})

it('has the same salt for the same password of a role, and another one for another role or password', () => {
  const salts = [newParameters('a', 'x'), newParameters('a', 'x'), newParameters('b', 'x'), newParameters('a', 'y')].map(({ salt }) => salt)
  expect(salts[0]).toBe(salts[1])
  expect(new Set(salts).size).toBe(3)
  expect(Buffer.from(salts[0] ?? '', 'base64')).toHaveLength(16)
  expect(newParameters('a', 'x').iterations).toBe(4096)
})

it('computes no verifier with iterations that would occupy the controller', () => {
  expect(scramVerifier('a', { salt: 'c2FsdA==', iterations: 200_001 })).toBeUndefined()
  expect(scramVerifier('a', { salt: 'c2FsdA==', iterations: 0 })).toBeUndefined()
  expect(scramVerifier('a', { salt: 'c2FsdA==', iterations: 1 })).toMatch(/^SCRAM-SHA-256\$1:c2FsdA==\$/)
})

it.each([
  ['a NUL byte', 'a\0b'],
  ['a character that normalization replaces', 'ﬁ'],
  ['a decomposed letter', 'a\u0308'],
  ['a soft hyphen', 'a\u00adb'],
  ['a space other than the usual one', 'a\u2003b'],
])('refuses a password with %s, which client and server could read differently', (_, password) => {
  expect(passwordFault(password)).toMatch(/^must/)
})

it('accepts other passwords', () => {
  for (const password of ['pass word', 'pässwörd', '日本', '😀', String.raw`'"\$`]) expect(passwordFault(password)).toBeUndefined()
})

const VERIFIER =
  'SCRAM-SHA-256$4096:bB7HDidEvMcbStCpNIcBpA==$O17BL1QOSBx+WKHl2xqAbFCMLqmaFTyV+9dnPrL996I=:2Be0kf74gRCFBv8WwLr1heoF9K1tBoj+33LC962hRP4='
