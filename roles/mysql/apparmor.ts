import { directory, type Facts, file, type Resource } from 'provision'
import { BACKUP_STATE } from './backup.ts'
import type { Flavour, Options } from './options.ts'
import { pathsOf } from './sandbox.ts'

/** First releases whose package confines the server by an AppArmor profile. On older ones, the file of the profile is empty. */
const FIRST_CONFINED: Readonly<Record<Facts['distribution'], number>> = { debian: 14, ubuntu: 26.04 }

/** Whether the package confines the server. The unreleased Debian has no number. Every package of MySQL has a profile. */
export const isConfined = ({ distribution, release }: Pick<Facts, 'distribution' | 'release'>, flavour: Flavour): boolean =>
  flavour === 'mysql' || !(Number.parseFloat(release) < FIRST_CONFINED[distribution])

/** Names of the profiles in /etc/apparmor.d. */
const PROFILES: Readonly<Record<Flavour, string>> = { mariadb: 'mariadbd', mysql: 'usr.sbin.mysqld' }
const LOCAL = '/etc/apparmor.d/local'

/**
 * Additions to the profile, declared before the package, which loads both. The unit loads them again at each start of the server
 * (`loadProfile`).
 */
export const profileResources = ({ settings, flavour }: Options): readonly Resource[] => [
  directory({ path: '/etc/apparmor.d' }),
  directory({ path: LOCAL }),
  file({
    path: `${LOCAL}/${PROFILES[flavour]}`,
    content: `# Written by provision.\n${flavour === 'mysql' ? '' : SCRIPTS}${pathRules(settings)}`,
  }),
]

/** Command of the unit, run as root. It does nothing on a machine or in a container without AppArmor. */
export const loadProfile = (flavour: Flavour): string =>
  `+-/bin/sh -c "! aa-enabled --quiet 2>/dev/null || exec apparmor_parser -r -W /etc/apparmor.d/${PROFILES[flavour]}"`

/**
 * Rules for the programs that MariaDB starts. They inherit its profile (`ix`), because the unit forbids new privileges, and thus a change
 * of the profile. MySQL starts no program.
 */
const SCRIPTS = `# A member that joins a cluster copies all data by a script, wsrep_sst_mariabackup.
/{usr/,}{bin,sbin}/* mrix,
/usr/lib/cargo/bin/** mrix,
@{PROC}/ r,
@{PROC}/** r,
/dev/tty rw,
network inet6,
network netlink raw,
signal (send, receive) peer=mariadbd,
ptrace (read, readby) peer=mariadbd,

`

const rulesOf = (path: string): string => {
  const bare = path.replace(/\/$/, '')
  return `${bare} rwk,\n${bare}/ r,\n${bare}/** rwkl,\n`
}

/** Rules for paths that the profile of the package does not have. */
const pathRules = (settings: Options['settings']): string => `# The restore test of a backup starts a temporary server.
${rulesOf(BACKUP_STATE)}${pathsOf(settings)
  .filter((path) => path !== '')
  .map((path) => `\n# A path in the settings.\n${rulesOf(path)}`)
  .join('')}`
