import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { removeOld } from '../../../../src/lab/machine/cache.ts'

test('directories of killed commands are removed after an hour, and no others', async () => {
  const here = mkdtempSync(join(tmpdir(), 'provision-cache-'))
  onTestFinished(() => rmSync(here, { recursive: true }))
  const old = new Date(Date.now() - 2 * 3_600_000)
  for (const name of ['.key-old', '.key-new', 'other']) mkdirSync(join(here, name))
  for (const name of ['.key-old', 'other']) utimesSync(join(here, name), old, old)
  await removeOld(join(here, '.key-'))
  expect(readdirSync(here).toSorted()).toEqual(['.key-new', 'other'])
})
