import { stat } from 'node:fs/promises'
import { execute } from './machine/execute.ts'

/**
 * Makes the limits of units real on machines with version 1 of cgroups. There systemd-nspawn hands a host the controllers
 * read-only, so its systemd shows every limit and enforces none, until they are mounted writable and it looks again. With
 * version 2 there is nothing to do.
 */
export const enforceLimits = async (leader: number): Promise<void> => {
  const isVersion1 = await stat('/sys/fs/cgroup/memory').then(
    () => true,
    () => false,
  )
  if (isVersion1) await execute(['nsenter', '--target', String(leader), '--mount', '--pid', 'sh', '-c', REMOUNT])
}

const REMOUNT = `
[ ! -w /sys/fs/cgroup/memory ] || exit 0
systemctl is-system-running --wait >/dev/null
mount -o remount,rw /sys/fs/cgroup
for d in /sys/fs/cgroup/*/; do [ -L "\${d%/}" ] || mount -o remount,bind,rw "\${d%/}"; done
systemctl daemon-reexec`
