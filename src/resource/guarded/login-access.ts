import type { Effect } from '../kind/kind.ts'
import { parentOf } from '../kind/path.ts'
import { directoriesAbove } from '../kind/path-queries.ts'
import { HostRefusal } from '../kind/step.ts'
import { closedByUnit, isSshUnitFile } from './ssh-units.ts'

/** The account with which this run logged in. */
export interface Login {
  readonly account: string
  readonly home: string
  readonly shell: string
  /** The port of the host to which it connected. */
  readonly port: string
  /** The data of its keys: sshd accepted one of them. */
  readonly keys: readonly string[]
}

/** The present state of everything that the login of the run needs. */
export interface LoginAccess {
  /** Undefined if the run did not log in through ssh. */
  readonly login: Login | undefined
  readonly units: ReadonlyMap<string, { readonly isActive: boolean; readonly isEnabled: boolean }>
  /** Whether sshd takes keys from another place than the home, or ignores who can write there. */
  readonly isKeysPlaceSet: boolean
}

/** In each list, one unit must run and start at boot: the first list accepts logins, the second configures the network. */
const UNITS: readonly (readonly string[])[] = [
  ['ssh.service', 'ssh.socket'],
  ['networking.service', 'systemd-networkd.service', 'NetworkManager.service', 'connman.service', 'wicked.service', 'dhcpcd.service'],
]

export const LOGIN_UNITS: readonly string[] = UNITS.flat()

/** Packages without which nobody can log in, or the account of the run cannot become root. */
export const loginPackages = (usesSudo: boolean): readonly string[] => ['openssh-server', ...(usesSudo ? ['sudo'] : [])]

/** Files that decide whether an account may log in through sshd, or become root by sudo, apart from the rules of sudo. */
const LOGIN_FILES = [
  // The others are those of clients.
  /^\/etc\/ssh\/(?!ssh_config|ssh_known_hosts|moduli$)./,
  /^\/etc\/(pam\.d|security|sssd)\/./,
  /^\/etc\/(passwd|shadow|group|gshadow|shells|nologin|login\.defs|nsswitch\.conf|hosts\.(allow|deny)|environment|ld\.so\.preload)$/,
  /^\/etc\/(pam|sudo|krb5)\.conf$/,
  // Read by every command of an account with the shell bash.
  /^\/etc\/(bash\.bashrc|zsh\/zshenv)$/,
]

export const isLoginFile = (path: string): boolean => LOGIN_FILES.some((pattern) => pattern.test(path))

/** Files without which no login succeeds, and those of sudo. */
const NEEDED = ['/etc/passwd', '/etc/shadow', '/etc/group', '/etc/ssh/sshd_config', '/sbin/sshd']
const NEEDED_BY_SUDO = ['/etc/sudoers', '/bin/sudo']

/** `/bin` and `/sbin` are links into `/usr`. */
const unlinked = (path: string): string => path.replace(/^\/usr(?=\/s?bin(\/|$))/, '')

/** Files that refuse every account but root while they exist (pam_nologin(8), sshd(8)). */
const NOLOGIN = ['/etc/nologin', '/run/nologin', '/var/run/nologin']

const unitNamed = (unit: string): string => unit.replace(/^sshd\./, 'ssh.')

/** Whether a unit is the daemon of sshd. */
export const isSshd = (unit: string): boolean => unitNamed(unit) === 'ssh.service'

/** At this path, a link to /dev/null or an empty file masks a unit, which then cannot start. */
const MASK = /^\/(?:etc|run)\/systemd\/system\/([^/]+)$/

/** The state that an effect gives to a unit of `LOGIN_UNITS`; undefined if it affects none. */
const unitOf = (effect: Effect): Extract<Effect, { unit: string }> | undefined => {
  if ('unit' in effect) return LOGIN_UNITS.includes(unitNamed(effect.unit)) ? { ...effect, unit: unitNamed(effect.unit) } : undefined
  const unit = unitNamed(MASK.exec(effect.path)?.[1] ?? '')
  const isMask = effect.becomes !== 'absent' && (effect.becomes.target === '/dev/null' || effect.becomes.text === '')
  return isMask && LOGIN_UNITS.includes(unit) ? { unit, running: false, enabled: false } : undefined
}

/** Whether the refusal of an effect depends on the state of units, or on the settings of sshd. */
export const needsUnits = (effect: Effect): boolean => unitOf(effect) !== undefined || ('path' in effect && isSshUnitFile(effect.path))
export const needsSettings = (effect: Effect): boolean =>
  'path' in effect &&
  (/\/\.ssh(\/authorized_keys)?$/.test(effect.path) ||
    isSshUnitFile(effect.path) ||
    (effect.becomes !== 'absent' && isOthers(effect.becomes)))

const bitsOf = ({ mode }: Replacement): number | undefined => (mode === undefined ? undefined : Number.parseInt(mode, 8))

/** Whether a directory belongs to another account than root, or lets others write. */
const isOthers = (one: Replacement): boolean => (one.type ?? 'd') === 'd' && (one.owner !== 'root' || ((bitsOf(one) ?? 0) & 0o022) !== 0)

/** The account of the run, all effects of the run on the host, and the present state of the host. */
type Present = LoginAccess & { readonly effects: readonly Effect[] }

