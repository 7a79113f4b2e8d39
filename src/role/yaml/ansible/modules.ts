/**
 * Returns the fix for a module of Ansible that is written as a kind, with or without its collection. Undefined for a name that no module
 * has.
 */
export const ansibleKind = (module: string, kinds: { has(name: string): boolean }): string | undefined => {
  const short = module.replace(/^[a-z_]+\.[a-z_]+\./, '')
  return MODULES.get(short) ?? (short !== module && kinds.has(short) ? kindNamed(short) : undefined)
}

const kindNamed = (name: string): string => `use the kind \`${name}\``

/** Modules for which a kind does the same. */
const KINDS: Readonly<Record<string, readonly string[]>> = {
  'apt-repository': ['apt_repository', 'deb822_repository', 'yum_repository'],
  'authorized-keys': ['authorized_key'],
  block: ['blockinfile'],
  container: ['podman_container', 'docker_container'],
  database: ['mysql_db'],
  'database-account': ['mysql_user'],
  download: ['get_url'],
  'kernel-module': ['modprobe'],
  limits: ['pam_limits'],
  locale: ['locale_gen'],
  'postgresql-database': ['postgresql_db'],
  'postgresql-extension': ['postgresql_ext'],
  'postgresql-role': ['postgresql_user', 'postgresql_privs', 'postgresql_membership'],
  setting: ['ini_file'],
  wait: ['wait_for'],
}

const PACKAGE = 'use the kind `package`, with one name; in a playbook, `each` repeats it for a list'
const FIREWALL = 'bind the role `firewall`; it opens the ports that roles declare. Other rules: its option `extra`, or the kind `nftables`'
const COMMAND = 'use the kind `command`, with `creates`, `unless` or `when`, which decide whether it runs'
const INSTALLER = 'use the kind `command`, with an `unless` that asks whether the package is installed'
const VARIABLE = 'set a variable under `vars` in the inventory, or run shell code on the host with the kind `command`'
const ROLE = 'list the role under `roles` of a play'
const TASKS = 'move the resources to a role in YAML (roles/NAME/role.yaml), and list it under `roles` of a play'
const NOTHING = 'remove it; resources are applied in their order, and a change that fails ends the run on its host'
const CERTIFICATE = 'use the kind `certificate`, or the role `haproxy-tls` for certificates of an ACME authority'
const SQL = 'use the kind `command` with `unless`, or a role in TypeScript; an SQL statement has no state to compare'
const COMPOSE = 'use the kind `container` for each service; see docs/containers.md in the package provision'
const FACT = 'remove it; facts of the host are always read. See docs/resources.md in the package provision'

/** Modules whose fix is a sentence: several kinds, or none. */
const SENTENCES: Readonly<Record<string, readonly string[]>> = {
  [PACKAGE]: ['apt', 'package', 'pkg', 'dnf', 'yum'],
  'set `key` and `fingerprint` of the kind `apt-repository`': ['apt_key', 'rpm_key'],
  'set `hold` of the kind `package`': ['dpkg_selections'],
  'use the kind `file`, with `content` or `source`, or the kind `tree` for a directory': ['copy', 'synchronize', 'assemble'],
  'use the kind `file`, with `template`': ['template'],
  'use the kind `line`, with `regexp` and `occurrences: all`': ['replace'],
  'use the kind `line`, or the kind `setting` for a value of a configuration file': ['lineinfile'],
  'use the kind `service`; it starts and enables a unit, and reloads it after a change of its files': [
    'systemd',
    'systemd_service',
    'sysvinit',
  ],
  'use the kind `archive`': ['unarchive'],
  'use the kind `wait`, with `condition`': ['pause'],
  'use the kind `wait` to wait for an answer, or the kind `command` to send a request': ['uri'],
  'use the kind `reboot`; it waits until the host is back': ['wait_for_connection'],
  [COMMAND]: ['shell', 'raw', 'expect', 'acl', 'capabilities', 'make'],
  [INSTALLER]: ['pip', 'npm', 'yarn', 'gem', 'composer', 'snap', 'flatpak', 'cargo', 'pipx'],
  'use the kind `command`: { name: …, run: a2enmod NAME, creates: /etc/apache2/mods-enabled/NAME.load }': ['apache2_module'],
  [FIREWALL]: ['ufw', 'iptables', 'firewalld', 'nftables_rule'],
  [COMPOSE]: ['docker_compose', 'docker_compose_v2', 'docker_stack', 'docker_swarm_service'],
  'use the kind `quadlet` for a network, a volume or an image of podman': [
    ...['docker_network', 'docker_volume', 'docker_image', 'podman_network', 'podman_volume', 'podman_image', 'podman_pod'],
  ],
  [SQL]: ['mysql_query', 'mysql_variables', 'postgresql_query', 'postgresql_script', 'postgresql_set'],
  'bind the role `mysql` to the hosts of the cluster': ['mysql_replication'],
  'use the kind `database-dump` to import a dump': ['mysql_import'],
  [CERTIFICATE]: ['acme_certificate', 'x509_certificate', 'openssl_certificate', 'openssl_privatekey', 'openssl_csr', 'certbot'],
  'use the kind `file`, with a secret as `content`; no kind creates this on the host': ['htpasswd', 'known_hosts'],
  'use the kind `user`, with `sshKey: ed25519`, for the key of an account': ['openssh_keypair'],
  'use the kind `timer` or `cron`; no kind schedules a single run': ['at'],
  'use the kind `swap`': ['swapfile'],
  'use the kind `mount` for a file system that exists; no kind creates a file system or a volume': [
    ...['filesystem', 'parted', 'lvg', 'lvol', 'luks_device', 'zfs'],
  ],
  'use the kind `command`: { name: …, run: exit 1, unless: TEST }; it ends the run on hosts where TEST fails': ['assert', 'fail'],
  'remove it; `npx provision inventory host NAME` prints variables, and a dry run prints each change': ['debug', 'print'],
  'use `creates` or `unless` of the kind `command`; a resource has no result that others could read': ['stat', 'find', 'slurp'],
  'run `npx provision fetch` to copy a file from hosts': ['fetch'],
  [VARIABLE]: ['set_fact', 'include_vars'],
  [ROLE]: ['include_role', 'import_role'],
  [TASKS]: ['import_tasks', 'include_tasks', 'include'],
  [NOTHING]: ['meta', 'ping', 'async_status', 'tempfile'],
  [FACT]: ['setup', 'gather_facts', 'package_facts', 'service_facts'],
  'add hosts and groups to the inventory': ['add_host', 'group_by'],
  'use the kind `file` for the configuration of the network; no kind changes interfaces': ['nmcli', 'interfaces_file', 'netplan'],
}

const MODULES: ReadonlyMap<string, string> = new Map([
  ...Object.entries(KINDS).flatMap(([kind, modules]) => modules.map((module) => [module, kindNamed(kind)] as const)),
  ...Object.entries(SENTENCES).flatMap(([fix, modules]) => modules.map((module) => [module, fix] as const)),
])

/** Names of the modules that the table has. */
export const ANSIBLE_MODULES: readonly string[] = [...MODULES.keys()]
