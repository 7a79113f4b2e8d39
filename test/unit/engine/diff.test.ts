import { expect, it } from 'vitest'
import { z } from 'zod'
import { diffsOf } from '../../../src/engine/plan/diff.ts'
import { type DiffTexts, defineKind } from '../../../src/resource/kind/kind.ts'
import { sh } from '../../../src/shell/sh.ts'
import { localShell } from './local-shell.ts'

const kind = defineKind({
  name: 'shown',
  schema: z.strictObject({ before: z.string(), after: z.string() }),
  id: () => '/x',
  observe: () => ({ script: sh``, parse: () => new Map() }),
  plan: () => undefined,
  apply: function* () {},
  diff: ({ spec }): DiffTexts => spec,
})
const change = { action: 'update', certainty: 'exact', reason: 'content differs', differences: [] } as const
const diffOf = async (before: string, after: string): Promise<string | undefined> => {
  const diffs = await diffsOf(localShell('a'), [{ play: 0, role: 'r', resource: kind({ before, after }), state: undefined, change }])
  return diffs.get('shown:/x')?.diff
}

it('a diff has the lines that differ', async () => {
  expect(await diffOf('a\nold\n', 'a\nnew\n')).toContain('--- /x\n+++ /x\n@@ -1,2 +1,2 @@\n a\n-old\n+new\n')
  expect(await diffOf('', 'new\n')).toContain('@@ -0,0 +1,1 @@\n+new\n')
})

it('texts without a difference have no diff, not even its head', async () => {
  expect(await diffOf('same\n', 'same\n')).toBeUndefined()
  expect(await diffOf('', '')).toBeUndefined()
})

it('a diff that fails names its resource', async () => {
  const broken = defineKind({
    ...kind.kind,
    diff: () => {
      throw new TypeError('no text')
    },
  } as typeof kind.kind)
  const pending = [{ play: 0, role: 'r', resource: broken({ before: '', after: 'x' }), state: undefined, change }]
  await expect(diffsOf(localShell('a'), pending)).rejects.toMatchObject({ call: { resource: 'shown:/x' } })
})
