import { expect, test } from 'vitest'
import { lineOf } from '../../../src/problem.ts'
import { buildSite } from '../../../src/site/build.ts'
import { readProject } from '../../../src/site/read.ts'
import { project } from './project.ts'

const HOSTS = 'hosts: { web-01: { address: 192.0.2.1 } }\n'
const env = { HOME: '/home/ops', USER: 'ops' }

const warnings = async (files: Readonly<Record<string, string>>, inventory = 'inventory'): Promise<readonly string[]> => {
  const raw = await readProject({ root: project(files), env, inventory, playbooks: [] })
  return buildSite(raw, { knownRoles: [] }).warnings.map(lineOf)
}

const groups =
  'variables are not read here: move its variables to `vars` of the groups in the inventory, and those of all hosts to `vars` at its top; see docs/variables.md in the package provision'
const hosts =
  'variables are not read here: move its variables to `vars` of the hosts in the inventory; see docs/variables.md in the package provision'
const ini =
  'hosts are not read here: write its hosts and groups in a YAML file of the same directory; see docs/variables.md in the package provision'

test('variables of Ansible beside the inventory are a warning', async () => {
  const files = {
    'inventory/production.yaml': HOSTS,
    'inventory/group_vars/web.yml': 'port: 1\n',
    'inventory/host_vars/web-01/main.yml': '',
  }
  const expected = [`inventory/group_vars: ${groups}`, `inventory/host_vars: ${hosts}`]
  expect((await warnings(files)).toSorted()).toEqual(expected)
  expect((await warnings(files, 'inventory/production.yaml')).toSorted()).toEqual(expected)
})

test('variables of Ansible at the top of the project and beside a playbook are a warning', async () => {
  const root = project({
    'inventory/hosts.yaml': HOSTS,
    'group_vars/all.yml': '',
    'playbooks/host_vars/web-01.yml': '',
    'playbooks/site.yaml': '- { hosts: web-01, roles: [nginx] }\n',
  })
  const site = buildSite(await readProject({ root, env }), { knownRoles: ['nginx'] })
  expect(site.warnings.map(lineOf)).toEqual([`playbooks/host_vars: ${hosts}`, `group_vars: ${groups}`])
})

test('an inventory of Ansible beside the inventory is a warning', async () => {
  const files = { 'inventory/a.yaml': HOSTS, 'inventory/hosts': '[web]\n', 'inventory/old.ini': '[web]\n', 'inventory/README.md': '' }
  expect((await warnings(files)).toSorted()).toEqual([`inventory/hosts: ${ini}`, `inventory/old.ini: ${ini}`])
})

test('other files are not', async () => {
  expect(await warnings({ 'inventory/hosts.yaml': HOSTS, 'inventory/files/group_vars': '', 'roles/web/host_vars': '', hosts: '' })).toEqual(
    [],
  )
})
