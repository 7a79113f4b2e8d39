import { spawnSync } from 'node:child_process'

/** Sees to it that a command is on this machine; the Debian package has its name where no other is given. */
export const need = (command: string, name: string = command): void => {
  const sh = (script: string) => spawnSync('sh', ['-c', script, 'sh', command, name], { encoding: 'utf8' })
  if (sh('command -v "$1"').status === 0) return
  const { status, stderr } = sh(
    'export DEBIAN_FRONTEND=noninteractive; apt-get -q update && apt-get -q -y -o DPkg::Lock::Timeout=120 install --no-install-recommends "$2"',
  )
  if (status !== 0) throw new Error(`${command} cannot be installed: ${stderr}`)
}
