import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { unreachable, within } from '../../../../src/host/target/problems.ts'
import { problemOf } from '../../problem-of.ts'

test('a host that cannot be reached is named with the reason and the cause, if there are any', () => {
  const parts = { what: 'connection was lost', fix: 'check the host' }
  const bare = unreachable('web-01', { ...parts, why: ' \n' })
  expect(bare).toMatchObject({ class: 'unreachable', where: { host: 'web-01' }, ...parts, why: undefined })
  expect(bare).not.toHaveProperty('cause')
  const cause = new Error('reset')
  expect(unreachable('web-01', { ...parts, why: ' by peer\n', cause })).toMatchObject({ why: 'by peer', cause })
})

test('a promise in time is not replaced, and its value is not late', async () => {
  const late: unknown[] = []
  const problem = () => unreachable('web-01', { what: 'too late', fix: 'wait' })
  expect(await within(30, Promise.resolve('value'), problem, (value) => late.push(value))).toBe('value')
  await expect(within(30, Promise.reject(new Error('failed')), problem, (value) => late.push(value))).rejects.toThrow('failed')
  await sleep(60)
  expect(late).toEqual([])
})

test('a promise that takes too long is a problem, and its value is passed on as late', async () => {
  const late: unknown[] = []
  const problem = () => unreachable('web-01', { what: 'too late', fix: 'wait' })
  const value = sleep(40, 'value')
  const failure = sleep(40).then(() => Promise.reject(new Error('failed')))
  const [first, second] = await Promise.all([
    problemOf(within(10, value, problem, (arrived) => late.push(arrived))),
    problemOf(within(10, failure, problem, (arrived) => late.push(arrived))),
  ])
  expect([first.what, second.what, late]).toEqual(['too late', 'too late', []])
  await value
  await sleep(20)
  expect(late).toEqual(['value'])
})
