import { execFileSync } from 'node:child_process'
import { symlinkSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readProject } from '../../../src/site/read.ts'
import { project } from './project.ts'

const told = async (root: string, inventory: string): Promise<readonly string[]> =>
  (await readProject({ root, inventory, env: {}, playbooks: [] })).problems.map(({ message, fix }) => {
    expect(fix).not.toBe('')
    return message
  })

test('a file that is too large is not read', async () => {
  const root = project({ 'inventory/hosts.yaml': '' })
  truncateSync(join(root, 'inventory/hosts.yaml'), 1_048_577)
  expect(await told(root, 'inventory')).toEqual(['inventory/hosts.yaml: this file is larger than 1 MB'])
})

test('a named pipe is not waited for', async () => {
  const root = project({})
  execFileSync('mkfifo', [join(root, 'pipe.yaml')])
  expect(await told(root, 'pipe.yaml')).toEqual(['pipe.yaml: this is not a plain file'])
})

test.each([
  ['a name that is too long', 'x'.repeat(300)],
  ['a link to itself', 'loop.yaml'],
  ['a NUL byte', 'a\0b'],
])('%s is told as a problem, once', async (_, inventory) => {
  const root = project({})
  symlinkSync('loop.yaml', join(root, 'loop.yaml'))
  expect(await told(root, inventory)).toEqual([`${inventory}: this cannot be read`])
})

test('a file is no directory', async () => {
  const root = project({ 'hosts.yaml': 'hosts: {a: }\n' })
  expect(await told(root, 'hosts.yaml/more')).toEqual(['hosts.yaml/more: there is no inventory here'])
})
