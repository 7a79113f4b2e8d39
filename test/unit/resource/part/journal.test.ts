import { expect, it } from 'vitest'
import { journalBytes, noted, readJournal, undone } from '../../../../src/resource/part/journal.ts'
import { bytesOfText, readTextFile, type TextFile } from '../../../../src/resource/part/text.ts'

const file = (text: string): TextFile => readTextFile(Buffer.from(text)) ?? { lines: [], isUtf8: true }
const restored = (journal: ReturnType<typeof noted>, text: string): string => bytesOfText(undone(journal, 'k', file(text)).file).toString()

it('a line that a refused run did not write does not hide what was there first', () => {
  const first = noted(new Map(), 'k', { before: file('a\n'), pieces: [{ wrote: ['b'], former: ['a'] }] })
  // Its file was not written: it still has the line b.
  const refused = noted(first, 'k', { before: file('b\n'), pieces: [{ wrote: ['c'], former: ['b'] }] })
  expect([restored(refused, 'b\n'), restored(refused, 'c\n')]).toEqual(['a\n', 'a\n'])
  const next = noted(refused, 'k', { before: file('b\n'), pieces: [{ wrote: ['d'], former: ['b'] }] })
  expect(restored(next, 'd\n')).toBe('a\n')
  // The line c was never in the file, and is forgotten.
  expect(restored(next, 'c\n')).toBe('c\n')
})

it('each of several lines gets back what it replaced', () => {
  const first = noted(new Map(), 'k', {
    before: file('x 1\nx 2\n'),
    pieces: [
      { wrote: ['y'], former: ['x 1'] },
      { wrote: ['y'], former: ['x 2'] },
    ],
  })
  expect(restored(first, 'y\ny\n')).toBe('x 1\nx 2\n')
  const again = noted(first, 'k', {
    before: file('y\ny\n'),
    pieces: [
      { wrote: ['z'], former: ['y'] },
      { wrote: ['z'], former: ['y'] },
    ],
  })
  expect(restored(again, 'z\nz\n')).toBe('x 1\nx 2\n')
})

it('a value that somebody changed by hand is not the former one', () => {
  const first = noted(new Map(), 'k', { before: file('a\n'), pieces: [{ wrote: ['b'], former: ['a'] }] })
  expect(restored(noted(first, 'k', { before: file('hand\n'), pieces: [{ wrote: ['b'], former: ['hand'] }] }), 'b\n')).toBe('a\n')
})

it('is read back as it was written, and of one that is damaged the valid part', () => {
  const journal = noted(new Map(), 'k', { before: file(''), pieces: [{ wrote: ['é', 'b'] }] })
  expect(readJournal(journalBytes('/etc/x', journal))).toEqual(journal)
  for (const text of ['', '{', '[]', 'null', '{"parts":{"k":{}}}', '{"parts":[1]}', '{"parts":{"k":[]}}'])
    expect(undone(readJournal(Buffer.from(text)), 'k', file('a\n'))).toEqual({ file: file('a\n'), left: 0 })
  const parts = {
    k: [
      { wrote: [] },
      { wrote: [{ sha256: 1, lines: 1 }] },
      { wrote: [{ sha256: 'x', lines: 0 }] },
      { wrote: [{ sha256: 'x', lines: 1 }], former: [1] },
      null,
    ],
  }
  expect(readJournal(Buffer.from(JSON.stringify({ parts }))).get('k')).toEqual([])
})
