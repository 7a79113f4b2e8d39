/** Settings of one section of a unit; one that has several values is written several times. */
export type UnitSettings = Readonly<Record<string, string | readonly string[]>>

/** What a program needs of its host. It gets the rest only by naming a setting. */
interface Needs {
  /**
   * `none`: no network at all. `loopback`: addresses of this host. `kernel`: the kernel's own interface to the network of this host (as
   * nft and ss use it), and no addresses. `all`: any address.
   */
  readonly network?: 'none' | 'loopback' | 'kernel' | 'all'
  /** Capabilities of root that it keeps: `CAP_NET_RAW`. */
  readonly capabilities?: readonly string[]
  /** Whether it has them although its account is not root. */
  readonly ambient?: boolean
  /**
   * Whether it starts before the file systems of the host are set up. It sees them as they are then: what systemd puts together for it
   * alone is in the way of what clears /tmp in that moment, and the program would not start in one of ten boots.
   */
  readonly early?: boolean
  /** System calls beside those of any service (`@system-service` without `@privileged` and `@resources`). */
  readonly calls?: readonly string[]
}

/** Programs that lower their own rights from root need system calls that others do not. */
const CHANGES_ACCOUNT = ['CAP_CHOWN', 'CAP_SETGID', 'CAP_SETUID', 'CAP_SYS_CHROOT']

const NETWORK: Readonly<Record<NonNullable<Needs['network']>, UnitSettings>> = {
  none: { PrivateNetwork: 'yes', RestrictAddressFamilies: 'AF_UNIX', IPAddressDeny: 'any' },
  kernel: { RestrictAddressFamilies: 'AF_UNIX AF_NETLINK', IPAddressDeny: 'any' },
  loopback: { RestrictAddressFamilies: 'AF_UNIX AF_INET AF_INET6', IPAddressAllow: 'localhost', IPAddressDeny: 'any' },
  all: { RestrictAddressFamilies: 'AF_UNIX AF_INET AF_INET6' },
}

/** What no program of ours needs, as systemd from 249 on knows it. */
const CLOSED: UnitSettings = {
  NoNewPrivileges: 'yes',
  DevicePolicy: 'closed',
  ProtectClock: 'yes',
  ProtectHostname: 'yes',
  LockPersonality: 'yes',
  MemoryDenyWriteExecute: 'yes',
  RemoveIPC: 'yes',
  RestrictNamespaces: 'yes',
  RestrictRealtime: 'yes',
  RestrictSUIDSGID: 'yes',
  SystemCallArchitectures: 'native',
  // A program that is refused a call goes on without it, as it does on a kernel that lacks it.
  SystemCallErrorNumber: 'EPERM',
  UMask: '0077',
}

/** The part of the host's files that it does not see, or not as they are. */
const FILES: UnitSettings = {
  ProtectSystem: 'strict',
  ProtectHome: 'yes',
  PrivateTmp: 'yes',
  PrivateDevices: 'yes',
  ProtectControlGroups: 'yes',
  ProtectKernelLogs: 'yes',
  ProtectKernelModules: 'yes',
  ProtectKernelTunables: 'yes',
  ProtectProc: 'invisible',
  ProcSubset: 'pid',
}

/** systemd adds up the lists of a unit and its drop-ins, so each begins anew. */
const LISTS = ['AmbientCapabilities', 'CapabilityBoundingSet', 'RestrictAddressFamilies', 'SystemCallFilter']

/**
 * Settings of `[Service]` that leave a program nothing but what it `needs`, and what `more` sets otherwise: `ReadWritePaths`, or a
 * setting of these that it does not work with. See systemd.exec(5), and `systemd-analyze security UNIT` for what is left.
 */
export const sandbox = (needs: Needs = {}, more: UnitSettings = {}): UnitSettings => {
  const { network = 'none', capabilities = [], ambient = false, early = false, calls = [] } = needs
  const settings: UnitSettings = {
    ...CLOSED,
    ...(early ? {} : FILES),
    ...NETWORK[network],
    CapabilityBoundingSet: capabilities.join(' '),
    AmbientCapabilities: ambient ? capabilities.join(' ') : '',
    // Capabilities would count in a namespace of their own only.
    ...(capabilities.length === 0 && { PrivateUsers: 'yes' }),
    SystemCallFilter: [...callsFor(capabilities), ...calls],
    ...more,
  }
  return Object.fromEntries(
    Object.entries(settings).map(([key, value]) => [key, LISTS.includes(key) && value !== '' ? ['', ...[value].flat()] : value]),
  )
}

const callsFor = (capabilities: readonly string[]): readonly string[] => [
  '@system-service',
  capabilities.some((one) => CHANGES_ACCOUNT.includes(one)) ? '~@resources' : '~@privileged @resources',
  ...(capabilities.includes('CAP_SYS_CHROOT') ? ['chroot'] : []),
]

/** Settings as lines of a unit file. */
export const settingLines = (settings: UnitSettings): string =>
  Object.entries(settings)
    .flatMap(([key, value]) => [value].flat().map((one) => `${key}=${one}\n`))
    .join('')
