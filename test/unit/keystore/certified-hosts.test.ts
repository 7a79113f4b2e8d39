import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
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

test.each([
  ['a command', 'x; rm -rf ~', 'authority:edge'],
  ['a control character', 'web-01', 'authority:\u001b[31mred'],
  ['capitals', 'Web_01', 'authority:edge'],
])('a record with %s in a name is a problem', async (_, host, identity) => {
  const root = project({ [FILE]: `{"${A}":{"${host}":[${JSON.stringify(identity)}]}}` })
  expect(await problemOf(() => readCertifiedHosts(root))).toMatchObject({ what: 'identity is not a list of hosts' })
})

test('an inventory has the same name in the record for each path to it', () => {
  const root = project({ [A]: '', [FILE]: `{"./${A}":{"web-01":["authority:edge"]},"${A}":{"web-01":["authority:metrics"]}}` })
  recordCertified(root, join(root, A), 'web-02', 'authority:edge')
  recordCertified(root, `./inventory/../${A}`, 'web-01', 'authority:edge')
  expect(readCertifiedHosts(root)).toEqual({ [A]: { 'web-01': ['authority:edge', 'authority:metrics'], 'web-02': ['authority:edge'] } })
  forgetCertified(root, [`./${A}`], ['web-01'])
  expect(readCertifiedHosts(root)).toEqual({ [A]: { 'web-02': ['authority:edge'] } })
})

test('a host with the name of a member of every object is a host like others', () => {
  const root = project({ [FILE]: `{"${A}":{"web-01":["authority:edge"]}}` })
  recordCertified(root, A, 'constructor', 'authority:edge')
  recordCertified(root, 'constructor', 'web-01', 'authority:edge')
  expect(readCertifiedHosts(root)).toEqual({
    [A]: { constructor: ['authority:edge'], 'web-01': ['authority:edge'] },
    constructor: { 'web-01': ['authority:edge'] },
  })
})

test('runs at the same time lose no entry of each other, and leave no lock behind', async () => {
  const root = project({ [A]: '' })
  const source = new URL('../../../src/keystore/certified-hosts.ts', import.meta.url).href
  const record = `import { workerData } from 'node:worker_threads'
    import { recordCertified } from '${source}'
    for (const n of Array(8).keys()) recordCertified(workerData.root, '${A}', 'web-' + workerData.i + n, 'authority:edge')`
  const runs = [1, 2, 3].map((i) => new Worker(new URL(`data:text/javascript,${encodeURIComponent(record)}`), { workerData: { root, i } }))
  await Promise.all(runs.map((run) => new Promise((done, failed) => run.on('exit', done).on('error', failed))))
  expect(Object.keys(readCertifiedHosts(root)[A] ?? {})).toHaveLength(24)
  expect(readdirSync(join(root, 'identities'))).toEqual(['hosts.json'])
})
