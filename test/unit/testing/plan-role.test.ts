import { expect, test } from 'vitest'
import { z } from 'zod'
import { command } from '../../../src/resource/control/command.ts'
import { file } from '../../../src/resource/file/file.ts'
import { text } from '../../../src/resource/kind/content.ts'
import { keyOf, type Resource } from '../../../src/resource/kind/kind.ts'
import { secret } from '../../../src/resource/kind/secret.ts'
import { pkg } from '../../../src/resource/package/package.ts'
import { service } from '../../../src/resource/service/service.ts'
import { sshd } from '../../../src/resource/sshd/sshd.ts'
import { sysctl } from '../../../src/resource/system/sysctl.ts'
import { projectFile } from '../../../src/role/project-file.ts'
import { defineRole, type HostContext } from '../../../src/role/role.ts'
import { sh } from '../../../src/shell/sh.ts'
import { bareState } from '../../../src/testing/missing.ts'
import { planRole } from '../../../src/testing.ts'
import { listed } from '../resource/samples.ts'

const roleOf = (resources: (context: HostContext<{ name: string }>) => readonly Resource[]) =>
  defineRole({
    name: 'shop',
    summary: 's',
    options: z.strictObject({ name: z.string().default('shop'), password: secret().optional() }),
    resources,
  })

test('a role is planned on a bare host, in order, with the effects of earlier changes', () => {
  const role = roleOf(({ options }) => {
    const config = file({ path: '/etc/shop.conf', content: `name=${options.name}\n` })
    return [pkg({ name: 'shop' }), config, sysctl({ key: 'vm.swappiness', value: 1 }), service({ unit: 'shop.service', loads: [config] })]
  })
  const { changes, resources, warnings } = planRole(role, { options: { name: 'x' } })
  expect(changes).toEqual([
    { resource: 'package:shop', action: 'create', certainty: 'dependent', reason: 'not installed' },
    { resource: 'file:/etc/shop.conf', action: 'create', certainty: 'exact', reason: 'missing', text: 'name=x\n' },
    { resource: 'sysctl:vm.swappiness', action: 'create', certainty: 'exact', reason: 'not set' },
    { resource: 'service:shop.service', action: 'create', certainty: 'dependent', reason: 'not running, not enabled' },
  ])
  expect(resources.map(keyOf)).toEqual(changes.map(({ resource }) => resource))
  expect(warnings).toEqual([])
})

test('what the host reports replaces the bare state', () => {
  const role = roleOf(() => [pkg({ name: 'shop' }), pkg({ name: 'other' })])
  const states = { 'package:shop': { status: 'installed', version: '1', held: false } }
  expect(planRole(role, { states }).changes.map(({ resource }) => resource)).toEqual(['package:other'])
})

test('a state of a resource that is not declared is an error', () => {
  const role = roleOf(() => [pkg({ name: 'shop' })])
  expect(() => planRole(role, { states: { 'package:shopp': {} } })).toThrow('the role declares no package:shopp; it declares package:shop')
})

test('a state that is not known is an error with its key', () => {
  const role = roleOf(() => [sshd({ name: 'shop', settings: { MaxAuthTries: 3 } })])
  expect(() => planRole(role)).toThrow('state of sshd:/etc/ssh/sshd_config.d/shop.conf is not known: add what the host reports to `states`')
})

test('a text with a secret is not shown', () => {
  const role = defineRole({
    ...{ name: 'shop', summary: 's', options: z.strictObject({ password: secret() }) },
    resources: ({ options }) => [file({ path: '/etc/p', mode: '600', content: text`p=${options.password}\n` })],
  })
  expect(planRole(role, { options: { password: 'correct horse' } }).changes).toEqual([
    { resource: 'file:/etc/p', action: 'create', certainty: 'exact', reason: 'missing' },
  ])
})

test('conditions of a command hold', () => {
  const role = roleOf(() => [
    command({ name: 'one', run: sh`true`, creates: '/srv/one' }),
    command({ name: 'two', run: sh`true`, unless: sh`false` }),
  ])
  expect(planRole(role).changes.map(({ reason }) => reason)).toEqual(['/srv/one is missing', 'not done yet'])
})

test('facts, hosts, groups and warnings are those of the test', () => {
  const role = roleOf(({ facts, host, site, warn }) => {
    warn(`${facts.release} ${facts.cpus} ${(facts as { own?: unknown }).own} ${host.groups} ${site.group('web').map(({ name }) => name)}`)
    return []
  })
  const inventory = { hosts: { a: { address: '192.0.2.1' }, b: { address: '192.0.2.2' } }, groups: { web: { hosts: ['b'] } } }
  expect(planRole(role, { inventory, host: 'b', facts: { release: '12', own: 7 } }).warnings).toEqual(['12 2 7 web b'])
  expect(planRole(role, { inventory }).warnings).toEqual(['13 2 undefined  b'])
  expect(() => planRole(role, { inventory, host: 'c' })).toThrow('host c is not in the inventory of the test')
})

test('options and checks of the role are those of a run', () => {
  const role = { ...roleOf(() => []), check: () => [{ path: ['name'], what: 'is taken', fix: 'choose another' }] }
  expect(() => planRole(role, { options: { nam: 'x' } })).toThrow('unknown option `nam` in role shop')
  expect(() => planRole(role)).toThrow('role shop: is taken')
})

test('files are those of the test, as in a project', () => {
  const names: string[] = []
  const role = roleOf((context) => {
    for (const directory of ['site', './site/', '.', 'site/a'])
      names.push(
        context
          .files(directory)
          .map(({ path }) => path)
          .join(' '),
      )
    return [
      file({ path: '/etc/x', content: projectFile(context, 'site/.hidden', 'x') }),
      file({ path: '/etc/y', content: projectFile(context, 'y', 'x') }),
    ]
  })
  const files = { 'site/b': '', 'site/a/1': '', 'site/.hidden': 'h\n', y: 'y\n' }
  expect(planRole(role, { files }).changes.map((one) => one.text)).toEqual(['h\n', 'y\n'])
  expect(names).toEqual(['a/1 b', 'a/1 b', 'site/a/1 site/b y', '1'])
  expect(() => planRole(role, { files: { y: '' } })).toThrow('file does not exist')
})

test('every bare state is one that its kind plans a change for', () => {
  // Resources of a server need its package.
  const context = { now: new Date(0), packagesPending: true, changes: () => false, members: () => new Map() }
  const planned = listed.flatMap(({ kind, spec }) => {
    const one = spec(7)
    const state = bareState({ kind, id: kind.id(one), spec: one })
    return state === undefined || kind.plan(one, state, context) !== undefined ? [] : [kind.name]
  })
  expect(planned).toEqual([])
})
