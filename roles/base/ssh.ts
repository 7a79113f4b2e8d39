import { type Check, type Facts, type HostView, type Resource, sh, sshd, z } from 'provision'
import {
  certificateFaults,
  certificateFiles,
  certificateLeftovers,
  certificateSettings,
  certificatesOption,
  type Person,
} from './certificates.ts'
import { type Fault, faultsIn } from './part.ts'
import { type Coded, codeFiles, codeLeftovers, codeMatches } from './two-factor.ts'

export const sshOptions = z
  .strictObject({
    enabled: z.boolean().default(true).meta({ description: 'harden sshd' }),
    root_login: z
      .enum(['prohibit-password', 'no'])
      .default('prohibit-password')
      .meta({ description: 'login of root: by key, which first runs need, or `no`' }),
    settings: z
      .record(z.string(), z.union([z.int(), z.string(), z.array(z.string()), z.null()]))
      .default({})
      .meta({
        description: 'settings of sshd_config(5) to add or replace; `null` removes one of the role',
        examples: [{ MaxAuthTries: 6, AllowGroups: ['admins'] }],
      }),
    certificates: certificatesOption,
    confirm_seconds: z
      .int()
      .min(5)
      .max(600)
      .default(30)
      .meta({ description: 'time that a host waits for a new connection with the new configuration before it restores the old one' }),
  })
  .prefault({})

type Ssh = z.output<typeof sshOptions>
type Value = string | number | string[]

/**
 * Sources: CIS Debian 12 (5.1), dev-sec ssh-baseline, https://www.ssh-audit.com/hardening_guides.html. The README lists the source of each
 * setting. OpenSSH 8.9 to 10 accept all of them.
 */
const SETTINGS: Readonly<Record<string, Value>> = {
  PubkeyAuthentication: 'yes',
  PasswordAuthentication: 'no',
  KbdInteractiveAuthentication: 'no',
  PermitEmptyPasswords: 'no',
  HostbasedAuthentication: 'no',
  IgnoreRhosts: 'yes',
  MaxAuthTries: 3,
  LoginGraceTime: 30,
  ClientAliveInterval: 60,
  ClientAliveCountMax: 2,
  TCPKeepAlive: 'no',
  Compression: 'no',
  LogLevel: 'VERBOSE',
  X11Forwarding: 'no',
  AllowAgentForwarding: 'no',
  // Local forwarding is needed for jump hosts and tunnels to a dashboard. Remote forwarding would open a way in.
  AllowTcpForwarding: 'local',
  AllowStreamLocalForwarding: 'local',
  GatewayPorts: 'no',
  PermitTunnel: 'no',
  PermitUserEnvironment: 'no',
  Ciphers: 'aes256-gcm@openssh.com,aes128-gcm@openssh.com,aes256-ctr,aes192-ctr,aes128-ctr',
  MACs: 'hmac-sha2-512-etm@openssh.com,hmac-sha2-256-etm@openssh.com,umac-128-etm@openssh.com',
  HostKeyAlgorithms:
    'ssh-ed25519-cert-v01@openssh.com,sk-ssh-ed25519-cert-v01@openssh.com,rsa-sha2-512-cert-v01@openssh.com,rsa-sha2-256-cert-v01@openssh.com,ssh-ed25519,sk-ssh-ed25519@openssh.com,rsa-sha2-512,rsa-sha2-256',
}

/** Key exchange algorithms. OpenSSH 9.9 (Debian 13, Ubuntu 25.04) added the standardised ML-KEM. */
const keyExchanges = ({ distribution, release }: Pick<Facts, 'distribution' | 'release'>): string =>
  [
    ...(Number.parseFloat(release) >= (distribution === 'debian' ? 13 : 25.04) ? ['mlkem768x25519-sha256'] : []),
    'sntrup761x25519-sha512@openssh.com',
    'curve25519-sha256',
    'curve25519-sha256@libssh.org',
    'diffie-hellman-group16-sha512',
    'diffie-hellman-group18-sha512',
  ].join(',')

