import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { forgetCertified, hasInventory, readCertifiedHosts, recordCertified } from '../../../src/keystore/certified-hosts.ts'
import { problemOf } from '../problem-of.ts'
import { project } from '../site/project.ts'

const FILE = 'identities/hosts.json'
const [A, B] = ['inventory/a.yaml', 'inventory/b.yaml'] as const

test('hosts are recorded by inventory with the identities that issued to them, in order and once', () => {
  const root = project({ [A]: '' })
  expect(readCertifiedHosts(root)).toEqual({})
  for (const [inventory, host, identity] of [
    [B, 'web-01', 'authority:edge'],
    [A, 'web-02', 'authority:edge'],
    [A, 'web-01', 'authority:metrics'],
    [A, 'web-01', 'acme-account:x'],
  ] as const)
    recordCertified(root, inventory, host, identity)
  const expected = {
    [A]: { 'web-01': ['acme-account:x', 'authority:metrics'], 'web-02': ['authority:edge'] },
    [B]: { 'web-01': ['authority:edge'] },
  }
  expect(readCertifiedHosts(root)).toEqual(expected)
  const text = readFileSync(join(root, FILE), 'utf8')
  expect(text).toBe(`${JSON.stringify(expected, null, 1)}\n`)
  rmSync(join(root, FILE))
  recordCertified(root, A, 'web-01', 'authority:edge')
  rmSync(join(root, A))
  expect([hasInventory(root, A), hasInventory(root, B)]).toEqual([false, false])
})

test('a host is forgotten in the named inventories only', () => {
  const hosts = { 'web-01': ['authority:edge'], 'web-02': ['authority:edge'] }
  const root = project({ [FILE]: JSON.stringify({ [A]: hosts, [B]: hosts }), [A]: '' })
  forgetCertified(root, [A], ['web-01', 'none'])
  expect(readCertifiedHosts(root)).toEqual({ [A]: { 'web-02': ['authority:edge'] }, [B]: hosts })
  expect(hasInventory(root, A)).toBe(true)
})

test('nothing is written if the record has the identity already', () => {
  const text = '{ "inventory/a.yaml": { "web-01": ["authority:edge"] } }'
  const root = project({ [FILE]: text })
  recordCertified(root, A, 'web-01', 'authority:edge')
  expect(readFileSync(join(root, FILE), 'utf8')).toBe(text)
})

test.each(['no JSON', '[]', '{ "a": [] }', '{ "a": { "web-01": "authority:edge" } }'])('a record that is %s is a problem', async (text) => {
  const root = project({ [FILE]: text })
  expect(await problemOf(() => readCertifiedHosts(root))).toMatchObject({
    ...{ class: 'input', where: { file: FILE }, what: 'identity is not a list of hosts' },
    fix: 'restore it from version control or a backup',
  })
})
