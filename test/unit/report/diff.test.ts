import { expect, test } from 'vitest'
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
