import { exists } from './machine/cache.ts'
import { execute } from './machine/execute.ts'

/**
 * Makes the limits of units effective on a host with version 1 of cgroups. There systemd-nspawn mounts the controllers read-only, so the
 * host's systemd shows limits without enforcing them. Mounts them writable and restarts systemd. A host with version 2 needs nothing.
 */
export const enforceLimits = async (leader: number): Promise<void> => {
  if (await exists(`/proc/${leader}/root/sys/fs/cgroup/memory`))
    await execute(['nsenter', '--target', String(leader), '--mount', '--pid', 'sh', '-c', REMOUNT])
}

const REMOUNT = `
[ ! -w /sys/fs/cgroup/memory ] || exit 0
systemctl is-system-running --wait >/dev/null
mount -o remount,rw /sys/fs/cgroup
for d in /sys/fs/cgroup/*/; do [ -L "\${d%/}" ] || mount -o remount,bind,rw "\${d%/}"; done
systemctl daemon-reexec`
