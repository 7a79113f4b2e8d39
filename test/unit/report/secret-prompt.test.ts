import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import { askSecret } from '../../../src/report/secret-prompt.ts'

const asking = () => {
  const [input, output] = [new PassThrough(), new PassThrough()]
  let stops = 0
  const answer = askSecret(input, output, 'Enter PIN: ', () => {
    stops += 1
  })
  return { input, answer, shown: () => String(output.read()), stops: () => stops }
}

test('a secret is read as a line and not shown', async () => {
  const { input, answer, shown } = asking()
  input.write('12')
  input.write('34\n')
  expect(await answer).toBe('1234')
  expect(shown()).toBe('Enter PIN: \n')
})

test('Ctrl-C stops the command, and the end of the input is no answer', async () => {
  const interrupted = asking()
  interrupted.input.write('12\x03')
  expect(await interrupted.answer).toBeUndefined()
  expect(interrupted.stops()).toBe(1)
  const ended = asking()
  ended.input.end()
  expect([await ended.answer, ended.stops()]).toEqual([undefined, 0])
})
