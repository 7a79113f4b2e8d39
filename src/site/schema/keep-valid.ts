import type { z } from 'zod'
import type { Problem } from '../../problem.ts'
import { complaint } from '../source/complaint.ts'
import { plainOf, type Written, type WrittenMap, without, writtenOptions } from '../source/source-map.ts'
import { zodProblems } from './zod.ts'

/** A remedy for keys that people bring from elsewhere, where "did you mean" would not help. */
export type Hint = (key: string) => string | undefined

/** What the user wrote a map for, as messages name it, the schema of that, and remedies for its unknown keys. */
export interface Expected {
  readonly whatFor: string
  readonly schema: z.ZodType
  readonly hint?: Hint
}

/**
 * The part of a map that its schema accepts. Everything else is added to `problems` and left out, so that one fault does not hide the
 * others.
 */
export const keepValid = (node: Written, { whatFor, schema, hint = () => undefined }: Expected, problems: Problem[]): WrittenMap => {
  if (node.is !== 'map') {
    if (!isNothing(node)) problems.push(complaint(node.place, `${whatFor} must be a map`, 'write `key: value` lines below it, indented'))
    return { is: 'map', entries: new Map(), place: node.place }
  }
  const foreign = [...node.entries].flatMap(([key, entry]) => {
    const fix = hint(key)
    return fix === undefined ? [] : [{ key, problem: complaint(entry.key, `unknown option \`${key}\` in ${whatFor}`, fix) }]
  })
  problems.push(...foreign.map(({ problem }) => problem))
  const own = without(node, new Set(foreign.map(({ key }) => key)))
  const result = schema.safeParse(plainOf(own))
  if (result.success) return own
  problems.push(...zodProblems(result.error, writtenOptions(own), whatFor, schema))
  const faulty = result.error.issues.flatMap((issue) =>
    issue.code === 'unrecognized_keys' && issue.path.length === 0 ? issue.keys : issue.path.slice(0, 1),
  )
  return without(own, new Set(faulty))
}

/** `web:` with nothing after it is an empty map. */
export const isNothing = (node: Written): boolean => node.is === 'scalar' && node.value === null

/** Names of Ansible's that have another one here. */
export const ansibleHint: Hint = (key) => {
  const ours = ANSIBLE.get(key)
  return ours === undefined ? undefined : `write \`${ours}\` instead`
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
