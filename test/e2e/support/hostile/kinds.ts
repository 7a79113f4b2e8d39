import type { Resource } from '../../../../src/resource/kind/kind.ts'
import type { Place } from './attacks.ts'
import { ACCOUNT_TARGETS } from './kinds-accounts.ts'
import { DATABASE_TARGETS } from './kinds-database.ts'
import { FETCHED_TARGETS } from './kinds-fetched.ts'
import { FILE_TARGETS } from './kinds-files.ts'
import { LEFTOVER_TARGETS } from './kinds-orphans.ts'
import { RELEASE_TARGETS } from './kinds-releases.ts'
import { SERVICE_TARGETS } from './kinds-services.ts'

/** Something that a role can declare in a directory of an account: a row of the table. */
export interface Target {
  readonly name: string
  /** Names of the kinds that work here. */
  readonly kinds: readonly string[]
  /** The account that attacks, where it is not `mallory`. */
  readonly account?: string
  /** The account's directory, where it is not one of its own for each attack. */
  readonly home?: string
  /** Paths below `at` that the run touches. */
  places(at: string): readonly Place[]
  /** The declared resources; every round of a loop declares new ones. */
  resources(at: string, round: number): readonly Resource[]
  /** Applied honestly before the attack. */
  before?(at: string): readonly Resource[]
  /** Run as root before the attack, below a directory of the account; also within root's own tree that an attack on the parent leads to. */
  readonly lay?: string
  /** Run as root before the attack. */
  found?(at: string): string
  /** Run as the account before every round. */
  again?(at: string): string
  /** Run as root at the end. */
  readonly clear?: string
  /** Guarded paths that the run itself may change. */
  readonly mayChange?: RegExp
  /** It stays pending after every run. */
  readonly staysDue?: true
  /** Only observed: its changes belong to a service that does not run here. */
  readonly planOnly?: true
}

export const TARGETS: readonly Target[] = [
  ...FILE_TARGETS,
  ...FETCHED_TARGETS,
  ...RELEASE_TARGETS,
  ...ACCOUNT_TARGETS,
  ...SERVICE_TARGETS,
  ...LEFTOVER_TARGETS,
  ...DATABASE_TARGETS,
]

const ROOTS = 'none of its paths can belong to an account'

/** Kinds that are not attacked, with the reason. */
export const EXEMPT: Readonly<Record<string, string>> = {
  package: `${ROOTS}: apt's and dpkg's own`,
  upgrade: `${ROOTS}: apt's and dpkg's own`,
  debconf: `${ROOTS}: /var/cache/debconf`,
  'apt-pin': `${ROOTS}: /etc/apt`,
  'apt-repository': `${ROOTS}: /etc/apt`,
  unit: `${ROOTS}: /etc/systemd/system`,
  quadlet: `${ROOTS}: /etc/containers/systemd`,
  group: `${ROOTS}: /etc/group and /etc/gshadow`,
  'user-password': `${ROOTS}: /etc/shadow`,
  'kernel-module': `${ROOTS}: /etc/modules-load.d and /etc/modprobe.d`,
  locale: `${ROOTS}: /etc/locale.gen and /usr/lib/locale`,
  swap: 'a lab host is a container, where swap is refused; a file below a directory of an account is refused by `guardScript`',
  mount: 'a mount point below a directory of an account is refused by `guardScript`',
  alternatives: `${ROOTS}: /etc/alternatives`,
  hostname: `${ROOTS}: /etc`,
  cron: `${ROOTS}: /etc/cron.d`,
  sudoers: `${ROOTS}: /etc/sudoers.d`,
  limits: `${ROOTS}: /etc/security/limits.d`,
  logrotate: `${ROOTS}: /etc/logrotate.d`,
  reboot: `${ROOTS}: /run/provision, and the marks of packages in /run and /boot`,
  wait: 'it changes nothing; it reads only whether a path exists',
  wireguard: `${ROOTS}: /etc/wireguard, and /run/provision-wireguard`,
  sysctl: `${ROOTS}: /etc/sysctl.d and /proc/sys`,
  nftables: `${ROOTS}: /etc/provision/nftables and /var/lib/provision`,
  sshd: `${ROOTS}: /etc/ssh/sshd_config.d and /var/lib/provision`,
  drained: `${ROOTS}: /var/lib/provision`,
  database: 'it uses no path: the database server does all the work',
  'database-account': 'it uses no path: the database server does all the work',
  'postgresql-database': 'it uses no path: psql runs as the account postgres, and the server does all the work',
  'postgresql-role': 'it uses no path: psql runs as the account postgres, and the server does all the work',
  'postgresql-extension': 'it uses no path: psql runs as the account postgres, and the server does all the work',
  'database-dump': 'it uses no path of an account: the dump is streamed to the database server',
}
