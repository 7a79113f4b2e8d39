import { expect, test } from 'vitest'
import { linesOf } from '../../../src/cli/exec.ts'
import { LONGEST_LINE } from '../../../src/host/shell/lines.ts'
import { MASK, Secret } from '../../../src/secret/secret.ts'

const heard = (chunks: readonly Buffer[]): readonly string[] => {
  const all: string[] = []
  const lines = linesOf((line) => all.push(line))
  for (const chunk of chunks) lines.hear(chunk)
  lines.end()
  return all
}

test('lines come whole, however their bytes were cut', () => {
  const bytes = Buffer.from('grün\nlast')
  expect(heard([...bytes].map((byte) => Buffer.from([byte])))).toEqual(['grün', 'last'])
})

test('a secret is masked also where a long line is cut in the middle of it', () => {
  new Secret('poison-7c1f')
  const line = `${'x'.repeat(LONGEST_LINE - 5)}poison-7c1f${'y'.repeat(LONGEST_LINE)}\n`
  for (const cut of [LONGEST_LINE, LONGEST_LINE + 2]) {
    const told = heard([Buffer.from(line.slice(0, cut)), Buffer.from(line.slice(cut))])
    expect(told.length).toBeGreaterThan(1)
    expect(told.join('')).toBe(line.trimEnd().replace('poison-7c1f', MASK))
  }
})
