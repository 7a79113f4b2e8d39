import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { readHistory, recordRequest } from '../../../src/acme/history.ts'

const WEEK = 7 * 86_400_000
const NOW = Date.UTC(2026, 10, 30)
let root = ''
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'provision-history-'))
  vi.setSystemTime(NOW)
})
afterEach(() => {
  vi.useRealTimers()
  rmSync(root, { recursive: true })
})

const request = (name: string) => ({ directory: 'letsencrypt', names: [name], outcome: 'issued' as const })
const path = () => join(root, '.provision/acme-asked.json')
const write = (text: string): void => {
  mkdirSync(join(root, '.provision'), { recursive: true })
  writeFileSync(path(), text)
}

it('keeps the requests of the last week, in order', () => {
  expect(readHistory(root)).toEqual([])
  expect(recordRequest(root, request('a.test'))).toBeUndefined()
  vi.setSystemTime(NOW + WEEK - 1)
  expect(recordRequest(root, request('b.test'))).toBeUndefined()
  expect(readHistory(root)).toEqual([
    { ...request('a.test'), at: NOW },
    { ...request('b.test'), at: NOW + WEEK - 1 },
  ])
  vi.setSystemTime(NOW + WEEK)
  expect(readHistory(root).map(({ names }) => names[0])).toEqual(['b.test'])
  recordRequest(root, request('c.test'))
  expect(JSON.parse(readFileSync(path(), 'utf8'))).toHaveLength(2)
  expect((statSync(path()).mode & 0o777).toString(8)).toBe('644')
})

it.each(['', '{}', 'null', '[', '"text"', `${JSON.stringify([{ ...request('a.test'), at: NOW }])}${' '.repeat(1_048_576)}`])(
  'counts a file that cannot be used as empty: %.20j',
  (text) => {
    write(text)
    expect(readHistory(root)).toEqual([])
    recordRequest(root, request('b.test'))
    expect(readHistory(root)).toHaveLength(1)
  },
)

it('drops invalid entries', () => {
  const good = { ...request('a.test'), at: NOW }
  const bad = [null, 7, 'x', [], { ...good, directory: 7 }, { ...good, names: 'a.test' }, { ...good, at: 'now' }, { names: [], at: NOW }]
  write(JSON.stringify([...bad, good]))
  expect(readHistory(root)).toEqual([good])
})

it('reports a file that cannot be written, and does not throw', () => {
  writeFileSync(join(root, '.provision'), 'a file')
  expect(recordRequest(root, request('a.test'))?.where).toEqual({ file: expect.stringContaining('.provision') })
})
