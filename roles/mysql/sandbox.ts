import { databaseDirectories, sandbox, type UnitSettings } from 'provision'
import type { Options } from './options.ts'

/** Galera sets the scheduling class of its threads, even to the class that they have. */
const GALERA = { network: 'all', calls: ['sched_setscheduler'] } as const
const NETLINK = { RestrictAddressFamilies: 'AF_UNIX AF_NETLINK AF_INET AF_INET6' }

export const arbitratorSandbox = (): UnitSettings => sandbox(GALERA, NETLINK)

/** The server may write to the paths of its package and its settings. Debian's start script, which runs as root, needs CAP_DAC_OVERRIDE. */
export const serverSandbox = (settings: Options['settings']): UnitSettings => {
  return sandbox(
    // The server restores owner and group of the files of a table that it repairs or alters.
    { ...GALERA, calls: [...GALERA.calls, '@chown'], capabilities: ['CAP_DAC_OVERRIDE', 'CAP_IPC_LOCK'] },
    {
      ...NETLINK,
      AmbientCapabilities: 'CAP_IPC_LOCK',
      ReadWritePaths: [...databaseDirectories, '/run/mysqld', '/var/log/mysql', ...pathsOf(settings)]
        .filter((path) => path !== '')
        .map((path) => `-${path}`),
      ProcSubset: 'all',
      UMask: '0007',
    },
  )
}

/** Paths in the settings, and their parent directories. */
export const pathsOf = (settings: Options['settings']): readonly string[] =>
  Object.values(settings).flatMap((value) => /^((?:\/[\w.-]+)*)\/[\w.-]+\/?$/.exec(String(value)) ?? [])
