import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'

interface Locked {
  readonly optional?: true
  readonly link?: true
  readonly integrity?: string
  readonly resolved?: string
  readonly hasInstallScript?: true
  readonly os?: unknown
  readonly cpu?: unknown
}

const root = join(import.meta.dirname, '../..')
const read = (name: string): string => readFileSync(join(root, name), 'utf8')
const { dependencies, devDependencies, allowScripts, workspaces } = JSON.parse(read('package.json')) as Record<
  'dependencies' | 'devDependencies',
  Record<string, string>
> & { allowScripts: Record<string, boolean>; workspaces: readonly string[] }
const { optionalDependencies } = JSON.parse(read('scripts/node/package.json')) as { optionalDependencies: Record<string, string> }
const { packages } = JSON.parse(read('package-lock.json')) as { packages: Record<string, Locked> }
const [, words = ''] = read('CONTRIBUTING.md').split('\n## Dependencies\n')
const REGISTRY = 'https://registry.npmjs.org/'
const direct = Object.keys({ ...dependencies, ...devDependencies, ...optionalDependencies })

/** Packages from the registry. */
const foreign = Object.entries(packages).filter(([path, { link }]) => path.startsWith('node_modules/') && link !== true)

test('every dependency has a line with its reason, and every line has a dependency', () => {
  const rows = [...words.matchAll(/^\| ([^|]*[a-z][^|]*) \| \S[^|]* \|$/gm)].flatMap(([, names = '']) => names.split(', '))
  const isIn = (names: readonly string[], name: string): boolean =>
    names.some((one) => one === name || (one.endsWith('/*') && name.startsWith(one.slice(0, -1))))
  expect(direct.filter((name) => !isIn(rows, name))).toEqual([])
  expect(rows.filter((row) => !direct.some((name) => isIn([row], name)))).toEqual([])
})

test('they are counted', () => {
  const installed = foreign.filter(([, { optional }]) => optional !== true)
  expect(words).toContain(`The project has ${direct.length} direct dependencies and installs ${installed.length} packages`)
})

describe('the lock file', () => {
  test('every package has a digest and comes from the registry', () => {
    expect(foreign.length).toBeGreaterThan(100)
    expect(foreign.filter(([, { integrity }]) => !/^sha512-[A-Za-z0-9+/]{86}==$/.test(integrity ?? ''))).toEqual([])
    // Without an address npm asks the configured registry.
    expect(foreign.filter(([, { resolved = REGISTRY }]) => !resolved.startsWith(REGISTRY))).toEqual([])
    expect(Object.keys(packages).filter((path) => path !== '' && !path.startsWith('node_modules/'))).toEqual(workspaces)
  })

  test('no package may run an install script', () => {
    const scripted = foreign.filter(([, { hasInstallScript }]) => hasInstallScript === true)
    const names = scripted.map(([path]) => path.replace(/^.*node_modules\//, ''))
    expect(names.filter((name) => allowScripts[name] !== false)).toEqual([])
    expect(Object.keys(allowScripts).toSorted()).toEqual([...new Set(names)].toSorted())
  })

  test('Node is such a package for both Linux platforms', () => {
    for (const arch of ['x64', 'arm64']) {
      const { os, cpu, hasInstallScript } = packages[`node_modules/node-linux-${arch}`] ?? {}
      expect({ os, cpu, hasInstallScript }).toEqual({ os: 'linux', cpu: arch, hasInstallScript: undefined })
    }
    expect(new Set(Object.values(optionalDependencies)).size).toBe(1)
  })
})
