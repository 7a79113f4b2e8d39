import { expect, test } from 'vitest'
import { AnswerReader, randomWord, requestFrame } from '../../../../src/host/shell/frame.ts'

const mark = 'a'.repeat(32)
const next = 'b'.repeat(32)

const read = (pieces: readonly Buffer[], marks: readonly string[]) => {
  const reader = new AnswerReader()
  const answers = marks.map((expected) => {
    const answer = { stdout: '', code: -1, stderr: '', pieces: 0 }
    reader.expect({
      mark: expected,
      onStdout: (piece) => {
        answer.pieces += 1
        answer.stdout += piece.toString('latin1')
      },
      onEnd: (code, stderr) => Object.assign(answer, { code, stderr }),
    })
    return answer
  })
  for (const piece of pieces) reader.push(piece)
  return answers
}

const STREAM = `noise${mark}+out ${mark.slice(0, 20)} a\0b\n${mark} 3\nerr\n${mark}-LATE${next}+${next} 0\n${next}-`

test.each([1, 2, 7, 31, 33, 1000])('answers come out whole when the stream comes in pieces of %i bytes', (size) => {
  const bytes = Buffer.from(STREAM, 'latin1')
  const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size))
  expect(read(pieces, [mark, next])).toMatchObject([
    { stdout: `out ${mark.slice(0, 20)} a\0b\n`, code: 3, stderr: 'err\n' },
    { stdout: '', code: 0, stderr: '' },
  ])
})

test('output is passed on at once, except for a possible beginning of a mark', () => {
  const [answer] = read([Buffer.from(`${mark}+one\n`), Buffer.from(`two\n${mark.slice(0, 5)}`)], [mark])
  expect(answer).toMatchObject({ stdout: 'one\ntwo\n', code: -1 })
})

test('an answer ends only with its last mark', () => {
  const [answer] = read([Buffer.from(`${mark}+x${mark} 0\n${mark}`)], [mark])
  expect(answer).toMatchObject({ stdout: 'x', code: -1 })
})

test('a short script is sent as lines, a long one as bytes, both with their input', () => {
  expect(requestFrame(mark, 'a\nb', Buffer.from('in')).toString()).toBe(`${mark} 2 0 2\na\nb\nin${mark}\n`)
  const long = 'é'.repeat(2000)
  expect(requestFrame(mark, long).toString()).toBe(`${mark} 0 4001 0\n${long}\n${mark}\n`)
})

test('a script with a NUL byte is refused', () => {
  expect(() => requestFrame(mark, 'a\0b')).toThrow('NUL')
})

test('words are random', () => {
  expect(randomWord()).toMatch(/^[0-9a-f]{32}$/)
  expect(randomWord()).not.toBe(randomWord())
})

test('of errors without end, the last ones are kept', () => {
  const reader = new AnswerReader()
  let errors = ''
  reader.expect({ mark, onStdout: () => {}, onEnd: (_, stderr) => (errors = stderr) })
  reader.push(Buffer.from(`${mark}+${mark} 1\n`))
  for (let i = 0; i < 50; i += 1) reader.push(Buffer.alloc(100_000, String.fromCharCode(65 + (i % 26))))
  reader.push(Buffer.from(`the last words\n${mark}-`))
  expect(errors.length).toBeGreaterThan(3_800_000)
  expect(errors.length).toBeLessThan(4_200_000)
  expect(errors.slice(-20)).toBe('XXXXXthe last words\n')
})

test('the next answer has its own errors, and a status that is no number is no success', () => {
  const [first, second] = read([Buffer.from(`${mark}+${mark} 1\none${mark}-${next}+${next} 2\ntwo${next}-`)], [mark, next])
  expect([first?.stderr, second?.stderr, first?.code, second?.code]).toEqual(['one', 'two', 1, 2])
  const [odd] = read([Buffer.from(`${mark}+${mark} soon\nx${mark}-`)], [mark])
  expect(odd).toMatchObject({ code: Number.NaN, stderr: 'x' })
  const [long] = read([Buffer.from(`${mark}+${mark} ${'1'.repeat(40)}x${mark}-`)], [mark])
  expect(long?.code).toBeNaN()
  expect(requestFrame(mark, 'a', Buffer.alloc(0), 30).toString()).toBe(`${mark} 1 0 0 30\na\n${mark}\n`)
})
