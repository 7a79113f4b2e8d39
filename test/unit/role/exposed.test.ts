import { expect, test } from 'vitest'
import { z } from 'zod'
import { Problems } from '../../../src/problem.ts'
import { bindRoles } from '../../../src/role/bind.ts'
import type { Exposes, Role } from '../../../src/role/role.ts'
import { siteOf } from '../site/project.ts'

const INVENTORY = 'hosts: { web-01: { address: 192.0.2.1 }, web-02: { address: 192.0.2.2 } }\n'
const PLAYBOOK = '- hosts: all\n  roles: [nginx, firewall]\n- hosts: web-01\n  roles: [nginx]\n'
const metrics = (job: string): Exposes => ({ type: 'metrics', job, format: 'prometheus', at: 'http://127.0.0.1:1/' })
const roleOf = (name: string, exposes: readonly Exposes[]): [string, Role] => [
  name,
  { name, summary: '', options: z.unknown(), resources: () => [], exposes: () => exposes },
]
const bind = async (one: readonly Exposes[], other: readonly Exposes[]) =>
  bindRoles(await siteOf(INVENTORY, { playbook: PLAYBOOK }), new Map([roleOf('nginx', one), roleOf('firewall', other)]))

test('exposed metrics and probes are listed by host and role, once for a role that several plays bind', async () => {
  const { exposed } = await bind([metrics('web')], [metrics('packets')])
  expect(exposed.map((one) => [one.host, one.role, one.type === 'metrics' && one.job])).toEqual([
    ['web-01', 'nginx', 'web'],
    ['web-02', 'nginx', 'web'],
    ['web-01', 'firewall', 'packets'],
    ['web-02', 'firewall', 'packets'],
  ])
})

test('two roles that expose the same job of one host are an input error with its place', async () => {
  const error = await bind([metrics('web')], [metrics('web')]).catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(Problems)
  expect(String(error)).toContain('roles nginx and firewall both expose web of web-01 to monitoring')
})
