import { spawnSync } from 'node:child_process'
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'

const sources = ['src', 'roles', 'scripts/build.ts', 'package-lock.json']

/** Builds a checkout if its sources are newer than its build. Exits with 3 if that fails. */
export const freshen = (root) => {
  const built = mtime(join(root, 'dist/main.js'))
  if (sources.every((source) => newest(join(root, source)) <= built)) return
  const { status, stderr } = spawnSync(process.execPath, [join(root, 'scripts/build.ts')], { encoding: 'utf8' })
  if (status === 0) return
  process.stderr.write(`${stderr}provision could not be built from the sources of this checkout: correct them, then run it again.\n`)
  process.exit(3)
}

const mtime = (path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0

// The time of a folder changes when a file is removed from it.
const newest = (path) => {
  const stat = statSync(path, { throwIfNoEntry: false })
  if (!stat?.isDirectory()) return stat?.mtimeMs ?? 0
  return Math.max(stat.mtimeMs, ...readdirSync(path).map((name) => newest(join(path, name))))
}
