import { quote } from '../../shell/quote.ts'
import type { Script } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'
import type { GitSpec } from './git-spec.ts'

/** Directory of the secret of a command, in memory. The start of each run deletes what a killed run left. */
export const GIT_DIRECTORY = '/run/provision-git'

/** File with the secret, which the account can read while git runs. */
const SECRET = `${GIT_DIRECTORY}/secret`

/**
 * Options for every command of git: no hook, no watcher of files and no maintenance of the repository runs. Its own settings belong to the
 * account, which runs git and gains nothing from them.
 */
export const GIT = [
  'git',
  ...[
    ...['core.hooksPath=/dev/null', 'core.fsmonitor=false', 'gc.auto=0', 'maintenance.auto=false', 'submodule.recurse=false'],
    ...['advice.detachedHead=false', 'protocol.version=2', 'core.fsync=all', 'credential.helper='],
  ].flatMap((setting) => ['-c', setting]),
]

/** ssh that accepts only the declared host keys, and asks nobody. */
const sshOf = ({ knownHosts, key }: GitSpec): string => {
  const known = `KnownHostsCommand=/usr/bin/printf %%s\\\\n ${knownHosts.map((line) => `"${line}"`).join(' ')}`
  const options = [
    ...['BatchMode=yes', 'StrictHostKeyChecking=yes', 'UserKnownHostsFile=none', 'GlobalKnownHostsFile=none', 'UpdateHostKeys=no'],
    ...['ConnectTimeout=15', 'ServerAliveInterval=15', 'ClearAllForwardings=yes', 'IdentityAgent=none', known],
    ...(key === undefined ? [] : ['IdentitiesOnly=yes', `IdentityFile=${SECRET}`]),
  ]
  return ['ssh', '-F', 'none', ...options.flatMap((option) => ['-o', option])].map(quote).join(' ')
}

/**
 * Environment of git: nothing of root's, no settings of the host, no questions, and only the protocol of the repository: a redirection or a
 * submodule cannot lead to `ext::` or to files of the host.
 */
export const environmentOf = (spec: GitSpec): readonly string[] => [
  ...[
    'LC_ALL=C',
    'HOME=/nonexistent',
    'GIT_CONFIG_NOSYSTEM=1',
    'GIT_CONFIG_GLOBAL=/dev/null',
    'GIT_TERMINAL_PROMPT=0',
    'GIT_ASKPASS=/bin/false',
  ],
  ...['GIT_SSH_VARIANT=ssh', `GIT_ALLOW_PROTOCOL=${spec.ssh ? 'ssh' : new URL(spec.repository).protocol.slice(0, -1)}`],
  ...['GIT_HTTP_LOW_SPEED_LIMIT=1', 'GIT_HTTP_LOW_SPEED_TIME=30'],
  ...(spec.ssh ? [`GIT_SSH_COMMAND=${sshOf(spec)}`] : []),
]

/** Settings by which git finds the token. */
export const credentialsOf = ({ token }: GitSpec): readonly string[] =>
  token === undefined ? [] : ['-c', `credential.helper=store --file=${SECRET}`]

/** The content of the secret file. */
export const secretOf = ({ key, token, tokenUser, repository }: GitSpec): string => {
  if (key !== undefined) return `${key.reveal().trimEnd()}\n`
  if (token === undefined) return ''
  return `https://${encodeURIComponent(tokenUser)}:${encodeURIComponent(token.reveal())}@${new URL(repository).host}\n`
}

/** Stores the secret of standard input for the account. */
export const storeSecret = (user: string): Script => sh`private=${GIT_DIRECTORY}
rm -rf "$private" && mkdir -m 711 "$private" || exit
trap 'rm -rf "$private"' EXIT
cat >${SECRET} && chown ${`${user}:`} ${SECRET} || exit`
