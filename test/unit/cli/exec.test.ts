import { expect, test } from 'vitest'
import { linesOf } from '../../../src/cli/exec.ts'
import { MAX_LINE } from '../../../src/host/shell/lines.ts'
import { MASK, Secret } from '../../../src/secret/secret.ts'

const linesFrom = (chunks: readonly Buffer[]): readonly string[] => {
  const all: string[] = []
  const lines = linesOf((line) => all.push(line))
  for (const chunk of chunks) lines.push(chunk)
  lines.end()
  return all
}

test('lines are complete, wherever their bytes are split', () => {
  const bytes = Buffer.from('grün\nlast')
  expect(linesFrom([...bytes].map((byte) => Buffer.from([byte])))).toEqual(['grün', 'last'])
})

test('a secret is masked also if a long line is split inside it', () => {
  new Secret('poison-7c1f')
  const line = `${'x'.repeat(MAX_LINE - 5)}poison-7c1f${'y'.repeat(MAX_LINE)}\n`
  for (const cut of [MAX_LINE, MAX_LINE + 2]) {
    const parts = linesFrom([Buffer.from(line.slice(0, cut)), Buffer.from(line.slice(cut))])
    expect(parts.length).toBeGreaterThan(1)
    expect(parts.join('')).toBe(line.trimEnd().replace('poison-7c1f', MASK))
  }
})
