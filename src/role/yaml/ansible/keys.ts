/** Returns the fix for a key of a task of Ansible. */
export const ansibleKey = (key: string): string | undefined =>
  /^(with_\w+|loop)$/.test(key) ? `write \`each\`, with a list or a map; \${item} is its value` : KEYS.get(key)

const REMOVE_BECOME = 'remove it; resources are always applied as root'
const NO_REGISTER = 'remove it; a resource has no result. Use facts of the host, or a role in TypeScript'
const UNTIL = 'use the kind `wait`, which asks again until `withinSeconds` are over'
const ASYNC = 'remove it; hosts work in parallel, and the time limit of a kind is `withinMinutes`'
const BLOCK = 'write each resource as a separate entry, with its own `if`'
const ELSEWHERE = 'move the resource to a play of that host'

const KEYS: ReadonlyMap<string, string> = new Map(
  Object.entries({
    name: 'remove it, or write it as a comment; plans name a resource by its kind and identity',
    when: `write \`if\`, for example if: \${facts.distribution} == 'debian'`,
    become: REMOVE_BECOME,
    become_user: REMOVE_BECOME,
    become_method: REMOVE_BECOME,
    register: NO_REGISTER,
    changed_when: 'remove it; a kind knows itself what it changes',
    failed_when: 'remove it; a kind knows itself when it fails',
    ignore_errors: 'remove it; a change that fails ends the run on its host',
    notify: 'remove it; a `service` names the files that it loads or restarts for (`loads`, `restarts`)',
    listen: 'remove it; a `service` names the files that it loads or restarts for (`loads`, `restarts`)',
    handlers: 'remove it; a `service` names the files that it loads or restarts for (`loads`, `restarts`)',
    tags: 'remove it; --role selects the resources of a play by its name',
    block: BLOCK,
    tasks: BLOCK,
    rescue: 'remove it; a change that fails ends the run on its host, and the next run resumes it',
    always: BLOCK,
    vars: 'move the variables to the inventory',
    args: 'move the options below the kind',
    action: 'write the kind as the key, with its options below',
    local_action: 'run the command yourself; resources apply to hosts. For this machine, add a host with `address: local`',
    loop_control: `remove it; \${item} is the value of \`each\``,
    until: UNTIL,
    retries: UNTIL,
    delay: UNTIL,
    async: ASYNC,
    poll: ASYNC,
    throttle: 'remove it; `serial` of the play is the size of its batches',
    check_mode: 'remove it; `provision run --dry-run` shows every change',
    diff: 'remove it; a plan shows every diff',
    environment: 'move it below the kind; `command` and `script` have the option `environment`',
    delegate_to: ELSEWHERE,
    delegate_facts: ELSEWHERE,
    run_once: 'move the resource to a play of one host',
    no_log: 'remove it; secrets are masked everywhere',
  }),
)

/** Kinds whose module takes one text in place of options, and what to write instead. */
export const FREE_FORM: ReadonlyMap<string, string> = new Map([
  ['command', 'write, for example, `command: { name: index, run: make index, creates: /srv/index }`'],
  ['script', 'write, for example, `script: { name: index, source: files/index.py, creates: /srv/index }`'],
])
