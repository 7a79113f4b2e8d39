import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { lstat, readFile } from 'node:fs/promises'
import { homedir, hostname, userInfo } from 'node:os'
import { join } from 'node:path'
import type { Environment } from '../../environment.ts'
import { Problem, type Where } from '../../problem.ts'
import { lackingAlgorithms } from './algorithms.ts'
import type { Connection } from './connection.ts'
import { refusedConfig } from './refused-config.ts'

/** The settings of ssh's configuration for a destination. */
export interface SshConfig {
  readonly address: string
  readonly port: number
  readonly user: string
  readonly keys: readonly string[]
  readonly knownHosts: readonly string[]
  readonly jump: readonly string[]
  readonly hostKeys?: Connection['hostKeys']
  readonly hostKeyAlias?: string
  readonly agent?: string
  readonly agentKeys: NonNullable<Connection['agentKeys']>
  readonly ignoreUnknown?: string
  readonly sshNeeds?: readonly string[]
}

/** Arguments of ssh for a destination: `alias`, `user@host:port`, `[fd00::1]:22` or `ssh://user@host`. */
export const argumentsFor = (destination: string): readonly string[] => {
  const { user, host = destination, port } = DESTINATION.exec(destination)?.groups ?? {}
  return [
    ...(user === undefined ? [] : ['-l', user]),
    ...(port === undefined ? [] : ['-p', port]),
    ...['--', host.startsWith('[') ? host.slice(1, -1) : host],
  ]
}

// OpenSSH 9.2 accepts an IPv6 address neither in a URI nor in brackets, so the parts are separate arguments.
const DESTINATION = /^(?:ssh:\/\/)?(?:(?<user>.*)@)?(?<host>\[[^\]]+\]|[^:@[\]]+)(?::(?<port>\d+))?\/?$/

const placeOf = (destination: string): Where => ({ command: `ssh -G ${destination}` })

/** Reads the settings for a destination from the installed `ssh`. `home` has the user's own file. */
export const resolveThroughSshConfig = async (
  destination: string,
  { home = userInfo().homedir, timeoutMs = 10_000 } = {},
): Promise<SshConfig> => {
  // The definition of %C differs between versions, so ssh computes it.
  const written = await askSsh(destination, ['-o', 'ControlPath=/%C'], timeoutMs)
  const config = parseSshConfig(destination, written)
  // ssh skips files that do not exist. For a key in the agent, the public key file is enough.
  const keys = config.keys.filter((key) => existsSync(key) || existsSync(`${key}.pub`))
  const sshNeeds = [...(config.sshNeeds ?? []), ...(await ownNeeds(destination, home))]
  return { ...config, keys, ...(sshNeeds.length > 0 && { sshNeeds }) }
}

/** The output of `ssh -G` for a destination. */
const askSsh = (destination: string, options: readonly string[], timeout = 10_000): Promise<string> =>
  new Promise<string>((resolve, reject) => {
    const words = ['-G', ...options, ...argumentsFor(destination)]
    execFile('ssh', words, { timeout }, (error, stdout, stderr) => {
      if (!error) return resolve(stdout)
      const refused = refusedConfig(placeOf(destination), stderr)
      if (refused !== undefined) return reject(refused)
      if (error.killed) return reject(late(destination, timeout))
      const parts =
        error.code === 'ENOENT'
          ? {
              what: 'configuration of ssh cannot be read because ssh is not installed',
              fix: 'install openssh-client, or set address, user and key in the inventory',
            }
          : { what: 'configuration of ssh is invalid', why: stderr.trim() || error.message, fix: 'correct ~/.ssh/config' }
      reject(new Problem({ class: 'input', where: placeOf(destination), ...parts }))
    })
  })

const late = (destination: string, ms: number): Problem =>
  new Problem({
    class: 'input',
    where: placeOf(destination),
    what: `ssh did not read its configuration within ${ms / 1000} s`,
    why: 'programs of Match exec and the resolution of names (CanonicalizeHostname) take time',
    fix: 'try the command, and correct ~/.ssh/config',
  })

/**
 * Settings of the user's own file that need OpenSSH. The system-wide file does not count: Debian enables GSSAPIAuthentication there for all
 * users. A ControlPath counts if a shared connection exists at it.
 */
const ownNeeds = async (destination: string, home: string): Promise<readonly string[]> => {
  const file = join(home, '.ssh/config')
  const text = await readFile(file, 'utf8').catch(() => '')
  if (!/^\s*(gssapiauthentication|controlpath|include)\b/im.test(text)) return []
  const get = settingsIn(await askSsh(destination, ['-F', file]))
  const shared = get('controlpath')
  const owner = shared === undefined || shared === 'none' ? undefined : (await lstat(shared).catch(() => undefined))?.uid
  // ssh does not check it: the other account would receive all commands and the password of sudo.
  if (owner !== undefined && owner !== 0 && owner !== process.geteuid?.())
    throw new Problem({
      class: 'input',
      where: placeOf(destination),
      what: `shared connection ${shared} belongs to another account`,
      why: "ControlPath of ssh's configuration is in a directory in which others can create files",
      fix: 'set ControlPath to a path in a directory of yours, such as ~/.ssh/%C',
    })
  return [
    ...(get('gssapiauthentication') === 'yes' ? ['GSSAPIAuthentication yes'] : []),
    ...(owner === undefined ? [] : [`ControlPath ${shared}`]),
  ]
}

