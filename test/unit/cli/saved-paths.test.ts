import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { requireOwnPaths } from '../../../src/cli/run/saved-paths.ts'

const above = mkdtempSync(join(tmpdir(), 'provision-saved-'))
afterAll(() => rmSync(above, { recursive: true }))
const root = join(above, 'site')
mkdirSync(join(root, 'inventory'), { recursive: true })
mkdirSync(join(above, 'site-2'))
writeFileSync(join(above, 'shadow'), 'root:$y$sesame:19000:0:99999:7:::\n')
symlinkSync('../shadow', join(root, 'linked.yaml'))
symlinkSync('../site-2', join(root, 'linked'))
symlinkSync('inventory', join(root, 'staging'))
symlinkSync(root, join(above, 'alias'))

const scope = { playbooks: [], limit: [], roles: [], prune: false, allowDataLoss: [], retire: [] }

describe('the paths of a saved plan', () => {
  it.each([
    '../shadow',
    '../../../../../../../etc/shadow',
    '/etc/shadow',
    'inventory/../../shadow',
    'linked.yaml',
    'linked/new/hosts.yaml',
    '../site-2',
    '../site-20',
    '..',
  ])('%s is refused, as the inventory and as a playbook', (path) => {
    const refusal = {
      class: 'input',
      where: { file: 'plan.json' },
      what: `plan does not belong to this project: ${path} is outside the project folder`,
    }
    expect(() => requireOwnPaths(root, 'plan.json', { ...scope, inventory: path })).toThrow(expect.objectContaining(refusal))
    expect(() => requireOwnPaths(root, 'plan.json', { ...scope, playbooks: ['site.yaml', path] })).toThrow(expect.objectContaining(refusal))
  })

  it.each(['inventory', '.', 'staging/web.yaml', './new/folder', '..name', join(root, 'inventory'), join(above, 'alias/inventory')])(
    '%s is accepted',
    (path) => {
      for (const folder of [root, join(above, 'alias')])
        requireOwnPaths(folder, 'plan.json', { ...scope, inventory: path, playbooks: [path] })
    },
  )
})
