import { accepts } from '../../../site/schema/schema-at.ts'
import { plainValue, type SourceNode } from '../../../site/source/source-map.ts'
import type { Declarable } from '../entries.ts'

/** Returns the fix for an option of a module that the kind for the same does not have. */
export const ansibleOption = (kind: string, option: string): string | undefined => {
  const name = RENAMED[kind]?.[option]
  return name === undefined ? (ADVICE[kind]?.[option] ?? EVERYWHERE[option]) : `write \`${name}\``
}

/** Returns what is wrong with a value that a module takes and the kind refuses: a word, or a list in place of a single value. */
export const ansibleValue = (
  kind: Declarable,
  key: string,
  node: SourceNode,
): { readonly what: string; readonly fix: string } | undefined => {
  // A reference has its value only on a host.
  if (hasReference(node) || accepts(kind.schema, [key], plainValue(node))) return undefined
  if (node.is === 'list') {
    const [first] = node.items
    return first?.is === 'scalar' && typeof first.value === 'string' && accepts(kind.schema, [key], first.value)
      ? {
          what: `\`${key}\` of resource ${kind.name} takes one value, not a list`,
          fix: `add \`each: […]\` with the list beside \`${kind.name}\`, and write ${key}: "\${item}"`,
        }
      : undefined
  }
  if (node.is !== 'scalar' || typeof node.value !== 'string') return undefined
  const fix = VALUES[kind.name]?.[key]?.[node.value]
  return fix === undefined ? undefined : { what: `\`${key}\` of resource ${kind.name} cannot be "${node.value}"`, fix }
}

const hasReference = (node: SourceNode): boolean =>
  node.is === 'list' ? node.items.some(hasReference) : node.is === 'scalar' && typeof node.value === 'string' && node.value.includes('${')

type Table<T> = Readonly<Record<string, Readonly<Record<string, T>> | undefined>>

const PART = { dest: 'path', insertafter: 'after', insertbefore: 'before', validate: 'check' }
const MYSQL = { encoding: 'charset' }

/** Options of modules, by kind, and the options of the kind for the same. */
export const RENAMED: Table<string> = {
  alternatives: { link: 'path' },
  'apt-repository': { filename: 'name', signed_by: 'key' },
  archive: { dest: 'path', src: 'source', checksum: 'sha256', extra_opts: 'strip' },
  'authorized-keys': { key: 'keys' },
  block: { ...PART, marker: 'begin', marker_begin: 'begin', marker_end: 'end', content: 'block' },
  command: { cmd: 'run', argv: 'run', chdir: 'directory', stdin: 'input' },
  container: { env: 'environment', published_ports: 'ports', networks: 'network', restart_policy: 'restart', volume: 'volumes' },
  database: MYSQL,
  'database-account': { name: 'user', priv: 'grants' },
  'database-dump': { target: 'source' },
  debconf: { name: 'package', question: 'answers', value: 'answers' },
  directory: { dest: 'path', name: 'path' },
  download: { dest: 'path', checksum: 'sha256', timeout: 'withinMinutes', url_username: 'user', url_password: 'password' },
  file: { dest: 'path', src: 'source', validate: 'check', backup: 'backups', name: 'path' },
  git: { dest: 'path', repo: 'repository', version: 'ref', force: 'discard', accept_hostkey: 'knownHosts', key_file: 'key' },
  line: { ...PART, search_string: 'contains', firstmatch: 'occurrences', backrefs: 'backreferences' },
  link: { dest: 'path', src: 'target', name: 'path' },
  mount: { src: 'source', fstype: 'type', opts: 'options', passno: 'pass', name: 'path' },
  package: { pkg: 'name', install_recommends: 'recommends', cache_valid_time: 'cacheHours' },
  'postgresql-database': { lc_collate: 'collation', conn_limit: 'connectionLimit' },
  'postgresql-extension': { db: 'database', ext: 'name' },
  'postgresql-role': { user: 'name', priv: 'grants', conn_limit: 'connectionLimit', expires: 'validUntil', groups: 'memberOf' },
  reboot: { reboot_timeout: 'withinMinutes' },
  script: { cmd: 'source', chdir: 'directory' },
  service: { name: 'unit' },
  setting: { dest: 'path', option: 'key' },
  sudoers: { nopassword: 'password', user: 'users', group: 'groups', runas: 'as' },
  sysctl: { name: 'key' },
  user: { remove: 'removeHome', force: 'endSessions' },
  wait: { host: 'address', timeout: 'withinSeconds', sleep: 'everySeconds', search_regex: 'text', status_code: 'status' },
}