/** The first value of each setting in the output of `ssh -G`. */
const settingsIn = (written: string): ((name: string) => string | undefined) => {
  const settings = allSettings(written)
  return (name) => settings.get(name)?.[0]
}

const allSettings = (written: string): ReadonlyMap<string, readonly string[]> => {
  const settings = new Map<string, string[]>()
  for (const line of written.split('\n')) {
    const [, name, value = ''] = /(\S+) (.*)/.exec(line.trimEnd()) ?? []
    if (name !== undefined) settings.set(name.toLowerCase(), [...(settings.get(name.toLowerCase()) ?? []), value])
  }
  return settings
}

/** Parses the output of `ssh -G -o ControlPath=/%C`. */
export const parseSshConfig = (destination: string, written: string, env: Environment = process.env): SshConfig => {
  const settings = allSettings(written)
  const get = (name: string): string | undefined => settings.get(name)?.[0]
  const given = (name: string): string | undefined => (get(name) === 'none' ? undefined : get(name))
  const sshNeeds = [
    ...['ProxyCommand', 'PKCS11Provider', 'CertificateFile'].flatMap((name) => {
      const value = given(name.toLowerCase())
      return value === undefined ? [] : [`${name} ${value}`]
    }),
    ...lackingAlgorithms(get),
  ]
  const address = get('hostname') ?? destination
  const port = Number(get('port') ?? 22)
  const user = get('user') ?? userInfo().username
  const alias = given('hostkeyalias')
  const jump = given('proxyjump') ?? ''
  const ignoreUnknown = given('ignoreunknown')
  const name = argumentsFor(destination).at(-1) ?? destination
  const expand = expander(
    {
      C: get('controlpath')?.slice(1) ?? '',
      d: homedir(),
      h: address,
      i: String(userInfo().uid),
      j: jump,
      k: alias ?? name,
      L: hostname().split('.')[0] ?? '',
      l: hostname(),
      n: name,
      p: String(port),
      r: user,
      u: userInfo().username,
    },
    env,
    placeOf(destination),
  )
  const agent = agentOf(get('identityagent'), expand, env)
  return {
    address,
    port,
    user,
    keys: chosenKeys(settings.get('identityfile') ?? []).map(expand),
    knownHosts: [get('userknownhostsfile'), get('globalknownhostsfile')]
      .flatMap((files) => (files ?? '').split(' ').filter((file) => file !== '' && file !== 'none'))
      .map(expand),
    jump: jump
      .split(',')
      .filter((hop) => hop !== '')
      .map(expand),
    ...(get('stricthostkeychecking') === 'accept-new' ? { hostKeys: 'accept-new' as const } : {}),
    ...(alias === undefined ? {} : { hostKeyAlias: alias }),
    ...(agent === undefined ? {} : { agent }),
    agentKeys: get('identitiesonly') === 'yes' ? 'named' : 'all',
    ...(ignoreUnknown === undefined ? {} : { ignoreUnknown }),
    ...(sshNeeds.length > 0 && { sshNeeds }),
  }
}

/** The settings of a host that is reached through other hosts than its ProxyCommand or ProxyJump. */
export const reachedThrough = (jump: readonly string[], { sshNeeds = [], ...config }: SshConfig): SshConfig => ({
  ...config,
  jump,
  sshNeeds: sshNeeds.filter((need) => !need.startsWith('ProxyCommand ')),
})

type Expand = (text: string) => string

/** Expands `~`, `%` tokens and `${NAME}` as ssh does (ssh_config(5), TOKENS and ENVIRONMENT VARIABLES). */
const expander =
  (tokens: Readonly<Record<string, string>>, env: Environment, where: Where): Expand =>
  (text) =>
    text.replace(/^~(?=\/|$)/, homedir()).replace(/%(.?)|\$\{([^}]*)\}/g, (whole, token: string | undefined, name: string | undefined) => {
      const value = name === undefined ? (token === '%' ? '%' : tokens[token ?? '']) : env[name]
      if (value !== undefined) return value
      throw new Problem({
        class: 'input',
        where,
        what: name === undefined ? `token ${whole} in ${text} is not supported` : `environment variable ${name} is not set`,
        why: name === undefined ? undefined : `ssh's configuration uses it: ${text}`,
        fix: name === undefined ? 'write the value itself in ~/.ssh/config' : `set it: export ${name}=…`,
      })
    })

/** The agent's socket by IdentityAgent: undefined for that of SSH_AUTH_SOCK, `none` for no agent. */
const agentOf = (written: string | undefined, expand: Expand, env: Environment): string | undefined => {
  if (written === undefined || written === 'SSH_AUTH_SOCK' || written === 'none') return written === 'none' ? written : undefined
  // The older form: $NAME for the whole value. An unset variable means no agent.
  const variable = /^\$([A-Za-z_][A-Za-z0-9_]*)$/.exec(written)?.[1]
  return variable === undefined ? expand(written) : env[variable] || 'none'
}

// Without IdentityFile in the configuration, ssh prints all its default names.
const chosenKeys = (files: readonly string[]): readonly string[] =>
  files.length > 1 && files.every((file) => /^~\/\.ssh\/id_[a-z0-9_]+$/.test(file)) ? [] : files.filter((file) => file !== 'none')
