import { sandbox, type UnitSettings } from 'provision'
import type { Options } from './options.ts'

/** Galera sets the class of its threads, also to what it is already. */
const GALERA = { network: 'all', calls: ['sched_setscheduler'] } as const
const NETLINK = { RestrictAddressFamilies: 'AF_UNIX AF_NETLINK AF_INET AF_INET6' }

export const arbitratorSandbox = (): UnitSettings => sandbox(GALERA, NETLINK)

/** The server writes where its package and its settings say. CAP_DAC_OVERRIDE is for what Debian's unit does as root after the start. */
export const serverSandbox = (settings: Options['settings']): UnitSettings => {
  const paths = Object.values(settings).flatMap((value) => /^((?:\/[\w.-]+)*)\/[\w.-]+\/?$/.exec(String(value)) ?? [])
  return sandbox(
    { ...GALERA, capabilities: ['CAP_DAC_OVERRIDE', 'CAP_IPC_LOCK'] },
    {
      ...NETLINK,
      AmbientCapabilities: 'CAP_IPC_LOCK',
      ReadWritePaths: ['/var/lib/mysql', '/run/mysqld', '/var/log/mysql', ...paths].filter((path) => path !== '').map((path) => `-${path}`),
      ProcSubset: 'all',
      UMask: '0007',
    },
  )
}
