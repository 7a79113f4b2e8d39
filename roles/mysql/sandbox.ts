import { databaseDirectories, sandbox, type UnitSettings } from 'provision'
import type { Flavour, Options } from './options.ts'

/** Galera sets the scheduling class of its threads, even to the class that they have. */
const GALERA = { network: 'all', calls: ['sched_setscheduler'] } as const
const NETLINK = { RestrictAddressFamilies: 'AF_UNIX AF_NETLINK AF_INET AF_INET6' }

export const arbitratorSandbox = (): UnitSettings => sandbox(GALERA, NETLINK)

/** MySQL places the memory of its buffer pool on all nodes of the machine. */
const NUMA = ['mbind', 'set_mempolicy']

/** Paths of a package to which its server writes, beside those that both flavours have. */
const WRITES: Readonly<Record<Flavour, readonly string[]>> = {
  mariadb: databaseDirectories,
  mysql: ['/var/lib/mysql', '/var/lib/mysql-files', '/var/lib/mysql-keyring'],
}

/**
 * The server may write to the paths of its package and its settings. The start script of MariaDB, which runs as root, needs
 * CAP_DAC_OVERRIDE.
 */
export const serverSandbox = ({ settings, flavour }: Options): UnitSettings => {
  return sandbox(
    // The server restores owner and group of the files of a table that it repairs or alters.
    {
      ...GALERA,
      calls: [...GALERA.calls, '@chown', ...(flavour === 'mysql' ? NUMA : [])],
      capabilities: flavour === 'mariadb' ? ['CAP_DAC_OVERRIDE', 'CAP_IPC_LOCK'] : ['CAP_IPC_LOCK'],
    },
    {
      ...NETLINK,
      AmbientCapabilities: 'CAP_IPC_LOCK',
      ReadWritePaths: [...WRITES[flavour], '/run/mysqld', '/var/log/mysql', ...pathsOf(settings)]
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
