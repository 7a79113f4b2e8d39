import type { Scope } from '../../engine/plan/saved.ts'
import type { Problem } from '../../problem.ts'
import { formats } from '../../report/report.ts'
import type { Options, Values } from '../command.ts'
import { inventoryOption } from '../options.ts'
import { usageError } from '../parse.ts'

/** The options of `provision run`. */
export const options = {
  ...inventoryOption,
  'dry-run': { type: 'boolean', help: 'show the planned changes without applying them' },
  yes: { type: 'boolean', short: 'y', help: 'apply without asking; only a person at a terminal is asked' },
  role: { type: 'string', multiple: true, value: 'NAME', help: 'apply only resources of this role' },
  limit: { type: 'string', short: 'l', multiple: true, value: 'PATTERN', help: 'apply only to matching hosts: web-01, web:!web-02, lb-*' },
  user: { type: 'string', value: 'NAME', help: 'log in with this account (overrides the inventory)' },
  key: { type: 'string', value: 'FILE', help: 'log in with this private key only' },
  json: { type: 'boolean', help: 'print one JSON object per line (same as --output json)' },
  output: { type: 'string', value: 'FORMAT', choices: formats, help: 'output format' },
  verbose: { type: 'boolean', short: 'v', help: 'show everything: long diffs, and the contents of new resources' },
  prune: { type: 'boolean', help: 'delete resources that provision created and no role declares any more' },
  'allow-data-loss': {
    type: 'string',
    multiple: true,
    value: 'HOST',
    help: 'allow replacing the data of this host, or promoting another server while it is down',
  },
  retire: {
    type: 'string',
    multiple: true,
    value: 'HOST',
    help: 'forget a host that left the inventory, once all other hosts refuse it',
  },
  save: { type: 'string', value: 'FILE', help: 'with --dry-run: write the plan to a file' },
  plan: { type: 'string', value: 'FILE', help: 'apply exactly the saved plan in this file; fail if it is stale' },
  wait: { type: 'boolean', help: 'wait for another run to release a host' },
} as const satisfies Options

/** The options that a saved plan repeats. */
export const scopeOf = (
  { inventory, limit = [], role = [], prune = false, 'allow-data-loss': allowDataLoss = [], retire = [] }: Values<typeof options>,
  playbooks: readonly string[],
): Scope => ({
  ...(inventory === undefined ? {} : { inventory }),
  playbooks: [...playbooks],
  limit: [...limit],
  roles: [...role],
  prune,
  allowDataLoss: [...allowDataLoss],
  retire: [...retire],
})

/** Options that cannot be combined. */
export const conflictingOptions = (values: Values<typeof options>, positionals: readonly string[]): readonly Problem[] => {
  const { plan, save, json, output } = values
  const scoped = (['inventory', 'role', 'limit', 'prune', 'allow-data-loss', 'retire'] as const)
    .filter((name) => values[name] !== undefined)
    .map((name) => `--${name}`)
  const redundant = plan === undefined ? [] : [...positionals, ...scoped, ...(save === undefined ? [] : ['--save'])]
  const partial = (['role', 'limit'] as const).filter((name) => values[name] !== undefined).map((name) => `--${name}`)
  return [
    ...(values.retire !== undefined && partial.length > 0
      ? [usageError('run', `--retire cannot be combined with ${partial.join(' ')}`, 'remove it: every host has to refuse the retired one')]
      : []),
    ...(json && output !== undefined && output !== 'json'
      ? [usageError('run', `--json conflicts with --output ${output}`, 'remove one of them')]
      : []),
    ...(save !== undefined && plan === undefined && !values['dry-run']
      ? [usageError('run', '--save needs --dry-run', 'add --dry-run, or remove --save')]
      : []),
    ...(redundant.length > 0
      ? [
          usageError(
            'run',
            `--plan cannot be combined with ${redundant.join(' ')}`,
            'remove the other arguments; the plan file contains them',
          ),
        ]
      : []),
  ]
}

/** The options that leave a part of the site out, as they were written. */
export const restrictions = ({ limit, roles }: Scope): readonly string[] => [
  ...new Set([...limit.map((pattern) => `--limit ${pattern}`), ...roles.map((name) => `--role ${name}`)]),
]
