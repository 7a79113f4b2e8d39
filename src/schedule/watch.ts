import type { Bindings } from '../role/bind.ts'
import type { Site } from '../site/site.ts'
import { ALL, patternFor } from './renewal.ts'
import type { Purpose } from './units.ts'

/** Login account of the watch on all hosts. */
export const WATCH_ACCOUNT = 'provision-watch'

/** First part of the name of its units. */
export const WATCH_PREFIX = 'provision-watch'

/** Hours between two comparisons: they divide a day. */
export const INTERVALS = ['1', '2', '3', '4', '6', '8', '12', '24']

export const DEFAULT_INTERVAL = 6

/** Seconds until the next comparison is overdue: two of them may be missed, for example because a run was under way. */
export const dueAfter = (hours: number): number => (3 * hours + 1) * 3600

/** Arguments of the watch. */
export const watchArguments = (playbooks: readonly string[], inventory: string | undefined, hours: number): readonly string[] => [
  ...['schedule', 'watch', ...playbooks],
  ...(inventory === undefined ? [] : ['--inventory', inventory]),
  ...['--every', String(hours)],
]

/**
 * Returns the timer and the rights of the watch. `isAlone`: none of its hosts is this machine, where it would need all rights.
 * `isForAll`: the service belongs to the system manager. Settings that need namespaces do not work in the manager of a user.
 */
export const watchPurpose = (hours: number, { isForAll, isAlone }: { readonly isForAll: boolean; readonly isAlone: boolean }): Purpose => ({
  summary: 'Compares the hosts with the playbook of',
  times: [
    `OnCalendar=*-*-* ${Array.from({ length: 24 / hours }, (_, i) => String(i * hours).padStart(2, '0')).join()}:00:00`,
    `RandomizedDelaySec=${Math.min(60, hours * 15)}min`,
    'Persistent=true',
  ],
  limits: isAlone ? [...SANDBOX, ...(isForAll ? SYSTEM_SANDBOX : [])] : [],
})

const SANDBOX = [
  'NoNewPrivileges=yes',
  'LockPersonality=yes',
  'RestrictRealtime=yes',
  'RestrictSUIDSGID=yes',
  'RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK',
  'SystemCallArchitectures=native',
]

/** The project and its keys are only read. Files of another account that owns the project are readable with this one capability. */
const SYSTEM_SANDBOX = [
  'CapabilityBoundingSet=CAP_DAC_READ_SEARCH',
  'ProtectSystem=strict',
  'ProtectHome=read-only',
  'PrivateTmp=yes',
  'PrivateDevices=yes',
  'ProtectClock=yes',
  'ProtectControlGroups=yes',
  'ProtectHostname=yes',
  'ProtectKernelLogs=yes',
  'ProtectKernelModules=yes',
  'ProtectKernelTunables=yes',
  'RestrictNamespaces=yes',
  'SystemCallFilter=@system-service',
  'SystemCallErrorNumber=EPERM',
]

const MONITORING = 'monitoring'

/** The monitoring servers of a site: hosts with the role monitoring, in the group of its option `servers`. */
export const monitoringServers = ({ bound }: Bindings, { groups }: Pick<Site, 'groups'>): readonly string[] => [
  ...new Set(
    bound
      .filter(({ host, role, context }) => {
        const { servers } = context.options as { readonly servers?: unknown }
        return role.name === MONITORING && typeof servers === 'string' && groups.get(servers)?.includes(host) === true
      })
      .map(({ host }) => host),
  ),
]

/** Returns the pattern of these hosts: `all`, a group, or their names. */
export const patternOf = (hosts: readonly string[], { hosts: every, groups }: Pick<Site, 'hosts' | 'groups'>): string =>
  hosts.length === every.size ? ALL : patternFor(hosts, groups)
