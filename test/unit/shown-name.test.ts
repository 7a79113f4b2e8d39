import { expect, it } from 'vitest'
import { shownName, shownText } from '../../src/shown-name.ts'

it.each([
  ['max_connections', 'max_connections'],
  ['net.ipv4/ip-forward', 'net.ipv4/ip-forward'],
  ['größe', 'größe'],
  ['root:$y$j9T$hash', 'root…'],
  ['$y$hash', '…'],
  ['two words', 'two…'],
  ['x'.repeat(60), 'x'.repeat(60)],
  ['x'.repeat(61), `${'x'.repeat(60)}…`],
])('the name %j is shown as %j', (name, shown) => expect(shownName(name)).toBe(shown))

it('a text is cut by its length only', () => {
  expect(shownText('a text: with $igns')).toBe('a text: with $igns')
  expect(shownText('y'.repeat(61))).toBe(`${'y'.repeat(60)}…`)
})
