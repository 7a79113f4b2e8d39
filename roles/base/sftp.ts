import { authorizedKeys, type Check, directory, type HostView, type Resource, user, z } from 'provision'
import { accountName, type Fault, faultsIn } from './part.ts'

const entry = z
  .strictObject({
    name: accountName
      .refine((name) => name !== 'root', 'must not be root')
      .meta({ description: 'the account name', examples: ['partner'] }),
    keys: z
      .array(z.string())
      .default([])
      .meta({ description: 'public keys; others are removed', examples: [['ssh-ed25519 AAAA… partner']] }),
    folders: z
      .array(z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/, 'must be the name of a directory'))
      .min(1)
      .default(['files'])
      .meta({ description: 'directories below its root in which it may write' }),
    read_only: z.boolean().default(false).meta({ description: 'whether it can only read' }),
    state: z
      .enum(['present', 'absent'])
      .default('present')
      .meta({ description: '`absent` removes keys, ends sessions and deletes the account; its files stay' }),
  })
  .refine(({ keys, state }) => state === 'absent' || keys.length > 0, { path: ['keys'], error: 'must have at least one key' })

export const sftpOption = z
  .array(entry)
  .default([])
  .meta({
    description: 'accounts that transfer files by SFTP and can do nothing else',
    examples: [[{ name: 'partner', keys: ['ssh-ed25519 AAAA… partner'] }]],
  })

type Entries = z.output<typeof sftpOption>

/** Directory with the roots of the accounts. sshd requires that root owns each directory down to them. */
const ROOT = '/srv/sftp'

const present = (entries: Entries): Entries => entries.filter(({ state }) => state === 'present')

export const sftpDepartures = (entries: Entries): readonly Resource[] => {
  const leaving = entries.filter(({ state }) => state === 'absent')
  return [
    ...leaving.map(({ name }) => authorizedKeys({ user: name, keys: [], exclusive: true })),
    ...leaving.map(({ name }) => user({ name, state: 'absent', endSessions: true })),
  ]
}

/** The accounts, without a shell, and their directories. */
export const sftp = (entries: Entries): readonly Resource[] => {
  const all = present(entries)
  return [
    ...all.map(({ name }) => user({ name, shell: '/usr/sbin/nologin', password: 'locked' })),
    ...all.map(({ name, keys }) => authorizedKeys({ user: name, keys, exclusive: true })),
    ...(all.length === 0 ? [] : [directory({ path: ROOT })]),
    ...all.map(({ name }) => directory({ path: `${ROOT}/${name}` })),
    ...all.flatMap(({ name, folders }) =>
      folders.map((folder) => directory({ path: `${ROOT}/${name}/${folder}`, owner: name, group: name, mode: '750' })),
    ),
  ]
}

/** Settings of sshd for these accounts: nothing but files below their root, and no forwarding. */
export const sftpMatches = (entries: Entries) =>
  [false, true].flatMap((readOnly) => {
    const users = present(entries).flatMap(({ name, read_only }) => (read_only === readOnly ? [name] : []))
    if (users.length === 0) return []
    const settings = {
      ChrootDirectory: `${ROOT}/%u`,
      ForceCommand: `internal-sftp ${readOnly ? '-R' : '-u 0027'}`,
      AllowTcpForwarding: 'no',
      AllowStreamLocalForwarding: 'no',
      AllowAgentForwarding: 'no',
      X11Forwarding: 'no',
      PermitTunnel: 'no',
      PermitTTY: 'no',
    }
    return [{ users, settings }]
  })

interface Options {
  readonly sftp_accounts: Entries
  readonly ssh: { readonly enabled: boolean }
}

/** Accounts that are used for something else, and options that would leave them a shell. */
export const sftpFaults = (
  { sftp_accounts, ssh }: Options,
  host: HostView,
  people: readonly { readonly name: string }[],
): readonly Fault[] =>
  sftp_accounts.flatMap(({ name, keys, folders }, i) => {
    const fault = (key: string, what: string, fix: string): Fault => ({ path: ['sftp_accounts', i, key], what, fix })
    const isTwice = sftp_accounts.slice(0, i).some((other) => other.name === name)
    const isPerson = people.some((other) => other.name === name)
    return [
      ...(name === host.user ? [fault('name', `${name} is the account that this run uses`, 'choose another name')] : []),
      ...(isTwice ? [fault('name', `${name} is listed twice`, 'remove one of the two')] : []),
      ...(isPerson ? [fault('name', `${name} is an administrator too`, 'choose another name')] : []),
      ...(folders.some((one, at) => folders.indexOf(one) < at)
        ? [fault('folders', 'a directory is listed twice', 'remove one of the two')]
        : []),
      ...(ssh.enabled ? [] : [fault('name', `${name} would get a shell: the settings of sshd are not managed`, 'set `ssh.enabled: true`')]),
      ...faultsIn(
        authorizedKeys.kind.schema,
        { user: name, keys },
        (path) => ['sftp_accounts', i, ...path],
        'copy the whole line of the .pub file',
      ),
    ]
  })

export const sftpChecks = (entries: Entries): readonly Check[] =>
  present(entries).map(({ name }) => ({
    name: `${name} can only transfer files`,
    script: `active=$(sshd -T -C user=${name},host=client,addr=192.0.2.1) || exit
for line in 'chrootdirectory ${ROOT}/%u' 'allowtcpforwarding no' 'permittty no'; do printf '%s\\n' "$active" | grep -qixF -e "$line" || { echo "sshd -T does not print: $line"; exit 1; }; done
printf '%s\\n' "$active" | grep -q '^forcecommand internal-sftp' || { echo 'no command is forced'; exit 1; }
[ "$(stat -c %U:%a ${ROOT}/${name})" = root:755 ] || { echo '${ROOT}/${name} does not belong to root alone'; exit 1; }`,
  }))
