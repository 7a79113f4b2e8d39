import { Problem } from '../../problem.ts'
import { commandLine } from '../../shell/quote.ts'
import type { Target } from '../target/connection.ts'
import { usesNamedKeys } from '../target/login-keys.ts'

export interface SshOptions {
  /** The file for ssh's own messages. Without it, they are on standard error, and only errors. */
  readonly log?: string | undefined
  /** A word to pass to the host when the session opens, which ssh then writes to its messages. */
  readonly word?: string | undefined
  /** The only known_hosts file, instead of those of the target. */
  readonly knownHosts?: string | undefined
  /** Stores the host key that the host presents. */
  readonly acceptsKey?: boolean | undefined
  /** Refuses connections that another ssh process shares (ControlPath). */
  readonly fresh?: boolean | undefined
  /** The jump host. Without it, ssh's configuration decides. */
  readonly via?: Via | undefined
  readonly more?: readonly string[]
}

/** A jump host, and the one before it. */
export interface Via {
  readonly target: Target
  readonly via?: Via | undefined
}

/** Settings that older versions do not have. */
const NEWER =
  'LogVerbose,ChannelTimeout,KnownHostsCommand,SessionType,StdinNull,ForkAfterAuthentication,ObscureKeystrokeTiming,EnableEscapeCommandline'

/** Settings that do not depend on the host. Nothing but the command runs: no terminal, no forwarding, no command of the configuration. */
const FIXED = {
  RequestTTY: 'no',
  EscapeChar: 'none',
  SessionType: 'default',
  StdinNull: 'no',
  ForkAfterAuthentication: 'no',
  RemoteCommand: 'none',
  PermitLocalCommand: 'no',
  ClearAllForwardings: 'yes',
  ForwardAgent: 'no',
  ForwardX11: 'no',
  Tunnel: 'no',
  ControlMaster: 'no',
  AddKeysToAgent: 'no',
  // The root shell is idle while other hosts work.
  ChannelTimeout: 'none',
  LogVerbose: 'none',
  // provision answers the questions for passphrases and PINs. Passwords are not used.
  BatchMode: 'no',
  PasswordAuthentication: 'no',
  KbdInteractiveAuthentication: 'no',
  NumberOfPasswordPrompts: '3',
  // provision limits each stage itself. This limit must not be shorter.
  ConnectTimeout: '60',
  ConnectionAttempts: '1',
  ServerAliveInterval: '10',
  ServerAliveCountMax: '3',
  GlobalKnownHostsFile: '/dev/null',
  KnownHostsCommand: 'none',
  UpdateHostKeys: 'no',
  VerifyHostKeyDNS: 'no',
  HashKnownHosts: 'no',
  CheckHostIP: 'no',
  VisualHostKey: 'no',
  NoHostAuthenticationForLocalhost: 'no',
}

/** The arguments of ssh for a host, ending with the destination. No secret is among them. */
export const sshArguments = (target: Target, options: SshOptions = {}): readonly string[] => {
  const { log, word, knownHosts, acceptsKey = false, fresh = false, via, more = [] } = options
  const { sshConfig, address, port, user, keys, hostKeyAlias, agent, ignoreUnknown } = target
  const files = knownHosts === undefined ? target.knownHosts : [knownHosts]
  const settings: Record<string, string | undefined> = {
    // The first value counts, so that it contains that of the configuration.
    IgnoreUnknown: ignoreUnknown === undefined ? NEWER : `${NEWER},${ignoreUnknown}`,
    ...FIXED,
    LogLevel: log === undefined ? 'ERROR' : 'DEBUG1',
    StrictHostKeyChecking: acceptsKey ? 'accept-new' : 'yes',
    UserKnownHostsFile: files.length === 0 ? '/dev/null' : files.map((file) => pathValue(target, file)).join(' '),
    User: user,
    Port: String(port),
    HostName: escaped(address),
    HostKeyAlias: hostKeyAlias,
    IdentityAgent: agent === undefined || agent === 'none' ? (agent ?? 'SSH_AUTH_SOCK') : pathValue(target, agent),
    IdentitiesOnly: usesNamedKeys(target) ? 'yes' : 'no',
    ControlPath: fresh || sshConfig === undefined ? 'none' : undefined,
    ProxyCommand: via && proxyCommand(target, via),
    SetEnv: word === undefined ? undefined : `PROVISION_SESSION=${word}`,
  }
  return [
    ...(sshConfig === undefined ? ['-F', 'none'] : []),
    ...(log === undefined ? [] : ['-E', log]),
    ...Object.entries(settings).flatMap(([name, value]) => (value === undefined ? [] : ['-o', `${name}=${value}`])),
    ...keys.flatMap((key) => ['-o', `IdentityFile=${pathValue(target, key)}`]),
    ...more,
    // The destination is not an option, even if it begins with a dash.
    ...['--', sshConfig ?? address],
  ]
}

/** A chain of ssh processes: each reaches the next host through the one before. */
const proxyCommand = ({ address, port }: Target, { target, via }: Via): string => {
  const place = `${address.includes(':') ? `[${address}]` : address}:${port}`
  return escaped(commandLine('ssh', ...sshArguments(target, { via, more: ['-W', place] })))
}

const escaped = (value: string): string => value.replaceAll('%', '%%')

/** A path as the value of an option: ssh splits values at spaces, and expands `%` and `${}`. */
const pathValue = ({ name }: Target, path: string): string => {
  if (path.includes('${'))
    throw new Problem({
      class: 'input',
      where: { host: name },
      what: `path ${path} cannot be passed to ssh`,
      why: 'ssh replaces variables in braces with their values',
      fix: 'rename the file, or set transport: ssh2',
    })
  return `"${escaped(path).replace(/[\\"]/g, '\\$&')}"`
}
