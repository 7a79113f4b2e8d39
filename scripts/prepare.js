// Last step of `npm ci`, in syntax that an old Node can read: links the Node of scripts/node/package.json, builds, and links provision.
// npm 11 creates the link to Node itself; npm 10 deletes it together with the package of the other platform, which has the same bin name.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, rmSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'

const needed = 24
const { platform, arch, execPath, version, versions } = process
const root = dirname(dirname(fileURLToPath(import.meta.url)))
const bin = join(root, 'node_modules/.bin')

const link = (name, target) => {
  mkdirSync(bin, { recursive: true })
  rmSync(join(bin, name), { force: true })
  symlinkSync(target, join(bin, name))
}

const installed = join('..', `node-${platform}-${arch}`, 'bin/node')
const isInstalled = existsSync(join(bin, installed))
if (isInstalled) link('node', installed)

if (isInstalled || Number(versions.node.split('.')[0]) >= needed) {
  const node = isInstalled ? join(bin, installed) : execPath
  process.exitCode = spawnSync(node, ['scripts/build.ts'], { cwd: root, stdio: 'inherit' }).status ?? 1
  link('provision', '../../bin/provision.js')
} else {
  process.stderr.write(
    `provision needs Node.js ${needed} or newer to build; this is ${version} (${execPath}), and npm has installed no other for ${platform} ${arch}.\n` +
      `On linux x64 and linux arm64 run npm ci again (npm skips a failed download); elsewhere install Node.js ${needed} first.\n`,
  )
  process.exitCode = 1
}
