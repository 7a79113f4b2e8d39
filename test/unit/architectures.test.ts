import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'

const root = join(import.meta.dirname, '../..')

it('no source names a path or package of one architecture', () => {
  const found = globSync(['src/**/*.ts', 'roles/**/*'], { cwd: root, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .flatMap((path) =>
      readFileSync(path, 'utf8')
        .split('\n')
        .filter((line) => /\b(x86_64|aarch64|arm)-linux-gnu|[_:.-](amd64|arm64)\b(?!')/.test(line))
        .map((line) => `${path.slice(root.length + 1)}: ${line.trim()}`),
    )
  // An example in a comment, of a path that dpkg writes.
  expect(found.filter((line) => !/^src\/resource\/ownership\/observe\.ts: \/\*\* .*libc6:amd64\.list/.test(line))).toEqual([])
})