/** All settings. Keywords are case-insensitive, so a setting of the user replaces the role's own in any spelling. */
const settingsOf = ({ root_login, settings, certificates }: Ssh, KexAlgorithms: string): Readonly<Record<string, Value>> => {
  const own = new Set(Object.keys(settings).map((keyword) => keyword.toLowerCase()))
  const ours = Object.entries({ PermitRootLogin: root_login, ...SETTINGS, KexAlgorithms, ...certificateSettings(certificates) }).filter(
    ([keyword]) => !own.has(keyword.toLowerCase()),
  )
  return Object.fromEntries(
    [...ours, ...Object.entries(settings)].flatMap(([keyword, value]) => (value === null ? [] : [[keyword, value]])),
  )
}

/** sshd with keys only and modern algorithms. A new connection must confirm a change. */
export const ssh = (options: Ssh, facts: Facts, { people, match, wasDeclared }: Accounts): readonly Resource[] =>
  options.enabled
    ? [
        ...certificateFiles(options.certificates, people),
        ...codeFiles(people),
        sshd({
          settings: settingsOf(options, keyExchanges(facts)),
          match: [...match, ...codeMatches(people)].map((one) => ({ users: [...one.users], settings: one.settings })),
          confirmSeconds: options.confirm_seconds,
        }),
        // Last, because sshd must no longer use them.
        ...[...certificateLeftovers(options.certificates), ...codeLeftovers(people)].filter(({ kind, id }) =>
          wasDeclared(`${kind.name}:${id}`),
        ),
      ]
    : []

interface Accounts {
  readonly people: readonly Coded[]
  /** Whether a former run declared a resource. */
  wasDeclared(key: string): boolean
  readonly match: readonly { readonly users: readonly string[]; readonly settings: Readonly<Record<string, string>> }[]
}

/** Invalid settings, and settings that would lock out the run as root. */
export const sshFaults = (options: Ssh, { user }: HostView, people: readonly Person[]): readonly Fault[] => {
  if (!options.enabled)
    return options.certificates === undefined
      ? []
      : [
          {
            path: ['ssh', 'certificates'],
            what: 'certificates need settings of sshd, which are not managed',
            fix: 'set `ssh.enabled: true`',
          },
        ]
  const keyword = Object.keys(options.settings).find((one) => one.toLowerCase() === 'permitrootlogin')
  const rootLogin = keyword === undefined ? options.root_login : options.settings[keyword]
  return [
    ...certificateFaults(options.certificates, people),
    ...faultsIn(
      sshd.kind.schema,
      { settings: settingsOf(options, '-') },
      (path) => ['ssh', ...path],
      'correct the setting, see sshd_config(5)',
    ),
    ...(user === 'root' && rootLogin === 'no'
      ? [
          {
            path: keyword === undefined ? ['ssh', 'root_login'] : ['ssh', 'settings', keyword],
            what: 'root is the account that this run uses',
            fix: 'create an account of your own (base.administrators), then set `user` in the inventory to it',
          },
        ]
      : []),
  ]
}

export const sshChecks = (options: Ssh): readonly Check[] => {
  if (!options.enabled) return []
  const settings = settingsOf(options, '')
  const lines = Object.entries(settings).flatMap(([keyword, value]) => {
    // sshd prints times, lists and PermitRootLogin in another notation.
    return typeof value === 'string' && SETTINGS[keyword] === value ? [`${keyword.toLowerCase()} ${value}`] : []
  })
  return [
    {
      name: 'sshd settings are in force',
      script: sh`active=$(sshd -T) || exit 1
for line in ${lines}; do printf '%s\\n' "$active" | grep -qixF -e "$line" || { echo "sshd -T does not print: $line"; exit 1; }; done`,
    },
    ...(settings.PasswordAuthentication === 'no' && settings.KbdInteractiveAuthentication === 'no'
      ? [
          {
            name: 'sshd accepts keys only',
            script: sh`port=$(sshd -T | sed -n 's/^port //p' | head -n 1)
timeout 20 ssh -n -F none -p "$port" -o BatchMode=yes -o PreferredAuthentications=none -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null nobody@127.0.0.1 2>&1 | grep -F 'Permission denied (publickey).'`,
          },
        ]
      : []),
  ]
}
