/** Settings of one section of a unit. A setting with several values is written once for each. */
export type UnitSettings = Readonly<Record<string, string | readonly string[]>>

/** Needs of a program. Other access requires explicit settings. */
interface Needs {
  /**
   * `none`: no network at all. `loopback`: addresses of this host. `kernel`: netlink, as nft and ss use it, and no addresses. `all`: any
   * address.
   */
  readonly network?: 'none' | 'loopback' | 'kernel' | 'all' | undefined
  /** Capabilities of root that it keeps, such as `CAP_NET_RAW`. */
  readonly capabilities?: readonly string[] | undefined
  /** True if its account is not root and must have these capabilities. */
  readonly ambient?: boolean | undefined
  /**
   * True if it starts before the file systems of the host are set up, or must start in any case. It then gets no mount namespace and no
   * device filter. systemd 252 prepares a private /dev below /tmp, which another unit clears at that time: the program failed to start in
   * 5 of 36 boots. With the filter, systemd was once refused /dev/null itself (208/STDIN).
   */
  readonly early?: boolean
  /** System calls in addition to those of any service (`@system-service` without `@privileged` and `@resources`). */
  readonly calls?: readonly string[] | undefined
}

/** Programs that change their account or root directory themselves need more system calls. */
const CHANGES_ACCOUNT = ['CAP_CHOWN', 'CAP_SETGID', 'CAP_SETUID', 'CAP_SYS_CHROOT']

const NETWORK: Readonly<Record<NonNullable<Needs['network']>, UnitSettings>> = {
  none: { PrivateNetwork: 'yes', RestrictAddressFamilies: 'AF_UNIX', IPAddressDeny: 'any' },
  kernel: { RestrictAddressFamilies: 'AF_UNIX AF_NETLINK', IPAddressDeny: 'any' },
  loopback: { RestrictAddressFamilies: 'AF_UNIX AF_INET AF_INET6', IPAddressAllow: 'localhost', IPAddressDeny: 'any' },
  all: { RestrictAddressFamilies: 'AF_UNIX AF_INET AF_INET6' },
}

/** Restrictions that suit every shipped program. Requires systemd 249 or later. */
const CLOSED: UnitSettings = {
  NoNewPrivileges: 'yes',
  ProtectClock: 'yes',
  ProtectHostname: 'yes',
  LockPersonality: 'yes',
  MemoryDenyWriteExecute: 'yes',
  RemoveIPC: 'yes',
  RestrictNamespaces: 'yes',
  RestrictRealtime: 'yes',
  RestrictSUIDSGID: 'yes',
  SystemCallArchitectures: 'native',
  // Programs handle a denied call like one that the kernel lacks.
  SystemCallErrorNumber: 'EPERM',
  UMask: '0077',
}

/** Settings that restrict the view of the file system, by a mount namespace and a device filter. */
const FILES: UnitSettings = {
  ProtectSystem: 'strict',
  ProtectHome: 'yes',
  PrivateTmp: 'yes',
  PrivateDevices: 'yes',
  DevicePolicy: 'closed',
  ProtectControlGroups: 'yes',
  ProtectKernelLogs: 'yes',
  ProtectKernelModules: 'yes',
  ProtectKernelTunables: 'yes',
  ProtectProc: 'invisible',
  ProcSubset: 'pid',
}

/** systemd adds the lists of a unit and its drop-ins up, so each list is reset first. */
const LISTS = ['AmbientCapabilities', 'CapabilityBoundingSet', 'RestrictAddressFamilies', 'SystemCallFilter']

/**
 * Returns settings of `[Service]` that close everything except the `needs`. `more` adds settings (`ReadWritePaths`) or replaces those
 * that the program cannot work with. systemd.exec(5) explains them; `systemd-analyze security UNIT` prints what remains open.
 */
export const sandbox = (needs: Needs = {}, more: UnitSettings = {}): UnitSettings => {
  const { network = 'none', capabilities = [], ambient = false, early = false, calls = [] } = needs
  const settings: UnitSettings = {
    ...CLOSED,
    ...(early ? {} : FILES),
    ...NETWORK[network],
    CapabilityBoundingSet: capabilities.join(' '),
    AmbientCapabilities: ambient ? capabilities.join(' ') : '',
    // In a user namespace capabilities have no effect on the host.
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

/** Returns settings as lines of a unit file. */
export const settingLines = (settings: UnitSettings): string =>
  Object.entries(settings)
    .flatMap(([key, value]) => [value].flat().map((one) => `${key}=${one}\n`))
    .join('')
