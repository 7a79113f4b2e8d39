import { expect, it } from 'vitest'
import { shippedKinds } from '../../../src/engine/shipped-kinds.ts'
import { placeOf, problemsIn } from '../../../src/problem.ts'
import { orphanPolicyOf } from '../../../src/resource/kind/orphan-policy.ts'
import { loadKinds } from '../../../src/role/kinds.ts'
import { project } from '../site/project.ts'

const kind = (name: string): string => `import { defineKind, z } from 'provision/kind'
export const made = defineKind({ name: '${name}', schema: z.string(), id: (name) => name, observe: () => ({ script: '', parse: () => new Map() }),
  plan: () => undefined, *apply() {}, orphan: { keep: 'because of ${name}' } })
`
const problemOf = (root: string) =>
  loadKinds(root).then(
    () => [],
    (error: unknown) =>
      (problemsIn(error) ?? [error]).map((one) => ({ what: (one as Error & { what: string }).what, why: (one as { why?: string }).why })),
  )

it('loads kinds/NAME.ts and kinds/NAME/NAME.ts, so that the policy for their orphans is known', async () => {
  await loadKinds(project({ 'kinds/alone.ts': kind('alone'), 'kinds/folder/folder.ts': kind('folder'), 'kinds/folder/plan.ts': 'throw 1' }))
  await loadKinds(project({ 'kinds/scripted/scripted.js': kind('scripted'), 'kinds/plain.js': kind('plain'), 'kinds/Notes.ts': 'throw 1' }))
  expect(['scripted:x', 'plain:x'].map(orphanPolicyOf)).toEqual([{ keep: 'because of scripted' }, { keep: 'because of plain' }])
  expect(orphanPolicyOf('alone:x')).toEqual({ keep: 'because of alone' })
  expect(orphanPolicyOf('folder:x')).toEqual({ keep: 'because of folder' })
})

it('accepts a project without kinds', async () => {
  expect(await problemOf(project({}))).toEqual([])
})

it('reports a file in the place of the directory', async () => {
  expect(await problemOf(project({ kinds: 'x' }))).toEqual([
    { what: 'directory of kinds cannot be read', why: expect.stringMatching(/^ENOTDIR: not a directory/) },
  ])
})

it.each([
  ['that throws', "throw new Error('broken')", { what: 'kind cannot be loaded', why: 'broken' }],
  [
    'without a kind',
    'export const one = 1',
    { what: 'file exports no kind', why: 'a kind is what defineKind() or defineComposite() returns' },
  ],
  [
    'with the name of another kind',
    `${kind('taken')}${kind('taken').replace(/^.*\n/, '').replace('made', 'again')}`,
    {
      what: 'kind cannot be loaded',
      why: 'another kind has the name taken',
    },
  ],
  [
    'with the name of a shipped kind, also without a policy',
    `import '${import.meta.dirname}/../../../src/resource/file/file.ts'\n${kind('file').replace(/, orphan: .*/, ' })')}`,
    { what: 'kind cannot be loaded', why: 'another kind has the name file' },
  ],
  [
    'whose name cannot be a part of a key',
    kind('a:b'),
    { what: 'kind cannot be loaded', why: 'the name of a kind must have lower-case letters, digits and dashes only: "a:b"' },
  ],
])('reports a file %s', async (_, text, problem) => {
  expect(await problemOf(project({ 'kinds/wrong.ts': text }))).toEqual([problem])
})

const composite = (name: string): string => `import { defineComposite, z } from 'provision/kind'
export const made = defineComposite({ name: '${name}', schema: z.strictObject({}), resources: () => [] })
`

it('reports a composite with the name of another kind, with both places', async () => {
  const shipped = await shippedKinds()
  const mistakes = (files: Readonly<Record<string, string>>): Promise<unknown> =>
    loadKinds(project(files), shipped).then(
      (kinds) => [...kinds.keys()],
      (error: unknown) =>
        (problemsIn(error) ?? []).map(({ where, what, why }) => [placeOf(where).replace(/^.*\/(?=kinds\/)/, ''), what, why]),
    )
  for (const name of ['file', 'timer'])
    expect(await mistakes({ 'kinds/mine.ts': composite(name) })).toEqual([
      ['kinds/mine.ts', `kind ${name} cannot be loaded`, 'the package provision has a kind with this name too'],
    ])
  expect(await mistakes({ 'kinds/one.ts': composite('both-mine'), 'kinds/two.ts': composite('both-mine') })).toEqual([
    ['kinds/two.ts', 'kind both-mine cannot be loaded', expect.stringMatching(/kinds\/one\.ts has a kind with this name too$/)],
  ])
  expect(await mistakes({ 'kinds/one.ts': composite('alone-mine'), 'kinds/two.ts': "export * from './one.ts'\n" })).toEqual(['alone-mine'])
})
