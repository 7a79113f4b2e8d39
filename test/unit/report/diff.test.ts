import { describe, expect, test } from 'vitest'
import { diffLines } from '../../../src/report/diff.ts'
import { painter } from '../../../src/report/view.ts'
import { MASK, Secret } from '../../../src/secret/secret.ts'

test('masks a secret that spans several lines of base64', () => {
  const secret = new Secret('a password that is longer than one line of base64, by which it would be cut in two')
  const lines = Buffer.from(secret.reveal()).toString('base64').replace(/.{76}/g, '$&\n').split('\n')
  const diff = ['--- /etc/x', '+++ /etc/x', '@@ -1 +1,4 @@', ' kept', '+begin', ...lines.map((line) => `+${line}`), '+end', ''].join('\n')
  const shown = diffLines(diff, { paint: painter(false), columns: 200, verbose: true })
  expect(shown).toEqual([' kept', '+begin', expect.stringMatching(`^\\+${MASK}.{0,3}$`), '+end'])
})

describe('a diff', () => {
  const view = { paint: painter(false), columns: 200, verbose: false }
  const shown = (hunks: string, more: object = {}): readonly string[] => diffLines(`--- /etc/x\n+++ /etc/x\n${hunks}`, { ...view, ...more })
  const lines = (count: number): string => `@@ -0,0 +1,${count} @@\n${'+x\n'.repeat(count)}`

  test.each([
    ['that begins at the first line', '@@ -1,2 +1,2 @@\n a\n-b\n+c\n', [' a', '-b', '+c']],
    ['of a new file', '@@ -0,0 +1 @@\n+a\n', ['+a']],
    ['from the middle of a file', '@@ -7,2 +7,2 @@\n a\n-b\n', ['@@ -7,2 +7,2 @@', ' a', '-b']],
    ['of two places', '@@ -1 +1 @@\n-a\n@@ -9 +9 @@\n-b\n', ['@@ -1 +1 @@', '-a', '@@ -9 +9 @@', '-b']],
    ['of the eleventh line', '@@ -11 +11 @@\n-a\n', ['@@ -11 +11 @@', '-a']],
  ])('%s has line numbers only where they are needed, and no head', (_, hunks, expected) => {
    expect(shown(hunks)).toEqual(expected)
  })

  test('without hunks is shown as it is', () => {
    expect(diffLines('+a\n+b', view)).toEqual(['+a', '+b'])
  })

  test('of 21 lines is shown whole, and of a longer one 20 lines and the number of the others', () => {
    expect(shown(lines(21))).toEqual(Array(21).fill('+x'))
    expect(shown(lines(22)).slice(19)).toEqual(['+x', '… 2 more lines (--verbose shows all)'])
    expect(shown(lines(22), { verbose: true })).toHaveLength(22)
  })

  test('fits the screen, with tabs as spaces', () => {
    expect(shown('@@ -3 +3 @@\n-\tabcdef\n', { columns: 7 })).toEqual(['@@ -3 +', '3 @@', '-    ab', 'cdef'])
  })

  test('has a colour for each kind of line', () => {
    const { red, green, cyan, dim } = painter(true)
    const colours = shown('@@ -5,3 +5,3 @@\n a\n-b\n+c\n', { paint: painter(true) })
    expect(colours).toEqual([cyan('@@ -5,3 +5,3 @@'), dim(' a'), red('-b'), green('+c')])
  })
})
