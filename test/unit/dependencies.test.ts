import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const root = join(import.meta.dirname, '../..')
const read = (name: string): string => readFileSync(join(root, name), 'utf8')
const { dependencies, devDependencies } = JSON.parse(read('package.json')) as Record<string, Record<string, string>>
const { packages } = JSON.parse(read('package-lock.json')) as { packages: Record<string, { optional?: true }> }
const words = read('CONTRIBUTING.md')

test('every dependency has a line that says why, and every line has a dependency', () => {
  const rows = [...words.matchAll(/^\| ([^|]*[a-z][^|]*) \| \S[^|]* \|$/gm)].flatMap(([, names = '']) => names.split(', '))
  const direct = Object.keys({ ...dependencies, ...devDependencies })
  const isIn = (names: readonly string[], name: string): boolean =>
    names.some((one) => one === name || (one.endsWith('/*') && name.startsWith(one.slice(0, -1))))
  expect(direct.filter((name) => !isIn(rows, name))).toEqual([])
  expect(rows.filter((row) => !direct.some((name) => isIn([row], name)))).toEqual([])
})

test('they are counted', () => {
  const installed = Object.entries(packages).filter(([path, { optional }]) => path !== '' && optional !== true)
  const direct = Object.keys({ ...dependencies, ...devDependencies })
  expect(words).toContain(`${direct.length} are chosen by us; ${installed.length} packages`)
})
