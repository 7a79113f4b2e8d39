import { join } from 'node:path'
import { expect, test } from 'vitest'
import { buildSite } from '../../../src/site/build.ts'
import { readProject } from '../../../src/site/read.ts'

const root = join(import.meta.dirname, '../../..')

test.each(['inventory/lab.yaml', 'inventory/production.example.yaml'])('%s and its playbook are valid', async (inventory) => {
  const site = buildSite(await readProject({ root, inventory, env: {} }), {
    knownRoles: ['base', 'firewall', 'haproxy-tls', 'monitoring', 'mysql', 'nginx'],
  })
  expect([...site.hosts.keys()]).toEqual(['lb-01', 'web-01', 'web-02'])
  expect(site.plays.map(({ hosts }) => hosts)).toEqual([
    ['lb-01', 'web-01', 'web-02'],
    ['lb-01', 'web-01', 'web-02'],
    ['web-01', 'web-02'],
    ['lb-01'],
    ['lb-01', 'web-01', 'web-02'],
  ])
})
