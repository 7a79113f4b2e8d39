import type { z } from 'zod'
import type { Problem } from '../../problem.ts'
import { shownName } from '../../shown-name.ts'
import { inputProblem } from '../source/input-problem.ts'
import { locatedValue, omitKeys, plainValue, type SourceMap, type SourceNode } from '../source/source-map.ts'
import { zodProblems } from './zod.ts'

/** Returns the fix for a key from another tool, for which no similar key exists. */
export type Hint = (key: string) => string | undefined

/** The schema of a map, its name in messages, and fixes for unknown keys. */
export interface Expected {
  readonly label: string
  readonly schema: z.ZodType
  readonly hint?: Hint
}

/** Returns the part of a map that its schema accepts. Adds all other parts to `problems`, so that one error does not hide others. */
export const keepValid = (node: SourceNode, { label, schema, hint = () => undefined }: Expected, problems: Problem[]): SourceMap => {
  if (node.is !== 'map') {
    if (!isNothing(node)) problems.push(inputProblem(node.place, `${label} must be a map`, 'write indented `key: value` lines below it'))
    return { is: 'map', entries: new Map(), place: node.place }
  }
  const hinted = [...node.entries].flatMap(([key, entry]) => {
    const fix = hint(key)
    return fix === undefined ? [] : [{ key, problem: inputProblem(entry.key, `unknown option \`${shownName(key)}\` in ${label}`, fix) }]
  })
  problems.push(...hinted.map(({ problem }) => problem))
  const rest = omitKeys(node, new Set(hinted.map(({ key }) => key)))
  const result = schema.safeParse(plainValue(rest))
  if (result.success) return rest
  problems.push(...zodProblems(result.error, locatedValue(rest), label, schema))
  const invalidKeys = result.error.issues.flatMap((issue) =>
    issue.code === 'unrecognized_keys' && issue.path.length === 0 ? issue.keys : issue.path.slice(0, 1),
  )
  return omitKeys(rest, new Set(invalidKeys))
}

/** Whether a value is missing, as in `web:`. It counts as an empty map. */
export const isNothing = (node: SourceNode): boolean => node.is === 'scalar' && node.value === null

/** Returns the fix for a variable of Ansible. */
export const ansibleHint: Hint = (key) => {
  const name = ANSIBLE.get(key)
  return name === undefined ? OTHERS.get(key) : `use \`${name}\` instead`
}

const ANSIBLE: ReadonlyMap<string, string> = new Map(
  Object.entries({
    ansible_host: 'address',
    ansible_ssh_host: 'address',
    ansible_port: 'port',
    ansible_ssh_port: 'port',
    ansible_user: 'user',
    ansible_ssh_user: 'user',
    ansible_ssh_private_key_file: 'key',
    ansible_private_key_file: 'key',
    ansible_become_password: 'sudo_password',
    ansible_become_pass: 'sudo_password',
    ansible_sudo_pass: 'sudo_password',
  }),
)

const SSH = 'write the options in ~/.ssh/config, which every connection reads'
const AS_ROOT = 'remove it; resources are applied as root, with sudo if the user is not root'

const OTHERS: ReadonlyMap<string, string> = new Map(
  Object.entries({
    ansible_become: AS_ROOT,
    ansible_become_method: AS_ROOT,
    ansible_become_user: AS_ROOT,
    ansible_connection: 'remove it; for this machine, write `address: local`',
    ansible_python_interpreter: 'remove it; a host needs sshd and sh only',
    ansible_password: 'use `key`; provision enters no password to log in',
    ansible_ssh_pass: 'use `key`; provision enters no password to log in',
    ansible_ssh_common_args: SSH,
    ansible_ssh_extra_args: SSH,
    ansible_host_key_checking: 'use `host_keys` instead',
  }),
)
