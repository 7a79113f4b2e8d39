// Runs before `npm run demo` and `npm test`, in syntax that an old Node can read: runs `npm ci` unless node_modules matches package-lock.json.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { constants } from 'node:os'
import { dirname, join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'

const needed = 24
const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** The packages of a lock file; undefined if it is missing or incomplete. */
const packagesOf = (path) => {
  try {
    return JSON.parse(readFileSync(join(root, path), 'utf8')).packages
  } catch {
    return undefined
  }
}

/** Compares contents, because git and `cp` change modification times. npm writes its own list last, so that an interrupted `npm ci` has none. */
const isInstalled = () => {
  const [locked, installed] = [packagesOf('package-lock.json'), packagesOf('node_modules/.package-lock.json')]
  if (locked === undefined || installed === undefined) return false
  const isSame = (path) =>
    installed[path] === undefined
      ? locked[path].optional === true
      : installed[path].version === locked[path].version && installed[path].integrity === locked[path].integrity
  return (
    Object.keys(locked).every((path) => path === '' || isSame(path)) && Object.keys(installed).every((path) => locked[path] !== undefined)
  )
}

const hasNode = () => Number(process.versions.node.split('.')[0]) >= needed || existsSync(join(root, 'node_modules/.bin/node'))

if (!isInstalled() || !hasNode()) {
  process.stdout.write('node_modules is missing or does not match package-lock.json: running npm ci.\n')
  const { status, signal, error } = spawnSync('npm', ['ci'], { cwd: root, stdio: 'inherit' })
  if (error !== undefined) process.stderr.write(`npm ci could not be started: ${error.message}\n`)
  process.exitCode = status ?? (signal === null ? 1 : 128 + constants.signals[signal])
}
