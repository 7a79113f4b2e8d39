import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import packageJson from '../../../package.json' with { type: 'json' }
import { dispatch } from '../../../src/cli/dispatch.ts'
import { testContext } from './context.ts'

const change = (host: string, resource: string, more: object = {}) => ({
  ...{ host, role: 'nginx', resource, action: 'create', certainty: 'exact', play: 0 },
  ...more,
})

const show = async (saved: object, ...words: readonly string[]): Promise<string> => {
  const directory = mkdtempSync(join(tmpdir(), 'provision-show-'))
  onTestFinished(() => rmSync(directory, { recursive: true }))
  const scope = { inventory: 'inventory/lab.yaml', playbooks: ['a b.yaml'], limit: ['web'], roles: ['nginx'], prune: true }
  const head = { format: 3, provision: packageJson.version, saved: '2026-12-01T02:03:04.000Z', scope, salt: '0'.repeat(32) }
  writeFileSync(join(directory, 'my plan.json'), JSON.stringify({ ...head, hosts: [], manners: [], changes: [], ...saved }))
  const context = testContext({ directory })
  expect(await dispatch(['show', 'my plan.json', ...words], context)).toBe(0)
  return context.output.out
}

const head = `Saved 2026-12-01T02:03:04.000Z by provision ${packageJson.version}, of provision run 'a b.yaml' --inventory
inventory/lab.yaml --limit web --role nginx --prune
`

test('prints when and for what a plan was saved, its changes, and how to apply it', async () => {
  const changes = [
    change('web-01', 'file:/a'),
    change('web-02', 'file:/a'),
    change('web-02', 'file:/old', { action: 'delete', certainty: 'dependent', play: 1 }),
  ]
  const manners = [{ play: 1, serial: [1], at: ['lb-01'], maxFailures: 0 }]
  expect(await show({ changes, manners })).toBe(`${head}
3 changes on 2 hosts  2 to create · 1 to delete
  web-01 1 · web-02 2

! 1 resource to delete: file /old  web-02

play 1

  nginx  web-01 web-02
    + file /a

play 2
  one at a time; each is drained from lb-01 while it changes

  nginx  web-02
    - file /old  depends on another change

Apply it: provision run --plan 'my plan.json'
`)
})

test('prints a plan without changes, and every change of a long plan if verbose', async () => {
  expect(await show({})).toBe(`${head}\nNo changes\n\nApply it: provision run --plan 'my plan.json'\n`)
  const changes = Array.from({ length: 50 }, (_, i) => change('a', `file:/${i}`))
  expect(await show({ changes })).toContain('    + 50 × file  /0, /1')
  expect((await show({ changes }, '-v')).match(/^ {4}\+ file/gm)).toHaveLength(50)
})

test('needs a file that exists', async () => {
  await expect(dispatch(['show'], testContext())).rejects.toMatchObject({ what: 'no plan file is given' })
  await expect(dispatch(['show', 'nowhere.json'], testContext())).rejects.toMatchObject({ what: 'plan file does not exist' })
})
