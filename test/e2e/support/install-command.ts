import { spawnSync } from 'node:child_process'

/** Installs a command on this machine if it is missing. `name` is the Debian package, by default the name of the command. */
export const installCommand = (command: string, name: string = command): void => {
  const sh = (script: string) => spawnSync('sh', ['-c', script, 'sh', command, name], { encoding: 'utf8' })
  if (sh('command -v "$1"').status === 0) return
  const { status, stderr } = sh(
    'export DEBIAN_FRONTEND=noninteractive; left=60; until apt-get -q update; do left=$((left - 1)); [ $left -gt 0 ] || exit; sleep 2; done; apt-get -q -y -o DPkg::Lock::Timeout=120 install --no-install-recommends "$2"',
  )
  if (status !== 0) throw new Error(`${command} cannot be installed: ${stderr}`)
}
