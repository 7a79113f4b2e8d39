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

test('a script of up to 2 KB is sent as lines, which needs no process on the host', () => {
  const header = (script: string): string => requestFrame(mark, script).toString().split('\n')[0] ?? ''
  expect(header('x'.repeat(2047))).toBe(`${mark} 1 0 0`)
  expect(header('x'.repeat(2048))).toBe(`${mark} 0 2049 0`)
  expect(header('a\n\nb\n')).toBe(`${mark} 3 0 0`)
  expect(requestFrame(mark, 'a\n')).toEqual(requestFrame(mark, 'a'))
})

test('output between answers occupies no memory, and an answer after it is read', () => {
  const reader = new AnswerReader()
  const noise = Buffer.alloc(8_000_000, 'x')
  const before = process.memoryUsage().arrayBuffers
  for (let i = 0; i < 32; i += 1) reader.push(noise)
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(100_000_000)
  const ends: number[] = []
  const expectAnswer = (): void => reader.expect({ mark, onStdout: () => {}, onEnd: (code) => ends.push(code) })
  expectAnswer()
  reader.push(Buffer.from(`${mark}+${mark} 4\n${mark}-and ${mark}+${mark} 5\n${mark}-`))
  expectAnswer()
  reader.push(Buffer.from(`${mark}+${mark} 6\n${mark}-`))
  expect(ends).toEqual([4, 5])
})

test('a status of up to 16 characters counts', () => {
  const codeOf = (status: string) => read([Buffer.from(`${mark}+${mark} ${status}\n${mark}-`)], [mark])[0]?.code
  expect(codeOf('7'.padStart(16, '0'))).toBe(7)
  expect(codeOf('7'.padStart(17, '0'))).toBeNaN()
  expect(read([Buffer.from(`${mark}+${mark} ${'1'.repeat(16)}`), Buffer.from(`\n${mark}-`)], [mark])[0]?.code).toBe(Number('1'.repeat(16)))
})

test('four million bytes of errors of each answer are kept whole, and of more the last ones', () => {
  const errorsAfter = (lengths: readonly number[]): readonly (string | undefined)[] => {
    const pieces = lengths.map((length, i) => Buffer.alloc(length, String(i)))
    const answer = (name: string): readonly Buffer[] => [Buffer.from(`${name}+${name} 1\n`), ...pieces, Buffer.from(`${name}-`)]
    return read([...answer(mark), ...answer(next)], [mark, next]).map(({ stderr }) => stderr)
  }
  expect(errorsAfter([1_000_000, 3_000_000]).map((errors) => errors?.length)).toEqual([4_000_000, 4_000_000])
  expect(errorsAfter([1_000_000, 3_000_001])).toEqual(['1'.repeat(3_000_001), '1'.repeat(3_000_001)])
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