const JOBS = 'write `jobs`, for example jobs: [{ schedule: "30 4 * * *", user: root, command: /usr/local/bin/report }]'
const RUNNING = 'write `running: false` for a unit that is stopped; it restarts if the files in `loads` or `restarts` change'
const SYSTEMD = 'remove it; systemd reads changed unit files again before a unit starts or reloads'
const NO_TEMPLATE = 'write `source`; a file of this kind is not rendered'
const ROLE_ATTRIBUTES = 'write the attributes as options: superuser, createdb, createrole, replication, login'

/** Options of modules, by kind, that need more than another name. */
export const ADVICE: Table<string> = {
  'apt-repository': { repo: 'write `uris`, `suites` and `components`, the three parts of a line of sources.list' },
  archive: { template: NO_TEMPLATE },
  'database-dump': { template: NO_TEMPLATE },
  cron: { minute: JOBS, hour: JOBS, day: JOBS, month: JOBS, weekday: JOBS, job: JOBS, special_time: JOBS, user: JOBS },
  command: { removes: 'write `unless: test ! -e PATH`', executable: 'remove it; write `run: bash -c …` for another shell' },
  container: {
    state: 'remove it; a container is present and started. For one that is not wanted, remove the resource and run with --prune',
  },
  directory: { recurse: 'use the kind `tree`, or the kind `permissions` for single paths' },
  file: { recurse: 'use the kind `tree` for files, or the kind `permissions` for single paths' },
  git: { update: 'remove it; write a commit as `ref` for a checkout that stays', owner: 'write `user`' },
  hostname: { use: 'remove it' },
  package: {
    update_cache: "remove it; the host's package lists are updated if they are older than `cacheHours`",
    upgrade: 'use the kind `upgrade`',
    deb: 'use the kind `download`, and the kind `command` with `unless`; packages come from a repository',
    default_release: 'use the kind `apt-pin`',
    only_upgrade: 'use the kind `upgrade`, with `packages`',
  },
  'postgresql-role': { role_attr_flags: ROLE_ATTRIBUTES, db: 'write `grants`, each with its database' },
  'authorized-keys': { path: 'remove it; sshd of the host decides where keys are', manage_dir: 'remove it; the directory is created' },
  service: { state: RUNNING, daemon_reload: SYSTEMD, masked: 'use the kind `link`: { path: /etc/systemd/system/UNIT, target: /dev/null }' },
  script: { executable: 'write the interpreter in the first line of the script: #!/usr/bin/python3' },
  sysctl: { sysctl_set: 'remove it; the value is set now and at boot', reload: 'remove it; the value is set now and at boot' },
  user: {
    append: 'remove it; `groups` are added, and other memberships stay',
    create_home: 'remove it; a home is created, but not for an account with `system: true`',
    createhome: 'remove it; a home is created, but not for an account with `system: true`',
    expires: 'use the kind `user-password`',
    update_password: 'use the kind `user-password`',
    generate_ssh_key: 'write `sshKey: ed25519`',
  },
  wait: { delay: 'remove it; `everySeconds` is the pause between two attempts' },
}

const LOGIN = 'remove it; the host asks its own server as root'

/** Options that several modules have. */
const EVERYWHERE: Readonly<Record<string, string | undefined>> = {
  remote_src: 'remove it; `url` names a source on the network, and `source` one of the project',
  force: 'remove it; a resource is changed if it differs',
  follow: 'remove it; no path is followed through a link that another account can replace',
  backup: 'remove it; only the kind `file` keeps `backups`',
  login_user: LOGIN,
  login_password: LOGIN,
  login_host: LOGIN,
  login_unix_socket: LOGIN,
  login_port: LOGIN,
  become: 'remove it; resources are always applied as root',
}

const MOUNTED = 'remove `state`; present means mounted now and at boot'

/** Values of options of modules that the kinds do not have. */
export const VALUES: Readonly<Record<string, Table<string> | undefined>> = {
  file: {
    state: {
      directory: 'use the kind `directory`',
      link: 'use the kind `link`, with `target`',
      hard: 'use the kind `link`; no kind creates hard links',
      touch: 'remove `state`, and write `overwrite: false`, which keeps a file that exists; times of files are not changed',
      file: 'remove `state`; for mode and owner of a file that something else writes, use the kind `permissions`',
    },
  },
  package: {
    state: {
      latest: 'use the kind `upgrade`, with `packages`, or set `version`',
      installed: 'remove `state`',
      removed: 'write `absent`',
      'build-dep': 'list the packages; no kind reads the build dependencies of another package',
    },
  },
  mount: {
    state: {
      mounted: MOUNTED,
      unmounted: 'write `absent`; or keep the entry, with the option noauto',
      remounted: MOUNTED,
      ephemeral: MOUNTED,
    },
  },
  database: { state: { import: 'use the kind `database-dump`', dump: 'use the kind `timer` with a script that calls mysqldump' } },
}
