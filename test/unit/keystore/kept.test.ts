import { mkdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { keep, keepNew, keptNames, readKept } from '../../../src/keystore/kept.ts'
import { project } from '../site/project.ts'

test('an identity file is read if it is a regular file of at most 64 KB, and is undefined if there is none', () => {
  const root = project({ 'identities/small': 'x'.repeat(65_536), 'identities/large': 'x'.repeat(65_537) })
  expect(readKept(root, 'identities/small')?.length).toBe(65_536)
  expect(readKept(root, 'identities/none')).toBeUndefined()
  mkdirSync(join(root, 'identities/directory'))
  symlinkSync('small', join(root, 'identities/link'))
  for (const name of ['large', 'directory', 'link'])
    expect(() => readKept(root, `identities/${name}`)).toThrow('identity is not a regular file of at most 64 KB')
  expect(keptNames(root).toSorted()).toEqual(['directory', 'large', 'link', 'small'])
  expect(keptNames(project({}))).toEqual([])
})

test('a new file leaves an existing one unchanged, and a kept one replaces it', () => {
  const root = project({})
  keepNew(root, 'identities/key', 'first', 0o600)
  keepNew(root, 'identities/key', 'second', 0o600)
  expect(String(readKept(root, 'identities/key'))).toBe('first')
  keep(root, 'identities/key', 'third')
  expect(String(readKept(root, 'identities/key'))).toBe('third')
  expect(statSync(join(root, 'identities/key')).mode & 0o777).toBe(0o644)
  keep(root, 'identities/key', 'fourth', 0o600)
  expect(statSync(join(root, 'identities/key')).mode & 0o777).toBe(0o600)
  writeFileSync(join(root, 'plain'), '')
  expect(() => keptNames(join(root, 'plain'))).toThrow('identity directory cannot be read')
  expect(() => readKept(join(root, 'plain'), 'key')).toThrow(
    expect.objectContaining({
      class: 'input',
      where: { file: 'key' },
      what: 'identity cannot be read',
      why: expect.stringContaining('ENOTDIR'),
    }),
  )
})

test('a file that cannot be written is named by its path in the project', () => {
  const root = project({ identities: 'x' })
  for (const write of [() => keep(root, 'identities/key', 'x'), () => keepNew(root, 'identities/key', 'x', 0o600)])
    expect(write).toThrow(expect.objectContaining({ where: { file: 'identities/key' } }))
})
