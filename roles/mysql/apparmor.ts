import { directory, type Facts, file, type Resource } from 'provision'
import { BACKUP_STATE } from './backup.ts'
import type { Options } from './options.ts'
import { pathsOf } from './sandbox.ts'

/** First releases whose package confines the server by an AppArmor profile. On older ones, the file of the profile is empty. */
const FIRST_CONFINED: Readonly<Record<Facts['distribution'], number>> = { debian: 14, ubuntu: 26.04 }

/** Whether the package confines the server. The unreleased Debian has no number. */
export const isConfined = ({ distribution, release }: Pick<Facts, 'distribution' | 'release'>): boolean =>
  !(Number.parseFloat(release) < FIRST_CONFINED[distribution])

const PROFILE = '/etc/apparmor.d/mariadbd'
const LOCAL = '/etc/apparmor.d/local'

/**
 * Additions to the profile, declared before the package, which loads both. The unit loads them again at each start of the server
 * (`LOAD_PROFILE`).
 */
export const profileResources = (settings: Options['settings']): readonly Resource[] => [
  directory({ path: '/etc/apparmor.d' }),
  directory({ path: LOCAL }),
  file({ path: `${LOCAL}/mariadbd`, content: additions(settings) }),
]

/** Command of the unit, run as root. It does nothing on a machine or in a container without AppArmor. */
export const LOAD_PROFILE = `+-/bin/sh -c "! aa-enabled --quiet 2>/dev/null || exec apparmor_parser -r -W ${PROFILE}"`

/**
 * Rules that the role needs in addition to the profile of the package. Programs that the server starts inherit its profile (`ix`), because
 * the unit forbids new privileges, and thus a change of the profile.
 */
const additions = (settings: Options['settings']): string => `# Written by provision.
# A member that joins a cluster copies all data by a script, wsrep_sst_mariabackup.
/{usr/,}{bin,sbin}/* mrix,
/usr/lib/cargo/bin/** mrix,
@{PROC}/ r,
@{PROC}/** r,
/dev/tty rw,
network inet6,
network netlink raw,
signal (send, receive) peer=mariadbd,
ptrace (read, readby) peer=mariadbd,

# The restore test of a backup starts a temporary server.
${rulesOf(BACKUP_STATE)}${pathsOf(settings)
  .filter((path) => path !== '')
  .map((path) => `\n# A path in the settings.\n${rulesOf(path)}`)
  .join('')}`

const rulesOf = (path: string): string => {
  const bare = path.replace(/\/$/, '')
  return `${bare} rwk,\n${bare}/ r,\n${bare}/** rwkl,\n`
}
