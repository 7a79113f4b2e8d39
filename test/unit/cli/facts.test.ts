import { expect, test } from 'vitest'
import { factsPage } from '../../../src/cli/ad-hoc/facts.ts'
import { FACTS } from '../../../src/role/facts.ts'
import type { Facts } from '../../../src/role/role.ts'
import { pages, read } from '../docs/pages.ts'
import { testContext } from './context.ts'

test('facts are a line each, lists and maps as YAML writes them, without control characters', () => {
  const facts = { hostname: 'a\u001bb', cpus: 2, sshPorts: [22, 23], networks: [{ interface: 'eth0', network: '10.0.0.0/24' }] }
  expect(factsPage('web-01', facts as unknown as Facts, testContext())).toBe(
    'web-01\n  hostname  a␛b\n  cpus      2\n  sshPorts  [22, 23]\n  networks  [{ interface: eth0, network: 10.0.0.0/24 }]\n',
  )
})

test('the documentation lists every fact', () => {
  const page = read(pages.find((path) => path === 'docs/resources.md') ?? '')
  const rows = page
    .slice(page.indexOf('## Facts'))
    .split('\n')
    .filter((line) => line.startsWith('| `'))
  const listed = rows.flatMap((row) => [...(row.split('|')[1] ?? '').matchAll(/`(\w+)`/g)].map(([, name]) => name))
  expect(listed.toSorted()).toEqual(Object.keys(FACTS).toSorted())
})
