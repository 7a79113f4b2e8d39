import { expect, test } from 'vitest'
import { nextStatus } from '../../../../src/host/shell/lock.ts'

const word = 'a'.repeat(32)

test.each([
  [
    'waits',
    `${word} wait busy 3\n{"user":"me"}\n sh(12)\nmore`,
    { type: 'wait', rest: ['busy', '3'], holder: '{"user":"me"}', processes: 'sh(12)' },
  ],
  ['is locked', `${word} locked alive 3\n{}\n\n`, { type: 'locked', rest: ['alive', '3'], holder: '{}', processes: '' }],
  ['is open', `${word} open 10.0.0.1 5 10.0.0.2 22\n`, { type: 'open', rest: ['10.0.0.1', '5', '10.0.0.2', '22'] }],
])('the status of a shell that %s is parsed', (_, heard, status) => {
  expect(nextStatus(Buffer.from(heard))).toMatchObject(status)
})

test.each([
  ['half a status', `${word} wait busy 3\n{}\n`],
  ['bytes that come now and then', '\0\0\0'],
  ['a line of anything', 'garbage\n\n\n'],
  ['a status that there is not', `${word} soon busy 3\n{}\n\n`],
])('%s is not a status', (_, heard) => {
  expect(nextStatus(Buffer.from(heard))).toBeUndefined()
})
