/** Returns the fix for a key of a task of Ansible. */
export const ansibleKey = (key: string): string | undefined =>
  /^(with_\w+|loop)$/.test(key) ? 'write `each`, with a list or a map' : KEYS.get(key)

const REMOVE_BECOME = 'remove it; resources are always applied as root'
const NO_REGISTER = 'remove it; a resource has no result. Use facts of the host, or a role in TypeScript'

const KEYS: ReadonlyMap<string, string> = new Map(
  Object.entries({
    name: 'remove it, or write it as a comment; plans name a resource by its kind and identity',
    when: `write \`if\`, for example if: \${facts.distribution} == 'debian'`,
    become: REMOVE_BECOME,
    become_user: REMOVE_BECOME,
    register: NO_REGISTER,
    changed_when: 'remove it; a kind knows itself what it changes',
    failed_when: 'remove it; a kind knows itself when it fails',
    ignore_errors: 'remove it; a change that fails ends the run on its host',
    notify: 'remove it; a `service` names the files that it loads or restarts for (`loads`, `restarts`)',
    tags: 'remove it; --role selects the resources of a play by its name',
    block: 'write each resource as an entry of its own, with its own `if`',
    vars: 'move the variables to the inventory',
    delegate_to: 'move the resource to a play of that host',
    run_once: 'move the resource to a play of one host',
    no_log: 'remove it; secrets are masked everywhere',
  }),
)

/** Returns the fix for a module of Ansible, if there is a kind for it. */
export const ansibleKind = (module: string, kinds: { has(name: string): boolean }): string | undefined => {
  const short = module.replace(/^(ansible\.builtin|ansible\.posix|community\.general|community\.mysql|containers\.podman)\./, '')
  const named = (MODULES.get(short) ?? (short === module ? [] : [short])).find((kind) => kinds.has(kind))
  return named === undefined ? undefined : `use the kind \`${named}\``
}

/** Kinds for modules; the first that exists counts. */
const MODULES: ReadonlyMap<string, readonly string[]> = new Map(
  Object.entries({
    apt: ['package'],
    package: ['package'],
    pkg: ['package'],
    dnf: ['package'],
    yum: ['package'],
    apt_repository: ['apt-repository'],
    apt_key: ['apt-repository'],
    deb822_repository: ['apt-repository'],
    copy: ['file'],
    template: ['template', 'file'],
    lineinfile: ['line'],
    replace: ['line'],
    blockinfile: ['block'],
    ini_file: ['setting'],
    systemd: ['service'],
    systemd_service: ['service'],
    shell: ['command'],
    script: ['script', 'command'],
    raw: ['command'],
    authorized_key: ['authorized-keys'],
    get_url: ['download'],
    uri: ['wait', 'command'],
    wait_for: ['wait'],
    unarchive: ['archive'],
    synchronize: ['tree'],
    ufw: ['nftables'],
    iptables: ['nftables'],
    modprobe: ['kernel-module'],
    mysql_db: ['database'],
    mysql_user: ['database-account'],
    podman_container: ['container'],
    docker_container: ['container'],
    postgresql_db: ['postgresql-database'],
    postgresql_user: ['postgresql-role'],
    pam_limits: ['limits'],
    locale_gen: ['locale'],
  }),
)
