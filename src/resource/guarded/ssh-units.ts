/** A new unit file or drop-in, and the login that it must still permit. */
interface Change {
  readonly path: string
  readonly text: string
  readonly account: string
  readonly home: string
  /** The port at which the run logged in. */
  readonly port: string
  readonly isSocketUsed: boolean
  readonly isKeysPlaceSet: boolean
}

const SERVICE = /^\/(?:etc|run)\/systemd\/system\/sshd?@?\.service(?:\.d\/[^/]+\.conf)?$/
const SOCKET = /^\/(?:etc|run)\/systemd\/system\/sshd?\.socket(?:\.d\/[^/]+\.conf)?$/

export const isSshUnitFile = (path: string): boolean => SERVICE.test(path) || SOCKET.test(path)

/** Returns why a file of `ssh.service` or `ssh.socket` would certainly shut out the account. */
export const closedByUnit = (change: Change): string | undefined => {
  const { path } = change
  if (SOCKET.test(path)) return closedBySocket(change)
  return SERVICE.test(path) ? closedByService(change) : undefined
}

const isDropIn = (path: string): boolean => path.endsWith('.conf')

/** Values of a setting. An empty one resets those before it, also those of other files. */
const valuesOf = (text: string, key: string): { readonly values: readonly string[]; readonly isReset: boolean } => {
  const all = text.split('\n').flatMap((line) => new RegExp(`^\\s*${key}\\s*=\\s*(.*?)\\s*$`).exec(line)?.[1] ?? [])
  const reset = all.lastIndexOf('')
  return { values: all.slice(reset + 1), isReset: reset >= 0 }
}

const closedBySocket = ({ path, text, port, isSocketUsed }: Change): string | undefined => {
  const { values, isReset } = valuesOf(text, 'ListenStream')
  const isComplete = isReset || !isDropIn(path)
  if (!isSocketUsed || !isComplete || values.some((value) => value === port || value.endsWith(`:${port}`))) return undefined
  return `ssh.socket would not listen at port ${port}, where the run logs in`
}

const YES = /^(1|y|yes|t|true|on)$/i

/** Without an empty ExecStart before it, a second one is an error of systemd. */
const startsSshd = (text: string, isWhole: boolean): boolean => {
  const { values, isReset } = valuesOf(text, 'ExecStart')
  if (!isWhole && !isReset) return values.length === 0
  return values.length === 1 && (values[0]?.includes('sshd') ?? false)
}

const closedByService = ({ path, text, account, home, isSocketUsed, isKeysPlaceSet }: Change): string | undefined => {
  const last = (key: string): string => valuesOf(text, key).values.at(-1) ?? ''
  if (!startsSshd(text, !isDropIn(path))) return 'the unit would not start sshd'
  if (account !== 'root' && YES.test(last('NoNewPrivileges'))) return 'sudo would not work in its sessions (NoNewPrivileges)'
  if (/^(\/home|\/root|\/run\/user)(\/|$)/.test(home) && /^(1|y|yes|t|true|on|tmpfs)$/i.test(last('ProtectHome')) && !isKeysPlaceSet)
    return 'sshd could not read the keys in the home (ProtectHome)'
  if (!isSocketUsed && YES.test(last('PrivateNetwork'))) return 'sshd would not be connected to the network (PrivateNetwork)'
  const key = ['DynamicUser', 'PrivateUsers'].find((one) => YES.test(last(one))) ?? (/^(|root|0)$/.test(last('User')) ? undefined : 'User')
  return key === undefined ? undefined : `sshd would not run as root (${key})`
}
