import { expect, test } from 'vitest'
import { problemsIn } from '../../../../src/problem.ts'
import { matchPattern } from '../../../../src/site/inventory/pattern.ts'

const site = {
  hosts: new Map(['lb-01', 'web-01', 'web-02', 'web-10', 'db-01'].map((name) => [name, undefined])),
  groups: new Map([
    ['web', ['web-01', 'web-02', 'web-10']],
    ['paris', ['lb-01', 'web-01']],
    ['empty', []],
  ]),
}

test.each([
  ['all', 'lb-01 web-01 web-02 web-10 db-01'],
  ['*', 'lb-01 web-01 web-02 web-10 db-01'],
  ['web', 'web-01 web-02 web-10'],
  ['db-01', 'db-01'],
  ['db-01:lb-01', 'lb-01 db-01'],
  ['db-01,lb-01', 'lb-01 db-01'],
  [' db-01 , lb-01 ', 'lb-01 db-01'],
  ['web:&paris', 'web-01'],
  ['&paris:web', 'web-01'],
  ['web:!web-02', 'web-01 web-10'],
  ['!web', 'lb-01 db-01'],
  ['web:paris:!web-01:&web', 'web-02 web-10'],
  ['web-*', 'web-01 web-02 web-10'],
  ['w*:!*-?0', 'web-01 web-02'],
  ['web-0[12]', 'web-01 web-02'],
  ['web-0[2-9]', 'web-02'],
  ['web-0[!2]', 'web-01'],
  ['par*', 'lb-01 web-01'],
])('%s selects %s', (pattern, hosts) => {
  expect(matchPattern(site, pattern, { command: '--limit' }).join(' ')).toBe(hosts)
})

test('a list of patterns is combined into one', () => {
  expect(matchPattern(site, ['web', '!web-01'], { command: '--limit' })).toEqual(['web-02', 'web-10'])
})

test.each([
  ['', 'is empty'],
  ['!', 'is empty'],
  [':,', 'is empty'],
  ['wbe', 'unknown host or group `wbe`'],
  ['all:!wbe', 'unknown host or group `wbe`'],
  ['lb-*:&db-01', 'matches no host'],
  ['empty', 'matches no host'],
  ['mail-*', 'glob `mail-*` matches no host or group'],
  ['web[', 'unknown host or group `web[`'],
])('%j is rejected: %s', (pattern, message) => {
  const match = () => matchPattern(site, pattern, { command: '--limit' })
  expect(match).toThrow(message)
  try {
    match()
  } catch (error) {
    expect(problemsIn(error)?.every(({ fix }) => fix !== '')).toBe(true)
  }
})

test('a glob with many stars terminates', () => {
  expect(() => matchPattern(site, `${'*a'.repeat(40)}*`, { command: '--limit' })).toThrow('matches no host or group')
})
