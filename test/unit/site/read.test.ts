import { execFileSync } from 'node:child_process'
import { symlinkSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readProject } from '../../../src/site/read.ts'
import { project } from './project.ts'

const messagesOf = async (root: string, inventory: string): Promise<readonly string[]> =>
  (await readProject({ root, inventory, env: {}, playbooks: [] })).problems.map(({ message, fix }) => {
    expect(fix).not.toBe('')
    return message
  })

test('a file that is too large is rejected', async () => {
  const root = project({ 'inventory/hosts.yaml': '' })
  truncateSync(join(root, 'inventory/hosts.yaml'), 1_048_577)
  expect(await messagesOf(root, 'inventory')).toEqual(['inventory/hosts.yaml: file is larger than 1 MB'])
})

test('a named pipe is rejected without reading it', async () => {
  const root = project({})
  execFileSync('mkfifo', [join(root, 'pipe.yaml')])
  expect(await messagesOf(root, 'pipe.yaml')).toEqual(['pipe.yaml: path is not a regular file'])
})

test.each([
  ['a name that is too long', 'x'.repeat(300)],
  ['a link to itself', 'loop.yaml'],
  ['a NUL byte', 'a\0b'],
])('%s is reported once', async (_, inventory) => {
  const root = project({})
  symlinkSync('loop.yaml', join(root, 'loop.yaml'))
  expect(await messagesOf(root, inventory)).toEqual([`${inventory}: file cannot be read`])
})

test('a path below a file does not exist', async () => {
  const root = project({ 'hosts.yaml': 'hosts: {a: }\n' })
  expect(await messagesOf(root, 'hosts.yaml/more')).toEqual(['hosts.yaml/more: inventory does not exist'])
})
