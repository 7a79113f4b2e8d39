import { expect, test } from 'vitest'
import { faultsAhead, type Surroundings } from '../../../src/engine/plan/resources.ts'
import { readSite } from '../../../src/engine/prepare.ts'
import { project } from './project.ts'

/** An inventory of many hosts: each merges the same settings by an alias, and is in one of twenty groups. */
const inventoryOf = (hosts: number): string => {
  const names = Array.from({ length: hosts }, (_, i) => `node-${i}`)
  const lines = names.map((name, i) => `  ${name}: { <<: *web, address: 10.${i >> 16}.${(i >> 8) & 255}.${i & 255} }`)
  const groups = Array.from({ length: 20 }, (_, g) => `  g${g}: { hosts: [${names.filter((_, i) => i % 20 === g).join(', ')}] }`)
  return `vars: { user: ops, key: k }
x_web: &web { user: deploy, port: 22, host_keys: strict }
hosts:
${lines.join('\n')}
groups:
${groups.join('\n')}
`
}

/** Processor seconds to read and bind a site with this many hosts, and to check what its role declares. */
const secondsFor = async (hosts: number): Promise<number> => {
  const root = project({ 'inventory/big.yaml': inventoryOf(hosts), 'playbooks/site.yaml': '- hosts: all\n  roles: [firewall]\n' })
  const before = process.cpuUsage()
  const { site, bindings } = await readSite({ root, env: {} })
  const declaring = { acmeAccount: () => expect.fail('no account'), authority: () => expect.fail('no authority') }
  const surroundings: Surroundings = { bindings, files: () => expect.fail('no files'), identities: declaring, listen: () => {} }
  expect(faultsAhead([...site.hosts.keys()], surroundings)).toEqual([])
  expect([site.hosts.size, site.hosts.get(`node-${hosts - 1}`)?.connection.user]).toEqual([hosts, 'deploy'])
  return process.cpuUsage(before).user / 1e6
}

test('the time to read and check a site grows with its hosts, and not faster', async () => {
  await secondsFor(100)
  const [few, many] = [await secondsFor(500), await secondsFor(5000)]
  expect(many).toBeLessThan(30 * few + 1)
}, 120_000)
