#!/bin/sh
':' //; d=$(readlink -f "$0"); r="${d%/bin/provision.js}"; for n in "$r/node_modules/.bin/node" "${r%/node_modules/provision}/node_modules/.bin/node" node; do [ -x "$n" ] && break; done; exec "$n" --min-semi-space-size=16 --max-semi-space-size=16 "$d" "$@"

// The second line is for the shell. It replaces itself with the Node that npm installed in the checkout or beside the package, if there
// is one, so that signals reach this program. With 16 MB for new objects, the start of a run needs fewer garbage collections. The rest is
// JavaScript that an old Node can parse as well.
import { chmodSync, existsSync, lstatSync, mkdirSync, realpathSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const needed = 24

if (Number(process.versions.node.split('.')[0]) < needed) {
  const { platform, arch, version, execPath } = process
  const instruction =
    platform === 'linux' ? `To install one beside it: npm install node-${platform}-${arch}@${needed}` : 'Install it from https://nodejs.org'
  process.stderr.write(`provision needs Node.js ${needed} or newer; this is ${version} (${execPath}). ${instruction}\n`)
  process.exitCode = 3
} else {
  start()
}

// Node's default cache below /tmp, and a HOME that sudo kept, may belong to another account, which could plant code there, or lead the
// user to a directory of root by a link. In a sticky directory, only the owner of an entry can replace it.
function isSafe(path) {
  const { uid, mode } = lstatSync(path)
  const isOurs = !process.getuid || uid === process.getuid() || uid === 0
  const isOpen = (mode & 0o170000) === 0o040000 && (mode & 0o002) !== 0 && (mode & 0o1000) === 0
  return isOurs && !isOpen && (dirname(path) === path || isSafe(dirname(path)))
}

function privateDirectory(directory) {
  try {
    let existing = directory
    while (!existsSync(existing) && dirname(existing) !== existing) existing = dirname(existing)
    if (!isSafe(existing)) return undefined
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    const real = realpathSync(directory)
    const { uid, mode } = statSync(real)
    if (!isSafe(real) || (process.getuid && uid !== process.getuid())) return undefined
    if ((mode & 0o022) !== 0) chmodSync(real, 0o700)
    return real
  } catch {
    return undefined
  }
}

async function start() {
  const module = await import('node:module')
  const home = process.env.XDG_CACHE_HOME || (process.env.HOME && join(process.env.HOME, '.cache'))
  const cache = process.env.NODE_COMPILE_CACHE || (home && privateDirectory(resolve(home, 'provision')))
  if (cache) module.enableCompileCache(cache)
  // In a checkout, builds sources that are newer than dist/.
  if (existsSync(join(root, 'src'))) (await import('../scripts/freshen.js')).freshen(root)
  await import('../dist/main.js')
}