/** Returns why an effect would shut out the account of the run, if that is certain. `effects` are those of all resources. */
export const shutOutBy = (effect: Effect, present: Present): HostRefusal | undefined => {
  const { login } = present
  if (login === undefined) return undefined
  const unit = unitOf(effect)
  if (unit !== undefined) return stopped(unit, 'path' in effect ? effect.path : undefined, { ...present, login })
  if ('unit' in effect) return undefined
  const why =
    effect.becomes === 'absent'
      ? deleted(effect.path, login, present.isKeysPlaceSet)
      : replaced(effect.path, effect.becomes, login, present)
  if (why === undefined) return undefined
  const what = effect.becomes === 'absent' ? `the deletion of ${effect.path}` : effect.path
  return refusal(what, login, why, 'correct the resource, or set `user` in the inventory to another account first')
}

const refusal = (what: string, { account }: Login, why: string, fix: string): HostRefusal =>
  new HostRefusal(`${what} would shut out ${account}, the account that this run uses`, why, fix)

const stopped = (
  { unit, running, enabled }: Extract<Effect, { unit: string }>,
  mask: string | undefined,
  { login, units, effects }: Present & { readonly login: Login },
): HostRefusal | undefined => {
  const now = units.get(unit)
  const isStopped = !running && now?.isActive === true
  const isDisabled = !enabled && now?.isEnabled === true
  if (!isStopped && !isDisabled) return undefined
  const group = UNITS.find((some) => some.includes(unit)) ?? []
  const isForLogins = group.includes('ssh.service')
  const remains = (other: string): boolean => {
    const declared = effects.map(unitOf).filter((one) => one?.unit === other)
    const state = units.get(other)
    return declared.length === 0
      ? state?.isActive === true && state.isEnabled
      : declared.every((one) => one?.running === true && one.enabled)
  }
  // The roles replace the daemon with another one.
  const isReplaced =
    isForLogins &&
    effects.some((one) => 'unit' in one && unitOf(one) === undefined && one.running && one.enabled && /ssh|dropbear/.test(one.unit))
  if (isReplaced || group.some(remains)) return undefined
  const others = group.filter((other) => other !== unit)
  return refusal(
    mask ?? (isStopped ? `stopping ${unit}` : `disabling ${unit}`),
    login,
    `${mask === undefined ? '' : `it masks ${unit}, and `}${isForLogins ? 'no other unit accepts logins' : 'no other unit configures the network'}${isStopped ? '' : ' after a boot'}`,
    `declare ${others.length === 1 ? others[0] : 'another unit for the network'} running and enabled as well, or ${isStopped ? 'stop' : 'disable'} ${unit} by hand, from a console of the host`,
  )
}

const deleted = (at: string, { account, home, shell, keys }: Login, isKeysPlaceSet: boolean): string | undefined => {
  const path = unlinked(at)
  if (NEEDED.includes(path)) return 'nobody can log in without it'
  if (account !== 'root' && NEEDED_BY_SUDO.includes(path)) return 'the run becomes root by sudo'
  if (path === unlinked(shell)) return 'it is the shell of this account'
  if (path === `${home}/.ssh/authorized_keys` && keys.length > 0 && !isKeysPlaceSet) return 'the run logs in with a key from this file'
  return undefined
}

type Replacement = Exclude<Extract<Effect, { path: string }>['becomes'], 'absent'>

const replaced = (
  path: string,
  replacement: Replacement,
  login: Login,
  { isKeysPlaceSet, units, effects }: Present,
): string | undefined => {
  const { account, home, shell, keys } = login
  const { type, text, owner, target } = replacement
  if (account !== 'root' && type !== 'd' && type !== undefined && NOLOGIN.includes(path))
    return 'only root can log in while this file exists'
  if (target === '/dev/null') {
    const why = deleted(path, login, isKeysPlaceSet)
    if (why !== undefined) return why
  }
  const isDeclared = effects.map(unitOf).some((one) => one?.unit === 'ssh.socket' && one.running)
  const isSocketUsed = isDeclared || units.get('ssh.socket')?.isActive === true
  const closed = text === undefined ? undefined : closedByUnit({ ...login, path, text, isSocketUsed, isKeysPlaceSet })
  if (closed !== undefined) return closed
  if (account !== 'root' && isClosed(path, replacement, login))
    return `${account} could not ${path === unlinked(shell) || type === 'f' ? 'execute' : 'enter'} it`
  if (unlinked(path) === unlinked(shell) && target !== undefined && /(^|\/)(nologin|false)$/.test(target))
    return 'it is the shell of this account'
  if (isKeysPlaceSet) return undefined
  const isKeys = path === `${home}/.ssh/authorized_keys`
  if (isKeys && type === 'f' && text !== undefined && keys.length > 0 && !keys.some((data) => text.includes(data)))
    return 'it does not contain the key with which the run logged in'
  const isStrict = isKeys || path === home || path === parentOf(`${home}/.ssh/authorized_keys`)
  if (isStrict && (((bitsOf(replacement) ?? 0) & 0o022) !== 0 || (owner !== undefined && owner !== account && owner !== 'root')))
    return 'sshd reads no keys where others can write (StrictModes)'
  return undefined
}

/** Whether an account can no longer enter a directory on the way to its home and shell, or execute the shell. */
const isClosed = (path: string, replacement: Replacement, { account, home, shell }: Login): boolean => {
  const ways = [...directoriesAbove(home), home, ...directoriesAbove(shell), '/usr', '/usr/bin', '/usr/lib', '/etc']
  const { type } = replacement
  const isShell = unlinked(path) === unlinked(shell)
  const isOnWay = type === 'l' ? false : type === 'f' ? isShell : ways.includes(path) || (type === undefined && isShell)
  const bits = bitsOf(replacement)
  if (bits === undefined || !isOnWay) return false
  if (replacement.owner === account) return (bits & 0o100) === 0
  return (bits & 0o001) === 0 && ((bits & 0o010) === 0 || replacement.group === 'root')
}
